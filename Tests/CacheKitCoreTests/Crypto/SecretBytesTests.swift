import Foundation
import Synchronization
import Testing

@testable import CacheKitCore

/// What becomes of memory that holds keys.
struct SecretBytesTests {
    @Test func `the bytes are zeroed before the memory is given back`() throws {
        let released = Mutex<[UInt8]?>(nil)
        do {
            let secret = try SecretBytes(count: 100, onRelease: { bytes in released.withLock { $0 = Array(bytes) } }) {
                $0.copyBytes(from: [UInt8](repeating: 0xA5, count: 100))
            }
            #expect(secret.withBytes { Array($0) } == [UInt8](repeating: 0xA5, count: 100))
            #expect(released.withLock { $0 } == nil)
        }
        #expect(released.withLock { $0 } == [UInt8](repeating: 0, count: 100))
    }

    @Test func `bytes that could not be filled are zeroed too`() throws {
        let released = Mutex<[UInt8]?>(nil)
        #expect(throws: CacheError.self) {
            _ = try SecretBytes(count: 16, onRelease: { bytes in released.withLock { $0 = Array(bytes) } }) {
                bytes throws(CacheError) in
                bytes.copyBytes(from: [UInt8](repeating: 0xA5, count: 16))
                throw CacheError(.internalFault, "no more")
            }
        }
        #expect(released.withLock { $0 } == [UInt8](repeating: 0, count: 16))
    }

    #if os(Linux)
        @Test func `the memory is locked, left out of core dumps, and shared with nothing else`() throws {
            let first = try SecretBytes.random(count: 32)
            let second = try SecretBytes.random(count: 32)
            let pages = [first, second].map { $0.withBytes { UInt(bitPattern: $0.baseAddress) / 4096 } }
            #expect(pages[0] != pages[1])
            for secret in [first, second] {
                let address = secret.withBytes { UInt(bitPattern: $0.baseAddress) }
                let flags = try #require(try Self.flags(of: address))
                #expect(flags.contains("dd"), "\(flags)")
                // Where the process may not lock, that is said.
                #expect(flags.contains("lo") == secret.isLocked, "\(flags)")
            }
        }

        /// What the kernel says of the mapping at an address (proc(5), /proc/pid/smaps, VmFlags).
        private static func flags(of address: UInt) throws -> [Substring]? {
            var isInside = false
            // To its end: the kernel says that such a file has no bytes.
            let text = try #require(FileHandle(forReadingAtPath: "/proc/self/smaps")).readDataToEndOfFile()
            for line in String(decoding: text, as: UTF8.self).split(separator: "\n") {
                let range = line.prefix { $0 != " " }.split(separator: "-")
                if range.count == 2, let start = UInt(range[0], radix: 16), let end = UInt(range[1], radix: 16) {
                    isInside = (start..<end).contains(address)
                } else if isInside, line.hasPrefix("VmFlags:") {
                    return line.split(separator: " ")
                }
            }
            return nil
        }
    #endif
}
