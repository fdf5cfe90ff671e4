import ArgumentParser
import CacheKit

/// Stores many values from NDJSON.
struct Import: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Store values from lines of JSON: {\"key\": ..., \"value\": ..., \"ttl\": seconds}.",
        discussion: """
            Reads a file, or standard input for - or none, and holds one batch in memory however long it is. A line that \
            is not well formed is named by its number and passed over; the rest goes on, and the exit code is 3. When \
            storing itself fails, the import stops and says after which line: everything before it is stored, and \
            importing the same lines again changes nothing.
            """)

    @Argument(help: "The file; - or left out: standard input.") var file = "-"
    @Option(name: .long, help: "For lines without ttl: seconds, or 500ms, 10m, 2h, 7d. An hour where left out.")
    var ttl: TTLArgument?
    @Option(name: .long, help: "Entries stored in one transaction or pipeline.") var batch = 500
    @OptionGroup var namespace: NamespaceOptions
    @OptionGroup var report: ReportOptions
    @OptionGroup var store: StoreOptions

    func validate() throws {
        guard (1...10_000).contains(batch) else { throw ValidationError("--batch lies between 1 and 10000") }
    }

    func run() async throws {
        var input = try InputStream(path: file)
        let outcome = try await withCache(try await store.openForWriting()) { cache in
            var run = ImportRun(KeyNamespaces(cache, mode: store.namespaceMode), batchSize: batch)
            var progress = Progress("imported", total: input.size)
            defer { progress.end() }
            let limit = store.maximumTextBytes
            while let line = try input.nextLine(limit: limit) {
                try await run.take(line) { bytes throws(CacheError) in
                    try ImportLine(bytes, namespace: namespace, ttl: ttl?.duration)
                }
                progress.update(run.imported, done: input.consumed)
            }
            try await run.flush()
            progress.end()
            let refused = await pushAfterWriting(cache)
            return (imported: run.imported, rejected: run.rejected, lines: run.line, refused: refused)
        }
        var fields = Report()
        fields.add("imported", outcome.imported)
        fields.add("rejected", outcome.rejected)
        fields.add("lines", outcome.lines)
        fields.print(json: report.json)
        if let refused = outcome.refused { throw refused }
        if outcome.rejected > 0 { throw ExitStatus.partial }
    }
}

/// One well-formed line.
struct ImportLine {
    let key: CacheKey
    let value: MessagePackValue
    let ttl: Duration?

    init(_ bytes: [UInt8], namespace: NamespaceOptions, ttl defaultTTL: Duration?) throws(CacheError) {
        guard case .map(let entries) = try MessagePackValue(json: bytes) else {
            throw CacheError(.decoding, "the line is not a JSON object")
        }
        var key: CacheKey?
        var value: MessagePackValue?
        var ttl = defaultTTL
        for entry in entries {
            switch (entry.key, entry.value) {
            case ("key", .string(let text)): key = try namespace.key(text)
            case ("value", let given): value = given
            case ("ttl", .int(let seconds)) where (1...315_360_000).contains(seconds): ttl = .seconds(seconds)
            case ("ttl", .double(let seconds)) where seconds >= 0.001 && seconds <= 315_360_000: ttl = .seconds(seconds)
            case ("ttl", .nil): break
            case ("ttl", _): throw CacheError(.decoding, "ttl is not a number of seconds between 0.001 and ten years")
            case ("key", _): throw CacheError(.decoding, "key is not a string")
            default: throw CacheError(.decoding, "a member is none of key, value and ttl")
            }
        }
        guard let key, let value else { throw CacheError(.decoding, "key or value is missing") }
        self.key = key
        self.value = value
        self.ttl = ttl
    }
}

/// Gathers lines into batches and stores them; counts what was stored and names what was not.
struct ImportRun {
    private let cache: Cache
    private var namespaces: KeyNamespaces
    private let batchSize: Int
    private let batchBytes = 4 << 20
    private var pending: [(line: Int, entry: ImportLine)] = []
    private var pendingBytes = 0
    private(set) var line = 0
    private(set) var imported = 0
    private(set) var rejected = 0

    init(_ namespaces: KeyNamespaces, batchSize: Int) {
        cache = namespaces.cache
        self.namespaces = namespaces
        self.batchSize = batchSize
    }

    mutating func take(_ text: InputStream.Line, _ parse: ([UInt8]) throws(CacheError) -> ImportLine) async throws {
        line += 1
        guard case .bytes(let bytes) = text else {
            reject(line, "it is longer than a value may be; raise --max-value")
            return
        }
        if bytes.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) { return }
        do throws(CacheError) {
            let entry = try parse(bytes)
            namespaces.declare(entry.key)
            pending.append((line, entry))
            pendingBytes += bytes.count
        } catch {
            reject(line, error.message)
        }
        if pending.count >= batchSize || pendingBytes >= batchBytes { try await flush() }
    }

    mutating func flush() async throws {
        guard !pending.isEmpty else { return }
        let batch = pending
        pending = []
        pendingBytes = 0
        do throws(CacheError) {
            try await cache.documents.set(batch.map { ($0.entry.key, $0.entry.value, $0.entry.ttl) })
            imported += batch.count
        } catch  where error.concernsOneEntry {
            try await storeOneByOne(batch)
        } catch {
            throw stopped(error, at: batch[0].line)
        }
    }

    /// One entry of the batch can't be stored: find it, and store the others.
    private mutating func storeOneByOne(_ batch: [(line: Int, entry: ImportLine)]) async throws(CacheError) {
        for (line, entry) in batch {
            do throws(CacheError) {
                try await cache.documents.set(entry.value, for: entry.key, ttl: entry.ttl)
                imported += 1
            } catch  where error.concernsOneEntry {
                reject(line, error.message)
            } catch {
                throw stopped(error, at: line)
            }
        }
    }

    private func stopped(_ error: CacheError, at line: Int) -> CacheError {
        CacheError(
            error.code,
            "the import stopped at line \(line) after \(imported) stored entries: \(error.message); import the same lines again once that is mended",
            cause: error)
    }

    private mutating func reject(_ line: Int, _ reason: String) {
        rejected += 1
        StandardError.write("cachekit: line \(line): \(reason)")
    }
}

extension CacheError {
    /// Whether an entry can't be stored whatever is done about the stores.
    fileprivate var concernsOneEntry: Bool {
        switch code {
        case .valueTooLarge, .encoding, .invalidKey, .invalidArgument, .remoteRejected: true
        default: false
        }
    }
}
