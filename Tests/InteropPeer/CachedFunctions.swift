import CacheKit
import CacheKitMacros
import Foundation
import Synchronization

/// Functions of every kind of argument that the model has, cached by the macro and, under the same names, without it.
///
/// Their other halves are in `Tests/Interop/functions.py`.
struct CachedFunctions: Sendable {
    let cache: Cache
    let outcome: Outcome

    /// What they give when they are called, and whether they were.
    final class Outcome: Sendable {
        let value: MessagePackValue
        private let called = Mutex(false)

        init(_ value: MessagePackValue) { self.value = value }

        var wasCalled: Bool { called.withLock { $0 } }

        func give() -> MessagePackValue {
            called.withLock { $0 = true }
            return value
        }
    }

    @Cached("scalars.v1", namespace: "proof", ttl: .seconds(3600))
    func scalars(
        flag: Bool, count: Int, large: UInt64, score: Double, name: String, raw: Data
    ) async throws -> MessagePackValue {
        outcome.give()
    }

    @Cached("composites.v1", namespace: "proof", ttl: .seconds(3600))
    func composites(
        at moment: Date, _ reference: UUID, tags: Set<String>, counts: [String: Int], path: [[Double]],
        nickname: String?
    ) async throws -> MessagePackValue {
        outcome.give()
    }

    /// The same two without the macro.
    func scalarsWithoutMacro(_ values: Arguments) async throws -> MessagePackValue {
        let function = cache.function("scalars.v1", in: "proof", ttl: .seconds(3600)) {
            (flag: Bool, count: Int, large: UInt64, score: Double, name: String, raw: Data) in outcome.give()
        }
        return try await function(
            values.bool(0), values.int(1), values.uint(2), values.double(3), values.string(4), values.data(5))
    }

    func compositesWithoutMacro(_ values: Arguments) async throws -> MessagePackValue {
        let function = cache.function("composites.v1", in: "proof", ttl: .seconds(3600)) {
            (at: Date, id: UUID, tags: Set<String>, counts: [String: Int], path: [[Double]], name: String?) in
            outcome.give()
        }
        return try await function(
            values.date(0), values.uuid(1), values.strings(2), values.counts(3), values.path(4),
            values.optionalString(5))
    }

    func scalars(_ values: Arguments) async throws -> MessagePackValue {
        try await scalars(
            flag: values.bool(0), count: values.int(1), large: values.uint(2), score: values.double(3),
            name: values.string(4), raw: values.data(5))
    }

    func composites(_ values: Arguments) async throws -> MessagePackValue {
        try await composites(
            at: values.date(0), values.uuid(1), tags: values.strings(2), counts: values.counts(3), path: values.path(4),
            nickname: values.optionalString(5))
    }
}

extension Peer {
    /// Calls one of the functions; answers with what it gave and whether its body ran.
    func call(_ request: Request) async throws(CacheError) -> MessagePackValue {
        let outcome = CachedFunctions.Outcome(try TaggedValue.value(request.member("value")))
        let functions = CachedFunctions(cache: try cache(request), outcome: outcome)
        let arguments = try Arguments(request)
        do {
            let value =
                switch try request.string("function") {
                case "scalars by macro": try await functions.scalars(arguments)
                case "scalars": try await functions.scalarsWithoutMacro(arguments)
                case "composites by macro": try await functions.composites(arguments)
                case "composites": try await functions.compositesWithoutMacro(arguments)
                default: throw Request.malformed("function")
                }
            return ["value": TaggedValue.tagged(value), "called": .bool(outcome.wasCalled)]
        } catch let error as CacheError {
            throw error
        } catch {
            throw CacheError(.cancelled, "a call was cancelled")
        }
    }
}
