import CacheKit
import CacheKitTesting
import Foundation
import Logging
import Synchronization
import Testing

/// Everything that was said: log lines, errors, and what prints of anything public.
final class Testimony: Sendable {
    private struct State {
        /// Each with whoever said it first.
        var texts: [String: String] = [:]
        var count = 0
        var codes: Set<CacheError.Code> = []
        var lines: [String] = []
    }

    private let state = Mutex(State())

    /// Keeps every line, of every level, with all that is beside it.
    var logger: Logger { Logger(label: "secrets") { _ in Handler(testimony: self) } }

    /// The codes of the errors heard.
    var codes: Set<CacheError.Code> { state.withLock { $0.codes } }
    var count: Int { state.withLock { $0.count } }
    /// The log.
    var lines: [String] { state.withLock { $0.lines } }

    func hear(_ source: String, text: String) {
        state.withLock { state in
            state.count += 1
            if state.texts[text] == nil { state.texts[text] = source }
        }
    }

    /// What prints, reflects and dumps of a value.
    func hear(_ source: String, _ value: some Any) {
        var dumped = ""
        dump(value, to: &dumped)
        for text in ["\(value)", String(reflecting: value), dumped] { hear(source, text: text) }
    }

    /// An error and what caused it.
    func hear(_ source: String, error: any Error) {
        var next: (any Error)? = error
        while let error = next {
            hear(source, error)
            if let code = (error as? CacheError)?.code { state.withLock { _ = $0.codes.insert(code) } }
            next = (error as? CacheError)?.cause
        }
    }

    /// Fails the test where a secret was said; does not repeat it.
    func expectNone(of secrets: PlantedSecrets, sourceLocation: SourceLocation = #_sourceLocation) {
        let texts = state.withLock { $0.texts }
        var told: Set<String> = []
        for (name, form) in secrets.needles {
            for (text, source) in texts where Self.holds(text, form) {
                let complaint = "\(name) is said by \(source): \(text.replacing(form, with: "***").prefix(400))"
                if told.insert("\(name) \(source)").inserted {
                    Issue.record(Comment(rawValue: complaint), sourceLocation: sourceLocation)
                }
            }
        }
    }

    /// Bytes and not characters: there are many texts.
    private static func holds(_ text: String, _ form: String) -> Bool {
        Data(text.utf8).range(of: Data(form.utf8)) != nil
    }

    private struct Handler: LogHandler {
        let testimony: Testimony
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let line = "\(event.message) \(metadata) \(event.metadata ?? [:])"
            testimony.hear("the log: \(event.message)", text: line)
            testimony.state.withLock { $0.lines.append(line) }
        }
    }
}
