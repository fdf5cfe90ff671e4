import CacheKit
import CacheKitCore
import Testing

@testable import CacheKitSync

struct SyncConfigurationTests {
    @Test func `the defaults are valid`() throws {
        try SyncConfiguration().validate()
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
        let error = #expect(throws: CacheError.self) { try configuration.validate() }
        #expect(error?.code == .invalidConfiguration)
    }
}
