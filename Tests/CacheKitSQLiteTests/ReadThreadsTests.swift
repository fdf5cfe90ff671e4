import CacheKit
import CacheKitCore
import Dispatch
import Testing

@testable import CacheKitSQLite

/// Reads that leave the caller's thread.
@Suite struct ReadThreadsTests {
    let fixture = try! StoreFixture()  // a test without its folder can only stop

    @Test func `reads on threads of their own hold up no task, however slow the disk`() async throws {
        let store = try await fixture.open {
            $0.readsOnOwnThreads = true
            $0.readerCount = 32
        }
        let gate = DispatchSemaphore(value: 0)
        let wasOpened = try await withThrowingTaskGroup(of: Bool.self) { group in
            // More than there are threads in the pool of any machine that this runs on.
            for _ in 0..<32 {
                group.addTask {
                    // A limit, so that the test fails and does not hang where reads hold the pool's threads.
                    try await store.read { _ in gate.wait(timeout: .now() + 20) == .success }
                }
            }
            try await Task.sleep(for: .milliseconds(50))
            for _ in 0..<32 { gate.signal() }
            return try await group.reduce(true) { $0 && $1 }
        }
        #expect(wasOpened)
        await store.close()
    }

    @Test func `more reads than threads are all answered`() async throws {
        let store = try await fixture.open {
            $0.readsOnOwnThreads = true
            $0.readerCount = 2
        }
        for number in UInt8(0)..<50 { try await store.commit([fixture.put("k\(number)", [number])]) }
        let isRight = try await withThrowingTaskGroup(of: Bool.self) { group in
            for number in 0..<1000 {
                let expected = UInt8(number % 50)
                group.addTask { try await store.value("k\(expected)") == [expected] }
            }
            return try await group.reduce(true) { $0 && $1 }
        }
        #expect(isRight)
        await store.close()
    }

    @Test func `a scan that takes long delays no read`() async throws {
        let store = try await fixture.open { $0.readerCount = 1 }
        try await store.commit([fixture.put("k", [1])])
        let gate = DispatchSemaphore(value: 0)
        async let scan = store.reads.scan { _ in gate.wait(timeout: .now() + 20) == .success }
        try await Task.sleep(for: .milliseconds(20))
        #expect(try await store.value("k") == [1])
        #expect(try await store.commit([fixture.put("k", [2])]).map(\.number) == [2])
        #expect(try await store.value("k") == [2])
        gate.signal()
        #expect(try await scan)
        await store.close()
    }
}
