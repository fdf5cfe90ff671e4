public import CacheKitCore
import Logging

/// What sealing the rows of the local store anew has done so far.
public struct ResealReport: Sendable, Equatable {
    /// Rows looked at.
    public var scanned = 0
    /// Rows that are under the current key now.
    public var resealed = 0
    /// Rows under an older key that wait for the remote or for a person; a later run takes them.
    public var waiting = 0
    /// Rows that changed between reading and writing; the change has the current key, or a later run takes them.
    public var overtaken = 0
    /// Values that open under no key of the ring: they stay as they are.
    public var unopened = 0
    /// Rows that do not authenticate: they stay as they are.
    public var unreadable = 0

    /// Nothing done.
    public init() {}
}

/// Key rotation: rows under an older key are sealed under the current one.
extension Cache {
    private static let rowsPerStep = 64
    private static let bytesPerStep = 1 << 20
    /// The background task leaves the file to others for so long after each step that wrote.
    private static let backgroundPause: Duration = .milliseconds(10)
    static let shortestResealInterval: Duration = .seconds(60)
    static let longestResealInterval: Duration = .seconds(3600)

    /// Goes once through the local store and seals every settled value that an older key sealed under the current one.
    ///
    /// Works in transactions of at most 64 rows, each opened under its own key and sealed with the same associated data. It
    /// can stop anywhere and loses nothing: what is done stays, and the next run takes what is left. Changes that wait
    /// for the remote stay as they are. A plain cache has nothing to seal anew. Linear in the file.
    ///
    /// - Parameter progress: Told after each step what was done so far.
    /// - Throws: ``CacheError/Code/wrongMasterKey`` where the file knows a newer current key than this cache's;
    ///   ``CacheError/Code/cancelled``; what the local store throws.
    @discardableResult
    public func reseal(progress: (ResealReport) -> Void = { _ in }) async throws(CacheError) -> ResealReport {
        try await reseal(pause: nil, progress: progress)
    }

    private func reseal(
        pause: Duration?, progress: (ResealReport) -> Void = { _ in }
    ) async throws(CacheError) -> ResealReport {
        var report = ResealReport()
        try sealer.requireKey()
        guard let local, let cipher = sealer.cipher else { return report }
        var cursor: RowCursor?
        repeat {
            try lifecycle.requireOpen()
            let step = try await local.rows(
                sealedUnderOtherThan: cipher.currentFingerprint, after: cursor, limit: Self.rowsPerStep,
                byteLimit: Self.bytesPerStep)
            let values = try sealAnew(step.rows, cipher, &report)
            let stored = values.isEmpty ? [] : try await local.reseal(values)
            let count = stored.count { $0 }
            report.scanned += step.scanned
            report.resealed += count
            report.overtaken += values.count - count
            report.waiting += step.waiting
            report.unreadable += step.unreadable
            cursor = step.next
            progress(report)
            await Task.yield()
            do {
                try Task.checkCancellation()
                if let pause, count > 0 { try await clock.sleep(for: pause) }
            } catch {
                throw CacheError(.cancelled, "re-sealing was cancelled; what is done stays", cause: error)
            }
        } while cursor != nil
        return report
    }

    /// What opens, under the current key. What doesn't is counted: one bad value must not keep the others from rotating.
    private func sealAnew(
        _ rows: [Change], _ cipher: TenantCipher, _ report: inout ResealReport
    ) throws(CacheError) -> [ResealedValue] {
        var values: [ResealedValue] = []
        for row in rows {
            guard let value = row.entry.value, case .sealed(let fingerprint) = row.entry.form else { continue }
            do {
                let sealed = try sealer.reseal(
                    value, under: fingerprint, key: row.key, mode: row.entry.mode, with: cipher)
                values.append(
                    ResealedValue(
                        key: row.key, value: sealed, fingerprint: cipher.currentFingerprint,
                        expected: row.entry.sequence))
            } catch  where error.code == .authenticationFailed {
                report.unopened += 1
            }
        }
        return values
    }

    /// Goes through the store again and again while the ring has older keys: soon where something was left or found, since
    /// other processes may still seal under them, and ever more seldom where nothing was.
    func resealInBackground() async {
        var interval = Self.shortestResealInterval
        var isFailing = false
        var warned = 0
        while !Task.isCancelled, !lifecycle.isShutDown {
            do {
                let report = try await reseal(pause: Self.backgroundPause)
                isFailing = false
                let isQuiet = report.resealed + report.waiting + report.overtaken == 0
                interval = isQuiet ? min(interval * 2, Self.longestResealInterval) : Self.shortestResealInterval
                if report.resealed > 0 {
                    configuration.logger.info(
                        "values were sealed under the current key",
                        metadata: ["resealed": "\(report.resealed)", "waiting": "\(report.waiting)"])
                }
                let lost = report.unopened + report.unreadable
                if lost > warned {
                    configuration.logger.warning(
                        "values under an older key do not open and were left; run 'cachekit verify'",
                        metadata: ["values": "\(lost)"])
                }
                warned = lost
            } catch {
                if !isFailing, error.code != .shutdown, error.code != .cancelled {
                    configuration.logger.error("re-sealing fails and is tried again", metadata: ["error": "\(error)"])
                }
                isFailing = true
                interval = min(interval * 2, Self.longestResealInterval)
            }
            do { try await clock.sleep(for: interval) } catch { return }
        }
    }
}
