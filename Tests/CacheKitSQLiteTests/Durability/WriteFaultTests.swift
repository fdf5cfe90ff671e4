import CFaultVFS
import CSQLite
import CacheKit
import CacheKitCore
import CacheKitSQLite
import CacheKitTesting
import Foundation
import Logging
import Testing

/// Every write, sync, truncation and opening of a file fails in turn, once or until it is put right.
///
/// The short form fails every so many of them from a seeded start, the long one all.
@Suite(.timeLimit(.minutes(30))) struct WriteFaultTests {
    struct Fault: Sendable, CustomTestStringConvertible {
        var kind: ck_fault_kind
        /// SQLite's extended code, and what a caller is to be told.
        var result: Int32
        var code: CacheError.Code
        var testDescription: String { "kind \(kind.rawValue), result \(result)" }
    }

    // https://www.sqlite.org/rescode.html#extrc: SQLITE_IOERR and the number of the call.
    private static func inputOutput(_ call: Int32) -> Int32 { SQLITE_IOERR | call << 8 }

    static let faults = [
        Fault(kind: CK_FAULT_WRITE, result: SQLITE_FULL, code: .diskFull),
        Fault(kind: CK_FAULT_WRITE, result: inputOutput(3), code: .inputOutput),
        Fault(kind: CK_FAULT_WRITE, result: SQLITE_READONLY, code: .readOnlyStore),
        Fault(kind: CK_FAULT_SYNC, result: inputOutput(4), code: .inputOutput),
        Fault(kind: CK_FAULT_SYNC, result: SQLITE_FULL, code: .diskFull),
        Fault(kind: CK_FAULT_TRUNCATE, result: inputOutput(6), code: .inputOutput),
        Fault(kind: CK_FAULT_OPEN, result: SQLITE_CANTOPEN, code: .inputOutput),
        Fault(kind: CK_FAULT_OPEN, result: SQLITE_READONLY, code: .readOnlyStore),
        Fault(kind: CK_FAULT_MAP, result: inputOutput(19), code: .inputOutput),
        Fault(kind: CK_FAULT_MAP, result: SQLITE_FULL, code: .diskFull),
    ]

    @Test(arguments: faults)
    func `a call that fails is told by its code, changes nothing, and work goes on when it is put right`(fault: Fault)
        async throws
    {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SeededRandom(seed: seed)
        var met = 0
        for isFull in [true, false] {
            for persists in [false, true] {
                let whole = try FaultScenario(isFull: isFull)
                try await run(whole, "without a fault", nil, persists: false)
                let total = whole.vfs.calls(fault.kind)
                whole.remove()
                let step = max(1, total / TestEffort.count(short: 6, long: total))
                for ordinal in stride(from: Int.random(in: 1...step, using: &random), through: total, by: step) {
                    let scenario = try FaultScenario(isFull: isFull)
                    defer { scenario.remove() }
                    scenario.vfs.fail(fault.kind, at: ordinal, fault.result, persists: persists)
                    let place = "call \(ordinal), \(isFull ? "full" : "relaxed"), \(persists ? "lasting" : "once")"
                    do {
                        try await run(scenario, place, fault.code, persists: persists)
                    } catch {
                        Issue.record("seed \(seed), \(place): \(String(reflecting: error))")
                    }
                    if scenario.vfs.failures > 0 { met += 1 }
                }
            }
        }
        #expect(met > 0)
    }

    /// Runs every step; one that fails is tried again when the fault is put right.
    private func run(_ scenario: FaultScenario, _ place: String, _ code: CacheError.Code?, persists: Bool) async throws
    {
        var state = FaultScenario.State()
        let store = try await opened(scenario, place, code)
        for step in FaultScenario.steps {
            do {
                try await step.run(scenario, store)
            } catch let error as CacheError {
                #expect(error.code == code, "\(step.name), \(place): \(error.debugDescription)")
                #expect(try await scenario.state(of: store) == state, "\(step.name), \(place)")
                if persists, (try? await step.run(scenario, store)) != nil {
                    // A smaller transaction, or one that needs nothing of what fails.
                    step.change(&state)
                }
                #expect(try await scenario.state(of: store) == state, "\(step.name) again, \(place)")
                var next = state
                step.change(&next)
                let killed = try await scenario.stateAfterKill()
                #expect([state, next].contains(killed), "\(step.name), \(place), killed")
                scenario.vfs.clear()
                if state != next { try await step.run(scenario, store) }
            }
            step.change(&state)
            #expect(try await scenario.state(of: store) == state, "\(step.name), \(place)")
        }
        await store.close()
        scenario.vfs.clear()
        let again = try await scenario.open(scenario.path)
        #expect(try await scenario.state(of: again) == state, "opened again, \(place)")
        #expect(try await again.verify().isClean, "\(place)")
        await again.close()
    }

    /// Opens the new file; where that fails, again when the fault is put right.
    private func opened(
        _ scenario: FaultScenario, _ place: String, _ code: CacheError.Code?
    ) async throws -> SQLiteStore {
        do {
            return try await scenario.open(scenario.path)
        } catch {
            #expect(error.code == code, "opening, \(place): \(error.debugDescription)")
            scenario.vfs.clear()
            return try await scenario.open(scenario.path)
        }
    }

    @Test func `a write that fails leaves the cache with the value before it, in every tier`() async throws {
        let scenario = try FaultScenario(isFull: true)
        defer { scenario.remove() }
        let store = try await scenario.open(scenario.path)
        var configuration = CacheConfiguration()
        configuration.tenant = "tenant-one"
        configuration.clock = scenario.clock
        configuration.logger = Logger(label: "faults") { _ in SwiftLogNoOpLogHandler() }
        let cache = try await Cache(
            local: Opened(store: store), encryption: .secure(key: .keyring(scenario.keyring)),
            configuration: configuration)
        let texts = cache.namespace("texts", of: String.self, ttl: .seconds(600))
        try await texts.set("before", for: "a")
        for fault in Self.faults.prefix(5) {
            scenario.vfs.fail(fault.kind, at: 1, fault.result, persists: true)
            #expect(await code { try await texts.set("after", for: "a") } == fault.code)
            #expect(try await texts.get("a") == "before")
            #expect(await code { try await texts.delete("a") } == fault.code)
            #expect(try await texts.get("a") == "before")
            scenario.vfs.clear()
        }
        try await texts.set("after", for: "a")
        #expect(try await texts.get("a") == "after")
        await cache.shutdown()
    }

    @Test func `after failed commits of every length, the file of a killed process opens`() async throws {
        let scenario = try FaultScenario(isFull: true)
        defer { scenario.remove() }
        let store = try await scenario.open(scenario.path)
        try await store.commit([scenario.change("a", [1])])
        scenario.vfs.fail(CK_FAULT_SYNC, at: 1, Self.inputOutput(4), persists: true)
        // Each leaves its frames behind the log's end, and the next begins where it began.
        for count in [30_000, 20_000, 10_000, 3000] {
            let value = [UInt8](repeating: 1, count: count)
            #expect(await code { try await store.commit([scenario.change("b", value)]) } == .inputOutput)
        }
        // The last of them may be there or not: its caller was told neither.
        #expect(try await scenario.stateAfterKill().values["a"] == [1])
        scenario.vfs.clear()
        try await store.commit([scenario.change("a", [2])])
        #expect(try await scenario.stateAfterKill().values["a"] == [2])
        await store.close()
    }

    @Test(arguments: 1...20) func `what was handed out after a failed sync survives a power cut`(seed: UInt64)
        async throws
    {
        let scenario = try FaultScenario(isFull: false)
        defer { scenario.remove() }
        let store = try await scenario.open(scenario.path)
        for number in 0..<5 { try await store.commit([scenario.change("a", [UInt8(number)])]) }
        scenario.vfs.fail(CK_FAULT_SYNC, at: 1, Self.inputOutput(4))
        let refusal = await code {
            _ = try await store.changes(after: .zero, origin: .local, limit: 9, byteLimit: 1 << 20)
        }
        #expect(refusal == .inputOutput)
        let changes = try await store.changes(after: .zero, origin: .local, limit: 9, byteLimit: 1 << 20)
        #expect(changes.map(\.entry.sequence.number) == [5])
        scenario.vfs.cutPower(at: 1)
        #expect(await code { try await store.commit([scenario.change("a", [9])]) } == .inputOutput)
        await store.close()
        try scenario.vfs.restorePower(seed: seed)
        let again = try await scenario.open(scenario.path)
        #expect(try await again.value("a") == [4])
        await again.close()
    }
}
