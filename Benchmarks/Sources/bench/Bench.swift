import Foundation

/// Measures every figure of `docs/performance.md` against its floor.
@main
struct Bench {
    private static let usage = """
        usage: bench [--only TEXT] [--quick] [--output FILE]

          --only TEXT    only figures whose name contains TEXT
          --quick        few short pairs: a smoke test, not a measurement
          --output FILE  where the JSON goes; .build/bench.json of the repository unless set

        Exits with 0 also when a bar is missed: the row says so.
        """

    static func main() async {
        var effort = Measurement.Effort.full
        var only: String?
        var output = repository.appending(path: ".build/bench.json")
        var arguments = CommandLine.arguments.dropFirst()
        while let argument = arguments.popFirst() {
            switch argument {
            case "--quick": effort = .quick
            case "--only": only = arguments.popFirst()
            case "--output": output = arguments.popFirst().map { URL(filePath: $0) } ?? output
            case "--help", "-h":
                say(usage)
                return
            default:
                FileHandle.standardError.write(Data("bench: '\(argument)' is not an option\n\(usage)\n".utf8))
                exit(2)
            }
        }
        do {
            let isWanted: (String) -> Bool = { name in only.map { name.contains($0) } ?? true }
            try await run(figures.filter { isWanted($0.name) }, isWanted(HitRatios.name), effort, output)
        } catch {
            FileHandle.standardError.write(Data("bench: \(error)\n".utf8))
            exit(1)
        }
    }

    private static let figures =
        sealingFigures + messagePackFigures + envelopeFigures + memoryFigures + memoryScaleFigures
        + databaseWriteFigures
        + databaseReadFigures + sqlCipherFigures + redisFigures + redisTLSFigures + pushFigures
        + verifyFigures

    static var repository: URL {
        var file = URL(filePath: #filePath)
        for _ in 0..<4 { file.deleteLastPathComponent() }
        return file
    }

    // On the concurrent pool, where a server's requests run too, not on the main actor.
    @concurrent
    private static func run(
        _ figures: [Figure], _ withHitRatios: Bool, _ effort: Measurement.Effort, _ output: URL
    ) async throws {
        Report.printHeader()
        var report = Report()
        for figure in figures {
            do {
                report.add(figure, try await Measurement.take(figure, effort))
            } catch let unavailable as Contest.Unavailable {
                say("\(figure.name): skipped, \(unavailable.reason)")
            } catch {
                await FilledSides.shared.removeAll()
                throw error
            }
        }
        await FilledSides.shared.removeAll()
        if withHitRatios { try await HitRatios.take(into: &report) }
        try report.write(to: output)
    }
}
