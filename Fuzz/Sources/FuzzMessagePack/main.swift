import CFuzzer
import CacheKitCore

// Documents: decoded within the bounds, or refused; what was decoded is written and read back as the same.

/// A type of everyday fields for Codable's containers, and every kind of value for those that read themselves.
struct Record: Codable {
    var name: String?
    var number: Int?
    var numbers: [Int]?
    var nested: [String: Double]?
}

func check(_ bytes: [UInt8]) throws(CacheError) {
    let value: MessagePackValue
    do throws(CacheError) {
        value = try MessagePackValue(decoding: bytes)
    } catch {
        precondition(error.code == .decoding)
        return
    }
    let written = try value.encoded()
    precondition(try! MessagePackValue(decoding: written).encoded() == written, "read back differently")
    do throws(CacheError) {
        let canonical = try value.encoded(canonical: true)
        // Sorting twice is sorting once. `try!`: it was just written.
        precondition(try! MessagePackValue(decoding: canonical).encoded(canonical: true) == canonical)
    } catch {
        precondition(error.code == .encoding)
    }
}

var count = CommandLine.argc
var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv
_ = LLVMFuzzerRunDriver(&count, &arguments) { start, count in
    let bytes = Array(UnsafeRawBufferPointer(start: start, count: count))
    do throws(CacheError) {
        try check(bytes)
    } catch {
        preconditionFailure("a decoded value can't be written: \(error)")
    }
    _ = try? MessagePackDecoder().decode(Record.self, from: bytes)
    return 0
}
