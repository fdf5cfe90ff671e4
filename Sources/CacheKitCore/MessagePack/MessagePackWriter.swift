/// Appends MessagePack to a growing buffer that it owns; the base of hand-written conformances.
///
/// Every header is the shortest one. A `Double` is always a float64, a `Float` a float32: only native mode may hold
/// float32, and the canonical form turns it into float64. Map entries are a string followed by a value, in the order
/// they are written. The writer counts values against the headers, so that ``finish()`` refuses a document with
/// too few or too many. Amortised O(1) per written byte. Source: the MessagePack specification, protocol section 3.
public struct MessagePackWriter: ~Copyable {
    // Raw memory rather than an array: no uniqueness check, no zero fill and one bounds check per value.
    @usableFromInline var base: UnsafeMutableRawPointer
    @usableFromInline var capacity: Int
    @usableFromInline var count = 0
    /// Values that headers have promised and that are not written yet.
    @usableFromInline var awaited = 1
    /// A string, byte string, array or map did not fit a 32-bit length.
    @usableFromInline var isOversize = false

    /// An empty writer.
    ///
    /// - Parameter capacity: bytes to reserve; the buffer doubles when it is full.
    @inlinable
    public init(capacity: Int = 256) {
        self.capacity = Swift.max(capacity, 16)
        base = .allocate(byteCount: self.capacity, alignment: 16)
    }

    deinit {
        base.deallocate()
    }

    /// The document written.
    ///
    /// - Throws: ``CacheError/Code/encoding`` when headers promised more or fewer values than were written, or when a
    ///   length does not fit 32 bits.
    public consuming func finish() throws(CacheError) -> [UInt8] {
        try checkCompleteness(awaiting: 0)
        return written(from: 0)
    }

    /// Writes nil, one byte.
    @inlinable
    public mutating func writeNil() {
        put(0xC0)
    }

    /// Writes a boolean, one byte.
    @inlinable
    public mutating func write(_ value: Bool) {
        put(value ? 0xC3 : 0xC2)
    }

    /// Writes an integer in its shortest form, 1 to 9 bytes.
    @inlinable
    public mutating func write(_ value: Int) {
        write(Int64(value))
    }

    /// Writes an integer in its shortest form, 1 to 9 bytes.
    @inlinable
    public mutating func write(_ value: Int64) {
        if value >= 0 {
            write(UInt64(bitPattern: value))
        } else if value >= -32 {
            put(UInt8(truncatingIfNeeded: value))
        } else if value >= Int64(Int8.min) {
            put(0xD0, UInt8(truncatingIfNeeded: value))
        } else if value >= Int64(Int16.min) {
            put(0xD1, UInt16(truncatingIfNeeded: value))
        } else if value >= Int64(Int32.min) {
            put(0xD2, UInt32(truncatingIfNeeded: value))
        } else {
            put(0xD3, UInt64(bitPattern: value))
        }
    }

    /// Writes an integer in its shortest form, 1 to 9 bytes.
    @inlinable
    public mutating func write(_ value: UInt64) {
        if value < 0x80 {
            put(UInt8(truncatingIfNeeded: value))
        } else if value <= 0xFF {
            put(0xCC, UInt8(truncatingIfNeeded: value))
        } else if value <= 0xFFFF {
            put(0xCD, UInt16(truncatingIfNeeded: value))
        } else if value <= 0xFFFF_FFFF {
            put(0xCE, UInt32(truncatingIfNeeded: value))
        } else {
            put(0xCF, value)
        }
    }

    /// Writes a float64, 9 bytes.
    @inlinable
    public mutating func write(_ value: Double) {
        put(0xCB, value.bitPattern)
    }

    /// Writes a float32, 5 bytes; for native mode, as the canonical form holds float64 only.
    @inlinable
    public mutating func write(_ value: Float) {
        put(0xCA, value.bitPattern)
    }

    /// Writes a string: its UTF-8, never normalised.
    @inlinable
    public mutating func write(_ value: String) {
        // A native string lends its bytes; `withUTF8` copies the string first, which costs its reference counting.
        if value.utf8.withContiguousStorageIfAvailable({ writeUTF8(UnsafeRawBufferPointer($0)) }) != nil { return }
        var value = value
        value.withUTF8 { utf8 in writeUTF8(UnsafeRawBufferPointer(utf8)) }
    }

    // Inlined into the caller, where the length is a constant and the copy a few moves.
    /// Writes a key of a map that is known at compile time, without making a `String`.
    @inlinable
    @inline(__always)
    public mutating func write(key: StaticString) {
        guard key.hasPointerRepresentation, key.utf8CodeUnitCount < 32 else {
            return key.withUTF8Buffer { writeUTF8(UnsafeRawBufferPointer($0)) }
        }
        let length = key.utf8CodeUnitCount
        reserve(32)
        base.storeBytes(of: 0xA0 | UInt8(truncatingIfNeeded: length), toByteOffset: count, as: UInt8.self)
        (base + count + 1).copyMemory(from: key.utf8Start, byteCount: length)
        count &+= 1 &+ length
        awaited &-= 1
    }

    /// Writes a byte string.
    @inlinable
    public mutating func write(bytes: [UInt8]) {
        bytes.withUnsafeBytes { writeBytes($0) }
    }

    /// Writes a byte string.
    @inlinable
    public mutating func write(bytes: RawSpan) {
        bytes.withUnsafeBytes { writeBytes($0) }
    }

    /// Starts an array: `count` values must follow.
    @inlinable
    public mutating func writeArrayHeader(count: Int) {
        writeContainerHeader(count, short: 0x90, wide: 0xDC)
        awaited &+= count
    }

