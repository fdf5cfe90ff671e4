/// The rule for the names of an interop operation, as `InteropOperation` has it; a test compares the two.
///
/// The plugin runs within the compiler: `CacheKitCore` and its C libraries would have to be built for that, too.
package enum InteropName {
    /// What is wrong with a namespace or operation; `nil` if nothing is.
    package static func problem(with name: String, isNamespace: Bool) -> String? {
        if name.isEmpty { return "is empty; name it as the other SDKs do" }
        func isAlphanumeric(_ byte: UInt8) -> Bool {
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        }
        let marks: [UInt8] = [UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-")]
        guard name.utf8.count <= 64, name.utf8.first.map(isAlphanumeric) == true,
            name.utf8.allSatisfy({ isAlphanumeric($0) || marks.contains($0) })
        else { return "must be 1 to 64 of a-z, 0-9, '.', '_', '-' and begin with a letter or digit" }
        if isNamespace && name == "ckv" { return "'ckv' is CacheKit's own; choose another" }
        return nil
    }
}
