/// How large a batch may be: halved each time the remote did not answer in time, and grown again with every one it took.
///
/// A link that needs longer for a batch than a call may take would else be asked for the same batch for ever. Up to the size
/// that failed it grows by an eighth of that, so that few batches are sent in vain; once past it, it doubles.
struct BatchBound: Sendable {
    private let most: Int
    private(set) var current: Int
    /// The size at which the remote last did not answer in time, until one as large has been taken.
    private var failed: Int?

    init(_ most: Int) {
        self.most = most
        current = most
    }

    /// A batch of this size was not answered in time.
    mutating func timedOut(at size: Int) {
        failed = max(1, min(size, current))
        current = max(1, min(size, current) / 2)
    }

    /// A batch was taken.
    mutating func succeeded() {
        if let failed, current < failed {
            current = min(failed, current + max(1, failed / 8))
        } else {
            failed = nil
            current = min(most, current > most / 2 ? most : current * 2)
        }
    }
}
