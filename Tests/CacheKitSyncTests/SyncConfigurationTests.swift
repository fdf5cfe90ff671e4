import CacheKit
import CacheKitCore
import Testing

@testable import CacheKitSync

struct SyncConfigurationTests {
    @Test func `the defaults are valid`() {
        #expect(SyncConfiguration().problems.isEmpty)
    }

    @Test(arguments: 0..<9)
    func `a value out of range is refused`(index: Int) {
        let faults: [(inout SyncConfiguration) -> Void] = [
            { $0.batchChanges = 0 }, { $0.batchChanges = 10_001 }, { $0.batchBytes = 0 }, { $0.firstBackoff = .zero },
            { $0.firstBackoff = .milliseconds(50) }, { $0.longestBackoff = .milliseconds(1) },
            { $0.attemptsPerChange = 0 }, { $0.idleInterval = .zero }, { $0.stallAlarm = .zero },
        ]
        var configuration = SyncConfiguration()
        faults[index](&configuration)
        #expect(configuration.problems.count == 1)
    }

    @Test func `all values out of range are named at once`() {
        var configuration = SyncConfiguration()
        configuration.batchChanges = 0
        configuration.longestBackoff = .zero
        configuration.backPressure.bytes = 0
        configuration.backPressure.response = .block(timeout: .zero)
        let named = configuration.problems.flatMap(\.properties)
        #expect(named == ["batchChanges", "longestBackoff", "backPressure.bytes", "backPressure.timeout"])
    }
}
