import Testing

@testable import CacheKitSync

struct StallAlarmTests {
    @Test func `an alarm is given each time the interval has passed since something moved`() {
        var alarm = StallAlarm(after: .seconds(60))
        let alarms = stride(from: 0, through: 200, by: 10).filter { alarm.failed(at: .seconds($0)) }
        #expect(alarms == [60, 120, 180])
    }

    @Test func `progress and rest put it off`() {
        var alarm = StallAlarm(after: .seconds(60))
        #expect(alarm.failed(at: .seconds(0)) == false)
        alarm.progressed(at: .seconds(50))
        #expect(alarm.failed(at: .seconds(100)) == false)
        alarm.rested()
        #expect(alarm.failed(at: .seconds(500)) == false)
        #expect(alarm.failed(at: .seconds(560)) == true)
    }
}
