import Simulation
import Testing

@Suite struct SimulationTests {
    @Test func `two hundred seeds break no promise`() throws {
        var changes = 0
        for seed in 1...200 as ClosedRange<UInt64> {
            let report = try Simulation.run(seed: seed)
            changes += report.changes
            #expect(report.violations.isEmpty, "seed \(seed): \(report.violations.prefix(3))")
        }
        #expect(changes > 1_000)
    }

    @Test(arguments: Sabotage.allCases)
    func `an engine that is broken on purpose is found out`(_ sabotage: Sabotage) throws {
        let found = try (1...500 as ClosedRange<UInt64>).first { seed in
            try !Simulation.run(seed: seed, sabotage: sabotage).violations.isEmpty
        }
        #expect(found != nil)
    }

    @Test func `a seed repeats itself`() throws {
        let one = try Simulation.run(seed: 77)
        let other = try Simulation.run(seed: 77)
        #expect(one.events == other.events)
    }
}
