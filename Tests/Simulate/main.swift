import Glibc
import Simulation

/// `simulate [first] [count] [sabotage]`: runs seeds one after the other; prints those that break a promise. One seed alone is told
/// in full. With the name of a sabotage the engine is broken that way.
let arguments = CommandLine.arguments.dropFirst().compactMap { UInt64($0) }
let sabotage = CommandLine.arguments.dropFirst().compactMap(Sabotage.init(rawValue:)).first
let first = arguments.first ?? 1
let count = arguments.dropFirst().first ?? 1
var failures = 0
for seed in first..<(first + count) {
    let report = try Simulation.run(seed: seed, sabotage: sabotage)
    if count == 1 { for event in report.events { print(event) } }
    if !report.violations.isEmpty {
        failures += 1
        print("seed \(seed):")
        for violation in report.violations { print("  \(violation)") }
        fflush(nil)
        if failures == 20 { break }
    }
}
print("\(count) seeds from \(first), \(failures) broke a promise")
fflush(nil)
exit(failures > 0 ? 1 : 0)
