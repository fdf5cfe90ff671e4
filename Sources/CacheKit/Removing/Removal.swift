/// What came of removing a namespace.
public struct Removal: Sendable, Equatable {
    /// Keys deleted one by one; `nil` for a namespace that was removed as a whole, where nobody counts.
    public var deleted: Int?
    /// Whether all that was there when it began is removed; `false` only if the task was cancelled. Called again, it goes on.
    public var isComplete: Bool

    /// Nothing removed one by one.
    init(deleted: Int? = nil, isComplete: Bool) {
        self.deleted = deleted
        self.isComplete = isComplete
    }
}