    /// Starts a map: `count` pairs of a string and a value must follow.
    @inlinable
    public mutating func writeMapHeader(count: Int) {
        writeContainerHeader(count, short: 0x80, wide: 0xDE)
        awaited &+= count &* 2
    }

    // MARK: The bytes underneath

    @inlinable
    mutating func writeUTF8(_ utf8: UnsafeRawBufferPointer) {
        let length = utf8.count
        reserve(length &+ 5)
        if length < 32 {
            base.storeBytes(of: 0xA0 | UInt8(truncatingIfNeeded: length), toByteOffset: count, as: UInt8.self)
            count &+= 1
        } else {
            storeLength(length, narrowest: 0xD9)
        }
        copy(utf8)
    }

    @inlinable
    mutating func writeBytes(_ bytes: UnsafeRawBufferPointer) {
        reserve(bytes.count &+ 5)
        storeLength(bytes.count, narrowest: 0xC4)
        copy(bytes)
    }

    @inlinable
    mutating func copy(_ bytes: UnsafeRawBufferPointer) {
        awaited &-= 1
        guard let source = bytes.baseAddress else { return }
        (base + count).copyMemory(from: source, byteCount: bytes.count)
        count &+= bytes.count
    }

    /// A length of 8, 16 or 32 bits behind one of three adjacent header bytes; room must be reserved.
    @inlinable
    mutating func storeLength(_ length: Int, narrowest: UInt8) {
        if length <= 0xFF {
            base.storeBytes(of: narrowest, toByteOffset: count, as: UInt8.self)
            base.storeBytes(of: UInt8(truncatingIfNeeded: length), toByteOffset: count &+ 1, as: UInt8.self)
            count &+= 2
        } else if length <= 0xFFFF {
            base.storeBytes(of: narrowest &+ 1, toByteOffset: count, as: UInt8.self)
            base.storeBytes(
                of: UInt16(truncatingIfNeeded: length).bigEndian, toByteOffset: count &+ 1, as: UInt16.self)
            count &+= 3
        } else {
            isOversize = isOversize || length > 0xFFFF_FFFF
            base.storeBytes(of: narrowest &+ 2, toByteOffset: count, as: UInt8.self)
            base.storeBytes(
                of: UInt32(truncatingIfNeeded: length).bigEndian, toByteOffset: count &+ 1, as: UInt32.self)
            count &+= 5
        }
    }

    @inlinable
    mutating func writeContainerHeader(_ elements: Int, short: UInt8, wide: UInt8) {
        // A negative count can only be the caller's fault; it is reported by `finish`, like an over-long one.
        isOversize = isOversize || elements < 0 || elements > 0xFFFF_FFFF
        if elements < 16 {
            put(short | UInt8(truncatingIfNeeded: elements & 0x0F))
        } else if elements <= 0xFFFF {
            put(wide, UInt16(truncatingIfNeeded: elements))
        } else {
            put(wide &+ 1, UInt32(truncatingIfNeeded: elements))
        }
    }

    @inlinable
    mutating func put(_ byte: UInt8) {
        reserve(1)
        base.storeBytes(of: byte, toByteOffset: count, as: UInt8.self)
        count &+= 1
        awaited &-= 1
    }

    @inlinable
    mutating func put<Payload: FixedWidthInteger & BitwiseCopyable>(_ header: UInt8, _ payload: Payload) {
        reserve(9)
        base.storeBytes(of: header, toByteOffset: count, as: UInt8.self)
        base.storeBytes(of: payload.bigEndian, toByteOffset: count &+ 1, as: Payload.self)
        count &+= 1 &+ MemoryLayout<Payload>.size
        awaited &-= 1
    }

    @inlinable
    @inline(__always)
    mutating func reserve(_ extra: Int) {
        if capacity &- count < extra { grow(by: extra) }
    }

    @usableFromInline
    mutating func grow(by extra: Int) {
        let larger = Swift.max(capacity * 2, count + extra)
        let replacement = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 16)
        replacement.copyMemory(from: base, byteCount: count)
        base.deallocate()
        base = replacement
        capacity = larger
    }
}

extension MessagePackWriter {
    /// The bytes from an offset on.
    func written(from start: Int) -> [UInt8] {
        [UInt8](UnsafeRawBufferPointer(start: base + start, count: count - start))
    }

    /// Refuses a count of values that differs from what the headers promised.
    func checkCompleteness(awaiting expected: Int) throws(CacheError) {
        guard !isOversize else {
            throw CacheError(.encoding, "a length does not fit MessagePack's 32 bits; split the value")
        }
        guard awaited == expected else {
            throw CacheError(
                .encoding, "a header promised another number of values than were written; correct its count")
        }
    }

    /// Appends bytes that are a whole value already.
    mutating func appendEncoded(_ bytes: UnsafeRawBufferPointer) {
        reserve(bytes.count)
        copy(bytes)
    }

    /// Opens room for a container whose count is not known yet: one header byte, corrected by ``closeContainer``.
    mutating func openContainer() -> Int {
        reserve(1)
        count += 1
        return count - 1
    }

    /// Writes the header of a container opened at `start`; moves its content where the header takes more than a byte.
    mutating func closeContainer(at start: Int, elements: Int, isMap: Bool) {
        if elements < 16 {
            base.storeBytes(
                of: (isMap ? 0x80 : 0x90) | UInt8(truncatingIfNeeded: elements), toByteOffset: start, as: UInt8.self)
            return
        }
        let length = count - start - 1
        let extra = elements <= 0xFFFF ? 2 : 4
        reserve(extra)
        (base + start + 1 + extra).copyMemory(from: base + start + 1, byteCount: length)
        let awaitedBefore = awaited
        count = start
        writeContainerHeader(elements, short: isMap ? 0x80 : 0x90, wide: isMap ? 0xDE : 0xDC)
        awaited = awaitedBefore
        count += length
    }
}
