/// Reads one validated MessagePack document, value by value; the base of hand-written conformances.
///
/// The whole document is checked before the first value is read: well-formed, within all bounds of protocol section 3,
/// and nothing behind it. Any width of a number is accepted. A read that fails leaves the position where it was.
public struct MessagePackReader: ~Copyable {
    @usableFromInline var cursor: MessagePackCursor
    // Keeps the memory of `cursor` alive, even where a caller swaps two readers.
    private let owner: [UInt8]

    init(cursor: MessagePackCursor, owner: [UInt8]) {
        self.cursor = cursor
        self.owner = owner
    }

    /// Validates a document and reads it.
    ///
    /// - Parameters:
    ///   - bytes: exactly one document.
    ///   - maximumDepth: nested containers allowed; values above 1,024 count as 1,024.
    ///   - body: must read (or skip) the whole document.
    /// - Throws: ``CacheError/Code/decoding``; or what `body` throws.
    public static func withBytes<Result>(
        _ bytes: [UInt8], maximumDepth: Int = MessagePackDecoder.defaultMaximumDepth,
        _ body: (inout MessagePackReader) throws(CacheError) -> Result
    ) throws(CacheError) -> Result {
        var reader = try MessagePackReader(validating: bytes, maximumDepth: maximumDepth)
        let result = try body(&reader)
        guard reader.cursor.position == reader.cursor.end else { throw MessagePackFault.unconsumed.error }
        return result
    }

    init(validating bytes: [UInt8], maximumDepth: Int) throws(CacheError) {
        // The storage of a native array stays where it is while it is retained and not mutated, and `owner` is a `let`.
        let document = bytes.withUnsafeBytes { $0 }
        do throws(MessagePackFault) {
            try MessagePackScanner.validate(document, maximumDepth: maximumDepth)
        } catch {
            throw error.error
        }
        guard let base = document.baseAddress else { throw MessagePackFault.empty.error }
        self.init(cursor: MessagePackCursor(base: base, position: 0, end: document.count), owner: bytes)
    }

    /// Whether every value was read.
    public var isAtEnd: Bool { cursor.position == cursor.end }

    /// Reads nil if it comes next, and says whether it did.
    @inlinable
    public mutating func readNil() throws(CacheError) -> Bool {
        do throws(MessagePackFault) { return try cursor.readNil() } catch { throw error.error }
    }

    /// Reads a boolean.
    @inlinable
    public mutating func readBool() throws(CacheError) -> Bool {
        do throws(MessagePackFault) { return try cursor.readBool() } catch { throw error.error }
    }

    /// Reads an integer of any width; one that `T` can't hold is an error.
    @inlinable
    public mutating func readInteger<T: FixedWidthInteger>(_ type: T.Type = T.self) throws(CacheError) -> T {
        do throws(MessagePackFault) { return try cursor.readInteger(type) } catch { throw error.error }
    }

    /// Reads a float of either width, or an integer that a `Double` holds exactly.
    @inlinable
    public mutating func readDouble() throws(CacheError) -> Double {
        do throws(MessagePackFault) { return try cursor.readDouble() } catch { throw error.error }
    }

    /// Reads a float of either width, rounding a float64 to the nearest float32.
    @inlinable
    public mutating func readFloat() throws(CacheError) -> Float {
        Float(try readDouble())
    }

    /// Reads a string.
    @inlinable
    public mutating func readString() throws(CacheError) -> String {
        do throws(MessagePackFault) { return try cursor.readString() } catch { throw error.error }
    }

    /// Reads a byte string, or an array of integers 0...255.
    @inlinable
    public mutating func readBytes() throws(CacheError) -> [UInt8] {
        do throws(MessagePackFault) { return try cursor.readBytes() } catch { throw error.error }
    }

    /// Reads the header of an array: how many values follow.
    @inlinable
    public mutating func readArrayHeader() throws(CacheError) -> Int {
        do throws(MessagePackFault) { return try cursor.readArrayHeader() } catch { throw error.error }
    }

    /// Reads the header of a map: how many pairs follow.
    @inlinable
    public mutating func readMapHeader() throws(CacheError) -> Int {
        do throws(MessagePackFault) { return try cursor.readMapHeader() } catch { throw error.error }
    }

    /// Reads a string if it comes next and equals `key`, and says whether it did; makes no `String`.
    @inlinable
    public mutating func readKey(_ key: StaticString) throws(CacheError) -> Bool {
        var ahead = cursor
        let utf8: UnsafeRawBufferPointer
        do throws(MessagePackFault) { utf8 = try ahead.readUTF8() } catch { throw error.error }
        let equal = key.withUTF8Buffer { expected in
            MessagePackCursor.equal(UnsafeRawBufferPointer(expected), utf8)
        }
        if equal { cursor = ahead }
        return equal
    }

    /// Passes over one value with all that it holds.
    public mutating func skip() throws(CacheError) {
        do throws(MessagePackFault) { try cursor.skip() } catch { throw error.error }
    }
}
