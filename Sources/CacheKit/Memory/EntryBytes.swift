/// The bytes of an entry, which never change: in one allocation with 16 bytes in front of them. An array has 32, and the memory tier
/// keeps a million.
///
/// The count stands here and not in front of them, so that a hit which copies nothing touches one line of the allocation.
@usableFromInline
struct EntryBytes: Sendable {
    private final class Storage: ManagedBuffer<Void, UInt8> {}

    // Not checked, because buffers are shared by nobody as a rule: this one is written once, before anybody else has it.
    /// `nil` for none.
    private nonisolated(unsafe) let storage: Storage?
    @usableFromInline let count32: UInt32

    /// A copy.
    ///
    /// MessagePack counts the bytes of a value in 32 bits, and so does Redis with fewer: the count always fits.
    init(_ bytes: [UInt8]) {
        count32 = UInt32(bytes.count)
        guard !bytes.isEmpty else {
            storage = nil
            return
        }
        let buffer = Storage.create(minimumCapacity: bytes.count) { _ in }
        buffer.withUnsafeMutablePointerToElements { elements in
            bytes.withUnsafeBufferPointer { bytes in
                guard let start = bytes.baseAddress else { return }
                elements.initialize(from: start, count: bytes.count)
            }
        }
        // `create` makes what it is called on, and says so less exactly (https://developer.apple.com/documentation/swift/managedbuffer).
        storage = unsafeDowncast(buffer, to: Storage.self)
    }

    @inlinable var count: Int { Int(count32) }

    /// Lends the bytes, without a copy.
    @inline(__always)
    func lend<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        guard let storage else { return try body(UnsafeRawBufferPointer(start: nil, count: 0)) }
        return try storage.withUnsafeMutablePointerToElements { elements throws(Failure) in
            try body(UnsafeRawBufferPointer(start: elements, count: count))
        }
    }
}

extension EntryBytes: Equatable {
    @usableFromInline
    static func == (one: EntryBytes, other: EntryBytes) -> Bool {
        guard one.count == other.count else { return false }
        return one.storage === other.storage || one.lend { one in other.lend { one.elementsEqual($0) } }
    }
}
