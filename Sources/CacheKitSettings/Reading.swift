/// Where the value of a setting was read.
struct Reading: Sendable {
    enum Place: Sendable, Equatable {
        case file(line: Int)
        case environment
    }

    let place: Place
    /// What the setting was then: code may have set it otherwise since.
    let text: String?
}
