extension InteropArgument {
    /// The canonical bytes of a call's arguments, which the key's hash covers: one flat array in declared order.
    ///
    /// - Parameter arguments: all of them, defaults filled in.
    /// - Throws: ``CacheError/Code/encoding`` for a float that is not finite, a map key that comes twice, or nesting
    ///   deeper than any reader accepts.
    /// - Complexity: O(n), O(n log n) byte comparisons for maps and sets. Source: protocol section 2.
    public static func canonicalBytes(of arguments: [InteropArgument]) throws(CacheError) -> [UInt8] {
        var writer = MessagePackWriter()
        writer.writeArrayHeader(count: arguments.count)
        for argument in arguments { try argument.writeCanonically(to: &writer, level: 1) }
        return try writer.finish()
    }

    private func writeCanonically(to writer: inout MessagePackWriter, level: Int) throws(CacheError) {
        guard level <= MessagePackDecoder.defaultMaximumDepth else {
            throw CacheError(.encoding, "an argument is nested too deeply; flatten it")
        }
        switch self {
        case .nil: writer.writeNil()
        case .bool(let value): writer.write(value)
        case .int(let value): writer.write(value)
        case .uint(let value): writer.write(value)
        case .float(let value): try Self.write(float: value, to: &writer)
        case .string(let value): writer.write(value)
        case .bytes(let value): writer.write(bytes: value)
        case .uuid(let value): writer.write(value.string)
        // One division, correctly rounded, of an integer that is rounded to a Double first: what Python's `/` of
        // an exact float operand does, and every other SDK.
        case .dateTime(let value): try Self.write(float: Double(value.microseconds) / 1_000_000, to: &writer)
        case .array(let elements):
            writer.writeArrayHeader(count: elements.count)
            for element in elements { try element.writeCanonically(to: &writer, level: level + 1) }
        case .map(let entries): try Self.write(map: entries, to: &writer, level: level)
        case .set(let elements): try Self.write(set: elements, to: &writer, level: level)
        }
    }

    private static func write(float value: Double, to writer: inout MessagePackWriter) throws(CacheError) {
        guard value.isFinite else {
            throw CacheError(.encoding, "an argument is NaN or infinite; interop arguments are finite")
        }
        // Integral and within -2^63 ..< 2^64: `exactly` is the range check, and takes -0.0 as 0.
        if let integer = Int64(exactly: value) {
            writer.write(integer)
        } else if let integer = UInt64(exactly: value) {
            writer.write(integer)
        } else {
            writer.write(value)
        }
    }

    private static func write(
        map entries: [Entry], to writer: inout MessagePackWriter, level: Int
    ) throws(CacheError) {
        let sorted = entries.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
        // Bytes, because `String` equality is up to Unicode normalisation and the profile's is not.
        for (entry, next) in zip(sorted, sorted.dropFirst()) where entry.key.utf8.elementsEqual(next.key.utf8) {
            throw CacheError(.encoding, "a map argument has the same key twice; keep one of them")
        }
        writer.writeMapHeader(count: sorted.count)
        for entry in sorted {
            writer.write(entry.key)
            try entry.value.writeCanonically(to: &writer, level: level + 1)
        }
    }

    private static func write(
        set elements: [InteropArgument], to writer: inout MessagePackWriter, level: Int
    ) throws(CacheError) {
        var encoded: [[UInt8]] = []
        encoded.reserveCapacity(elements.count)
        for element in elements {
            var own = MessagePackWriter(capacity: 32)
            try element.writeCanonically(to: &own, level: level + 1)
            encoded.append(try own.finish())
        }
        encoded.sort { $0.lexicographicallyPrecedes($1) }
        var distinct: [[UInt8]] = []
        for bytes in encoded where bytes != distinct.last { distinct.append(bytes) }
        writer.writeArrayHeader(count: distinct.count)
        for bytes in distinct { bytes.withUnsafeBytes { writer.appendEncoded($0) } }
    }
}
