extension Array where Element == UInt8 {
    /// `withUnsafeBytes` with a typed error, which the standard library's does not carry.
    @inline(__always)
    func lend<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try withUnsafeBufferPointer { buffer throws(Failure) in try body(UnsafeRawBufferPointer(buffer)) }
    }
}
