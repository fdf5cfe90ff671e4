import CFuzzer
import CacheKitCore

// Envelopes: unpacked within the limits, or refused; what was unpacked is packed and unpacked as the same.

var count = CommandLine.argc
var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv
_ = LLVMFuzzerRunDriver(&count, &arguments) { start, count in
    do throws(CacheError) {
        let original = try ByteStorage.unpack(UnsafeRawBufferPointer(start: start, count: count))
        precondition(original.count <= count * ByteStorage.maximumRatio)
        let again = try ByteStorage.unpack(try ByteStorage.pack(original))
        precondition(again == original, "unpacked differently")
    } catch {
        precondition(error.code == .invalidEnvelope)
    }
    return 0
}
