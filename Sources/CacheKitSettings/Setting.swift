/// One thing that an operator may set, by one name: dotted in a file, in capitals in the environment.
struct Setting: Sendable {
    /// The path in a file: `sqlite.size_limit` is the member `size_limit` of the object `sqlite`.
    let name: String
    /// What code calls it, as a path from ``CacheSettings``.
    let property: String
    /// What may be written.
    let words: String
    let example: String
    /// What it does, for the reference.
    let summary: String
    /// Whether the value is left out of descriptions: names, paths and addresses, which may say more than they should.
    let isPrivate: Bool
    /// The value, without user and password; `nil` where none is set.
    let read: @Sendable (CacheSettings) -> String?
    /// Sets the value; `nil`, or why it can't be.
    let write: @Sendable (inout CacheSettings, String) -> String?

    /// The variable: `CACHEKIT_SQLITE_SIZE_LIMIT`.
    var variable: String { Self.prefix + name.uppercased().map { $0 == "." ? "_" : String($0) }.joined() }

    static let prefix = "CACHEKIT_"

    /// A property, as a value of some form.
    init<Value>(
        _ name: String, _ path: any WritableKeyPath<CacheSettings, Value> & Sendable, as property: String,
        _ form: SettingForm<Value>, isPrivate: Bool = false, _ summary: String
    ) {
        self.init(
            name, as: property, words: form.words, example: form.example, isPrivate: isPrivate, summary,
            read: { form.text($0[keyPath: path]) },
            write: { settings, text in
                guard let value = form.parse(text) else { return "must be \(form.words)" }
                settings[keyPath: path] = value
                return nil
            })
    }

    /// A property that is not there unless it is set.
    init<Value>(
        _ name: String, optional path: any WritableKeyPath<CacheSettings, Value?> & Sendable, as property: String,
        _ form: SettingForm<Value>, isPrivate: Bool = false, _ summary: String
    ) {
        self.init(
            name, as: property, words: form.words, example: form.example, isPrivate: isPrivate, summary,
            read: { $0[keyPath: path].map(form.text) },
            write: { settings, text in
                guard let value = form.parse(text) else { return "must be \(form.words)" }
                settings[keyPath: path] = value
                return nil
            })
    }

    init(
        _ name: String, as property: String, words: String, example: String, isPrivate: Bool = false,
        _ summary: String, read: @escaping @Sendable (CacheSettings) -> String?,
        write: @escaping @Sendable (inout CacheSettings, String) -> String?
    ) {
        self.name = name
        self.property = property
        self.words = words
        self.example = example
        self.summary = summary
        self.isPrivate = isPrivate
        self.read = read
        self.write = write
    }
}

extension Setting {
    /// Every one of them, in the order of the reference. Each layer is applied in it.
    static let all: [Setting] = general + memory + loading + reconciling + sqlite + redis + sync

    static let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })
    static let byVariable = Dictionary(uniqueKeysWithValues: all.map { ($0.variable, $0) })

    /// Names of objects in a file: `sync` and `sync.policy`, for instance.
    static let sections: Set<String> = Set(
        all.flatMap { setting in
            let parts = setting.name.split(separator: ".")
            return (1..<max(parts.count, 1)).map { parts.prefix($0).joined(separator: ".") }
        })
}
