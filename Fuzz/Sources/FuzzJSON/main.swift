import CFuzzer
import CacheKitCore

// JSON: read within the bounds, or refused; what was read is written and read back as the same.

var count = CommandLine.argc
var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv
_ = LLVMFuzzerRunDriver(&count, &arguments) { start, count in
    do throws(CacheError) {
        let value = try MessagePackValue(json: Array(UnsafeRawBufferPointer(start: start, count: count)))
        let text = value.json
        // As text, because a float that is not a number equals nothing.
        let again = try MessagePackValue(json: text).json
        precondition(again == text, "read back differently")
    } catch {
        precondition(error.code == .decoding)
    }
    return 0
}
