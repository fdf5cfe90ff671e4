/// What a node has had acknowledged by which bucket: its highest change there.
///
/// Belongs to one node id and one number of buckets; under another, nothing is expected of any bucket.
public struct RemoteMarks: Sendable, Equatable {
    /// How many buckets there are.
    public var bucketCount: Int
    /// The highest acknowledged change of each bucket that has one.
    public var sequences: [Int: UInt64]

    /// Marks of some buckets.
    public init(bucketCount: Int, sequences: [Int: UInt64] = [:]) {
        self.bucketCount = bucketCount
        self.sequences = sequences
    }
}
