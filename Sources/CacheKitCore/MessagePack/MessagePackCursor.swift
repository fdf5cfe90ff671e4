/// A position in a document that ``MessagePackScanner`` has validated.
///
/// Unsafe: it does not own the memory. Its holders do, and the validation is why no read checks more than the end: a
/// header inside the bounds has its payload inside them too.
@usableFromInline
struct MessagePackCursor {
    @usableFromInline let base: UnsafeRawPointer
    @usableFromInline var position: Int
    @usableFromInline let end: Int

    @inlinable
    init(base: UnsafeRawPointer, position: Int, end: Int) {
        self.base = base
        self.position = position
        self.end = end
    }

    @inlinable
    func peek() throws(MessagePackFault) -> UInt8 {
        guard position < end else { throw .exhausted }
        return base.load(fromByteOffset: position, as: UInt8.self)
    }

    /// The big-endian integer `offset` bytes after the header byte.
    @inlinable
    func payload<T: FixedWidthInteger & BitwiseCopyable>(_: T.Type) -> T {
        T(bigEndian: base.loadUnaligned(fromByteOffset: position &+ 1, as: T.self))
    }

    @inlinable
    mutating func readNil() throws(MessagePackFault) -> Bool {
        guard try peek() == 0xC0 else { return false }
        position &+= 1
        return true
    }

    @inlinable
    mutating func readBool() throws(MessagePackFault) -> Bool {
        let byte = try peek()
        guard byte & 0xFE == 0xC2 else { throw .unfitType }
        position &+= 1
        return byte == 0xC3
    }

    @inlinable
    mutating func readInteger<T: FixedWidthInteger>(_: T.Type) throws(MessagePackFault) -> T {
        let byte = try peek()
        let value: T?
        let width: Int
        switch byte {
        case 0x00...0x7F: (value, width) = (T(exactly: byte), 0)
        case 0xE0...0xFF: (value, width) = (T(exactly: Int8(bitPattern: byte)), 0)
        case 0xCC: (value, width) = (T(exactly: payload(UInt8.self)), 1)
        case 0xCD: (value, width) = (T(exactly: payload(UInt16.self)), 2)
        case 0xCE: (value, width) = (T(exactly: payload(UInt32.self)), 4)
        case 0xCF: (value, width) = (T(exactly: payload(UInt64.self)), 8)
        case 0xD0: (value, width) = (T(exactly: payload(Int8.self)), 1)
        case 0xD1: (value, width) = (T(exactly: payload(Int16.self)), 2)
        case 0xD2: (value, width) = (T(exactly: payload(Int32.self)), 4)
        case 0xD3: (value, width) = (T(exactly: payload(Int64.self)), 8)
        default: throw .unfitType
        }
        guard let value else { throw .outOfRange }
        position &+= 1 &+ width
        return value
    }

    /// A float of either width, or an integer that a `Double` holds exactly: writers without an integer type of their
    /// own (JavaScript) write `2.0` as `2`.
    @inlinable
    mutating func readDouble() throws(MessagePackFault) -> Double {
        switch try peek() {
        case 0xCB:
            defer { position &+= 9 }
            return Double(bitPattern: payload(UInt64.self))
        case 0xCA:
            defer { position &+= 5 }
            return Double(Float(bitPattern: payload(UInt32.self)))
        case 0xCF: return try readExactly(UInt64.self)
        default: return try readExactly(Int64.self)
        }
    }

    @inlinable
    mutating func readExactly<T: FixedWidthInteger>(_: T.Type) throws(MessagePackFault) -> Double {
        var ahead = self
        let integer = try ahead.readInteger(T.self)
        guard let value = Double(exactly: integer) else { throw .outOfRange }
        self = ahead
        return value
    }

    /// The bytes of a string; they are UTF-8.
    @inlinable
    mutating func readUTF8() throws(MessagePackFault) -> UnsafeRawBufferPointer {
        let byte = try peek()
        switch byte {
        case 0xA0...0xBF: return take(Int(byte & 0x1F), header: 1)
        case 0xD9: return take(Int(payload(UInt8.self)), header: 2)
        case 0xDA: return take(Int(payload(UInt16.self)), header: 3)
        case 0xDB: return take(Int(payload(UInt32.self)), header: 5)
        default: throw .unfitType
        }
    }

