import CacheKit
import Foundation

/// A request's arguments, each read as the type that a Swift function takes.
struct Arguments {
    private let arguments: [InteropArgument]

    init(_ request: Request) throws(CacheError) {
        guard case .array(let tagged) = try request.member("arguments") else { throw Request.malformed("arguments") }
        var arguments: [InteropArgument] = []
        for argument in tagged { arguments.append(try TaggedValue.argument(argument)) }
        self.arguments = arguments
    }

    func bool(_ index: Int) throws -> Bool {
        guard case .bool(let value) = arguments[index] else { throw Self.malformed }
        return value
    }

    func int(_ index: Int) throws -> Int { try Self.int(arguments[index]) }

    func uint(_ index: Int) throws -> UInt64 {
        switch arguments[index] {
        case .uint(let value): return value
        case .int(let value) where value >= 0: return UInt64(value)
        default: throw Self.malformed
        }
    }

    func double(_ index: Int) throws -> Double { try Self.double(arguments[index]) }

    func string(_ index: Int) throws -> String { try Self.string(arguments[index]) }

    func optionalString(_ index: Int) throws -> String? {
        if case .nil = arguments[index] { return nil }
        return try string(index)
    }

    func data(_ index: Int) throws -> Data {
        guard case .bytes(let value) = arguments[index] else { throw Self.malformed }
        return Data(value)
    }

    func date(_ index: Int) throws -> Date {
        guard case .dateTime(let value) = arguments[index] else { throw Self.malformed }
        return Date(timeIntervalSince1970: Double(value.microseconds) / 1_000_000)
    }

    func uuid(_ index: Int) throws -> UUID {
        guard case .uuid(let value) = arguments[index], let uuid = UUID(uuidString: value.string) else {
            throw Self.malformed
        }
        return uuid
    }

    func strings(_ index: Int) throws -> Set<String> {
        guard case .set(let elements) = arguments[index] else { throw Self.malformed }
        return Set(try elements.map(Self.string))
    }

    func counts(_ index: Int) throws -> [String: Int] {
        guard case .map(let entries) = arguments[index] else { throw Self.malformed }
        return try Dictionary(uniqueKeysWithValues: entries.map { ($0.key, try Self.int($0.value)) })
    }

    func path(_ index: Int) throws -> [[Double]] {
        guard case .array(let points) = arguments[index] else { throw Self.malformed }
        return try points.map {
            guard case .array(let numbers) = $0 else { throw Self.malformed }
            return try numbers.map(Self.double)
        }
    }

    private static var malformed: CacheError { Request.malformed("arguments") }

    private static func int(_ argument: InteropArgument) throws -> Int {
        guard case .int(let value) = argument else { throw malformed }
        return Int(value)
    }

    private static func double(_ argument: InteropArgument) throws -> Double {
        guard case .float(let value) = argument else { throw malformed }
        return value
    }

    private static func string(_ argument: InteropArgument) throws -> String {
        guard case .string(let value) = argument else { throw malformed }
        return value
    }
}
