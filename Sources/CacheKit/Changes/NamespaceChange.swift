/// Something that changed in a namespace. A change may be told more than once, and where nothing turns out to be different.
public enum NamespaceChange: Sendable, Hashable {
    /// This cache has set a value.
    case set(key: String)
    /// This cache has deleted a key, whether or not it existed.
    case deleted(key: String)
    /// Another process or node has changed a key, or it expired or was evicted in the remote; what this cache wrote may
    /// be told so, too, once it reaches the remote.
    case changedElsewhere(key: String)
    /// All of the namespace was removed, here or elsewhere.
    case removedAll
    /// What has a tag was removed; `nil` where that was elsewhere, as a tag's name is not told.
    case removedTagged(String?)
    /// Anything may have changed: changes were not heard of for a while, or came faster than they were taken. What came before
    /// and was not taken yet is left out.
    case everything
}