    @inlinable
    mutating func readString() throws(MessagePackFault) -> String {
        String(decoding: try readUTF8(), as: UTF8.self)
    }

    /// The bytes of a byte string.
    @inlinable
    mutating func readBinary() throws(MessagePackFault) -> UnsafeRawBufferPointer {
        switch try peek() {
        case 0xC4: return take(Int(payload(UInt8.self)), header: 2)
        case 0xC5: return take(Int(payload(UInt16.self)), header: 3)
        case 0xC6: return take(Int(payload(UInt32.self)), header: 5)
        default: throw .unfitType
        }
    }

    @inlinable
    mutating func take(_ length: Int, header: Int) -> UnsafeRawBufferPointer {
        let start = base + position + header
        position &+= header &+ length
        return UnsafeRawBufferPointer(start: start, count: length)
    }

    @inlinable
    mutating func readArrayHeader() throws(MessagePackFault) -> Int {
        try readContainerHeader(short: 0x90, wide: 0xDC)
    }

    @inlinable
    mutating func readMapHeader() throws(MessagePackFault) -> Int {
        try readContainerHeader(short: 0x80, wide: 0xDE)
    }

    @inlinable
    mutating func readContainerHeader(short: UInt8, wide: UInt8) throws(MessagePackFault) -> Int {
        let byte = try peek()
        if byte & 0xF0 == short {
            position &+= 1
            return Int(byte & 0x0F)
        }
        if byte == wide {
            defer { position &+= 3 }
            return Int(payload(UInt16.self))
        }
        guard byte == wide &+ 1 else { throw .unfitType }
        defer { position &+= 5 }
        return Int(payload(UInt32.self))
    }

    /// A byte string, or an array of integers 0...255.
    @usableFromInline
    mutating func readBytes() throws(MessagePackFault) -> [UInt8] {
        var ahead = self
        let bytes: [UInt8]
        do throws(MessagePackFault) {
            bytes = [UInt8](try ahead.readBinary())
        } catch {
            // Every element takes at least one byte of a validated document, so the count is bounded by its length.
            let count = try ahead.readArrayHeader()
            var elements: [UInt8] = []
            elements.reserveCapacity(count)
            for _ in 0..<count { elements.append(try ahead.readInteger(UInt8.self)) }
            bytes = elements
        }
        self = ahead
        return bytes
    }

    /// Passes over one value with all that it holds; O(bytes of the value) at worst, no recursion.
    @usableFromInline
    mutating func skip() throws(MessagePackFault) {
        var remaining = 1
        while remaining > 0 {
            let byte = try peek()
            let shape = MessagePackShape.of(byte)
            let length = shape.lengthWidth == 0 ? Int(shape.fixed) : lengthField(shape.lengthWidth)
            position &+= 1 &+ Int(shape.lengthWidth)
            switch shape.content {
            case .payload: position &+= length
            case .elements: remaining &+= length
            case .pairs: remaining &+= length &* 2
            case .refused: throw .extensionType
            }
            remaining &-= 1
        }
    }

    /// The big-endian length of 1, 2 or 4 bytes behind the header byte.
    @inlinable
    func lengthField(_ width: UInt8) -> Int {
        switch width {
        case 1: Int(payload(UInt8.self))
        case 2: Int(payload(UInt16.self))
        default: Int(payload(UInt32.self))
        }
    }

    /// Whether two keys have the same bytes, eight at a time.
    @inlinable
    static func equal(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Bool {
        guard left.count == right.count else { return false }
        var offset = 0
        while left.count &- offset >= 8 {
            if left.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
                != right.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            {
                return false
            }
            offset &+= 8
        }
        while offset < left.count {
            if left[offset] != right[offset] { return false }
            offset &+= 1
        }
        return true
    }
}
