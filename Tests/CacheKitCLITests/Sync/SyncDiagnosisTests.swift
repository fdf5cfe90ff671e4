import CacheKit
import CacheKitCore
import Testing

@testable import CacheKitCLI

/// What an operator is told, by what was found.
struct SyncDiagnosisTests {
    private static let now = Timestamp(milliseconds: 1_767_225_600_000)

    private func diagnosis(
        pending: Int = 0, age: Int = 5, pushed: Bool = false, _ adjust: (inout SyncDiagnosis) -> Void = { _ in }
    ) -> SyncDiagnosis {
        var diagnosis = SyncDiagnosis(
            backlog: Backlog(
                changes: pending, bytes: 0, oldest: pending > 0 ? Self.now.advanced(by: .seconds(-age)) : nil),
            deadLetters: 0, parked: 0, conflicts: 0, isPushed: pushed, progress: SendingProgress(),
            redis: .answers(evictsRecords: false, clockOffset: .zero), now: Self.now)
        adjust(&diagnosis)
        return diagnosis
    }

    private func failure(_ code: CacheError.Code, ago: Int) -> SendingProgress.Failure {
        SendingProgress.Failure(at: Self.now.advanced(by: .seconds(-ago)), code: "\(code)", message: "it failed")
    }

    @Test func `all well is said, and ends with 0`() {
        let well = diagnosis()
        #expect(well.motion == .clean && well.exit == .clean)
        #expect(well.nextSteps == ["nothing waits"])
    }

    @Test func `changes that nobody pushes are told from those that move and those that are stuck`() {
        #expect(diagnosis(pending: 1).motion == .waiting)
        #expect(diagnosis(pending: 1, pushed: true).motion == .moving)
        #expect(diagnosis(pending: 1, age: 90, pushed: true).motion == .stalled)
        let lately = diagnosis(pending: 1, age: 90, pushed: true) {
            $0.progress.movedAt = Self.now.advanced(by: .seconds(-5))
        }
        #expect(lately.motion == .moving)
        let failing = diagnosis(pending: 1, pushed: true) {
            $0.progress.lastFailure = failure(.remoteUnavailable, ago: 20)
        }
        #expect(failing.motion == .stalled)
        let over = diagnosis(pending: 1, pushed: true) {
            $0.progress.lastFailure = failure(.remoteUnavailable, ago: 20)
            $0.progress.movedAt = Self.now.advanced(by: .seconds(-10))
        }
        #expect(over.motion == .moving && over.currentFailure == nil)
        for state in [diagnosis(pending: 1), failing, over] { #expect(state.exit == .partial) }
    }

    @Test func `each case has a command of its own`() {
        func steps(_ diagnosis: SyncDiagnosis) -> String { diagnosis.nextSteps.joined(separator: "|") }
        let away = CacheError(.remoteUnavailable, "away")
        let refused = CacheError(.remoteAuthentication, "refused")
        let cases: [(SyncDiagnosis, CacheKitCLI.ExitStatus, String)] = [
            (diagnosis(pending: 1), .partial, "run: cachekit sync push"),
            (diagnosis(pending: 1) { $0.redis = .notGiven }, .partial, "give --redis and run: cachekit sync push"),
            (diagnosis(pending: 1, pushed: true), .partial, "look again with: cachekit sync status"),
            (diagnosis(pending: 1, age: 90, pushed: true), .partial, "sends nothing; restart it"),
            (
                diagnosis(pending: 1, pushed: true) {
                    $0.progress.lastFailure = failure(.remoteAuthentication, ago: 20)
                },
                .partial, "the process that pushes is refused"
            ),
            (
                diagnosis(pending: 1, pushed: true) {
                    $0.progress.lastFailure = failure(.remoteUnavailable, ago: 20)
                    $0.redis = .notGiven
                }, .partial, "bring Redis back; the process that pushes goes on by itself"
            ),
            (
                diagnosis(pending: 1) {
                    $0.progress.lastFailure = failure(.remoteAuthentication, ago: 20)
                    $0.redis = .notGiven
                }, .partial, "mend it, give --redis"
            ),
            (diagnosis { $0.redis = .fails(away) }, .redisUnreachable, "bring Redis back"),
            (diagnosis(pending: 1) { $0.redis = .fails(refused) }, .keyOrAuthentication, "mend user or password"),
            (diagnosis { $0.deadLetters = 1 }, .deadLettersLeft, "cachekit sync dead-letters list"),
            (diagnosis(pending: 1) { $0.parked = 1 }, .deadLettersLeft, "cachekit sync parked list"),
            (diagnosis { $0.conflicts = 1 }, .conflictsLeft, "cachekit sync conflicts list"),
            (
                diagnosis { $0.redis = .answers(evictsRecords: true, clockOffset: .zero) }, .clean,
                "CONFIG SET maxmemory-policy"
            ),
            (
                diagnosis { $0.redis = .answers(evictsRecords: nil, clockOffset: .seconds(-9)) }, .clean,
                "set this machine's clock"
            ),
        ]
        for (diagnosis, exit, words) in cases {
            #expect(diagnosis.exit == exit, "\(words)")
            #expect(steps(diagnosis).contains(words), "\(words): \(steps(diagnosis))")
        }
    }

    @Test func `what is urgent stands first, and nothing is left out`() {
        let all = diagnosis(pending: 1) {
            $0.deadLetters = 1
            $0.parked = 1
            $0.conflicts = 1
            $0.redis = .answers(evictsRecords: true, clockOffset: .seconds(60))
        }
        #expect(all.nextSteps.count == 6)
        #expect(all.nextSteps[0] == "run: cachekit sync push")
        #expect(all.exit == .deadLettersLeft)
    }
}
