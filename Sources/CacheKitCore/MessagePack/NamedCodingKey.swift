/// A coding key of ours: the place of an array element, or `super`.
struct NamedCodingKey: CodingKey {
    static let `super` = NamedCodingKey(stringValue: "super")

    private let name: String?
    let intValue: Int?

    var stringValue: String { name ?? "[\(intValue ?? 0)]" }

    init(index: Int) {
        name = nil
        intValue = index
    }

    init(stringValue: String) {
        name = stringValue
        intValue = nil
    }

    init(intValue: Int) {
        self.init(index: intValue)
    }
}
