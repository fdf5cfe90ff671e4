/// What is wrong with bytes or with the type asked for; turned into ``CacheError`` or a Codable error at the border.
@usableFromInline
enum MessagePackFault: Error {
    case incomplete
    case trailingBytes
    case declaredTooMuch
    case tooDeep
    case extensionType
    case invalidUTF8
    case foreignEntry
    case empty
    case exhausted
    case unfitType
    case outOfRange
    case unconsumed
    case keyNotString

    /// One line: what happened and what to do about it.
    var message: String {
        switch self {
        case .incomplete: "the MessagePack document is incomplete; it was cut off or is not MessagePack"
        case .trailingBytes: "bytes follow the MessagePack document; exactly one document is expected"
        case .declaredTooMuch: "the MessagePack document declares more than its length can hold; refuse its source"
        case .tooDeep: "the MessagePack document is nested too deeply; flatten it or raise the limit"
        case .extensionType: "the MessagePack document holds an extension type; the protocol has none"
        case .invalidUTF8: "a string of the MessagePack document is not UTF-8; write it as a byte string"
        case .foreignEntry:
            "this entry was written by the Python SDK in its own mode; write it there with interop= to share it"
        case .empty: "the MessagePack document is empty; an entry holds exactly one document"
        case .exhausted: "more values were read than the document holds; follow its headers"
        case .unfitType: "the value is of another MessagePack type than asked for; check the type of the namespace"
        case .outOfRange: "a number does not fit the type asked for; use a wider type"
        case .unconsumed: "a reader left a part of its value unread; skip what is not of interest"
        case .keyNotString:
            "a map of the MessagePack document has a key that is not a string; only strings are supported"
        }
    }

    @usableFromInline
    var error: CacheError { CacheError(.decoding, message) }
}
