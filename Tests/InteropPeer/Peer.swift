import CacheKit
import CacheKitRedis
import Foundation

/// Answers requests through the public API alone, as an application would call it.
final class Peer {
    private var caches: [String: Cache] = [:]
    /// The lock that is held; one at a time.
    var held: HeldLock?

    /// The answer to a request; a failure is an answer with its code and message.
    func answer(_ line: String) async -> MessagePackValue {
        do {
            return try await answer(Request(MessagePackValue(json: Array(line.utf8))))
        } catch {
            return ["error": .string(error.code.description), "message": .string(error.message)]
        }
    }

    func close() async {
        for cache in caches.values { await cache.shutdown() }
        caches = [:]
    }

    private func answer(_ request: Request) async throws(CacheError) -> MessagePackValue {
        switch try request.string("do") {
        case "open": try await open(request)
        case "key": ["key": .string(try request.key().string)]
        case "set": try await set(request)
        case "get": try await get(request)
        case "delete": try await delete(request)
        case "call": try await call(request)
        case "remaining": try remaining(request)
        case "push": try await push(request)
        case "close": try await close(request)
        case "lock": try await lock(request)
        case "unlock": try await unlock()
        case "statistics": ["remote_hits": .int(Int64(try cache(request).statistics().remoteHits))]
        case "pack": ["bytes": .bytes(try ByteStorage.pack(request.bytes("bytes")))]
        case "unpack": ["bytes": .bytes(try ByteStorage.unpack(request.bytes("bytes")))]
        default: throw Request.malformed("do")
        }
    }

    private func open(_ request: Request) async throws(CacheError) -> MessagePackValue {
        var configuration = CacheConfiguration()
        if let tenant = try request.optionalString("tenant") { configuration.tenant = tenant }
        // Unless asked for, nothing is kept: every read is one of Redis.
        configuration.memory.maximumBytes = try request.integer("memory")
        let encryption: Encryption
        if let key = try request.optionalString("master_key") {
            var previous: [MasterKey] = []
            for hex in try request.strings("previous_keys") { previous.append(try MasterKey(hex: hex)) }
            encryption = .secure(key: .keyring(try Keyring(current: MasterKey(hex: key), previous: previous)))
        } else {
            encryption = .plain
        }
        let url = try request.string("url")
        let name = try request.string("cache")
        if request.optional("path") != nil {
            caches[name] = try await openNode(request, url, encryption, configuration)
        } else {
            caches[name] = try await Cache(remote: .redis(url), encryption: encryption, configuration: configuration)
        }
        return [:]
    }

    /// Shuts a cache down, so that the folder of its file may go.
    private func close(_ request: Request) async throws(CacheError) -> MessagePackValue {
        await caches.removeValue(forKey: try request.string("cache"))?.shutdown()
        return [:]
    }

    func cache(_ request: Request) throws(CacheError) -> Cache {
        guard let cache = caches[try request.string("cache")] else { throw Request.malformed("cache") }
        return cache
    }

    private func delete(_ request: Request) async throws(CacheError) -> MessagePackValue {
        let key = try request.key()
        try await cache(request).documents.delete(key)
        return ["key": .string(key.string)]
    }

    private func remaining(_ request: Request) throws(CacheError) -> MessagePackValue {
        guard let entry = try cache(request).memoryEntry(for: request.key()) else { return ["milliseconds": nil] }
        return ["milliseconds": .int(SystemClock().now().duration(to: entry.expiresAt).wholeMilliseconds)]
    }
}

/// Values, through the type that the request names.
extension Peer {
    private func set(_ request: Request) async throws(CacheError) -> MessagePackValue {
        switch try request.string("type") {
        case "date": try await set(Date.self, request)
        case "record": try await set(Record.self, request)
        default: try await set(MessagePackValue.self, request)
        }
    }

    private func get(_ request: Request) async throws(CacheError) -> MessagePackValue {
        switch try request.string("type") {
        case "date": try await get(Date.self, request)
        case "record": try await get(Record.self, request)
        default: try await get(MessagePackValue.self, request)
        }
    }

    private func set<Value: Codable & Sendable>(
        _ type: Value.Type, _ request: Request
    ) async throws(CacheError) -> MessagePackValue {
        let document = try TaggedValue.value(request.member("value"))
        let value = try MessagePackDecoder().decode(Value.self, from: document.encoded())
        let key = try request.key()
        let milliseconds = try request.integer("milliseconds")
        try await namespace(type, request).set(value, for: key, ttl: .milliseconds(milliseconds))
        return ["key": .string(key.string)]
    }

    private func get<Value: Codable & Sendable>(
        _ type: Value.Type, _ request: Request
    ) async throws(CacheError) -> MessagePackValue {
        let key = try request.key()
        guard let value = try await namespace(type, request).get(key) else { return ["found": false] }
        let document = try MessagePackValue(decoding: MessagePackEncoder(canonical: true).encode(value))
        return ["found": true, "key": .string(key.string), "value": TaggedValue.tagged(document)]
    }

    private func namespace<Value: Codable & Sendable>(
        _ type: Value.Type, _ request: Request
    ) throws(CacheError) -> Namespace<Value> {
        try cache(request).namespace(request.string("namespace"), of: type, mode: .interop)
    }
}

/// A type of an application, with what the two languages spell differently.
struct Record: Codable, Sendable {
    var id: UInt64
    var name: String
    var born: Date
    var reference: UUID
    var score: Double
    var tags: [String: Int]
    var picture: Data
    var nickname: String?
    var children: [Record]
}
