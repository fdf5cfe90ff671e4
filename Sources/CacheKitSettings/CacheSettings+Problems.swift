import CacheKit
public import CacheKitCore
import CacheKitRedis
import CacheKitSQLite
import CacheKitSync

extension CacheSettings {
    /// Everything that is wrong, a sentence each: what could not be read, what is out of bounds, what contradicts itself, what is
    /// missing. Names of variables and of members of the file are in them, and never a value.
    ///
    /// Reads the files of keys and certificates that are named, and opens or creates nothing else.
    public var problems: [String] { resolved.plan().problems }

    /// Throws all ``problems`` as one error, if there are any.
    public func validate() throws(CacheError) {
        if let error = CacheError(mistakes: problems) { throw error }
    }

    /// What a cache is made of, where nothing is wrong; of settings that are ``resolved``.
    func plan() -> (encryption: Encryption?, redis: RedisConfiguration, problems: [String]) {
        var redis = redis
        if redis.tls == nil { redis.tls = redisTLS.settings }
        var problems = mistakes
        problems += boundProblems(redis)
        if isPresetKnown { problems += presetProblems }
        problems += unusedProblems
        problems += sizeProblems
        problems += tierProblems
        let (encryption, keyProblems) = encryptionAndProblems()
        return (encryption, redis, problems + keyProblems)
    }

    /// What each configuration says of itself, in the words of whoever set it.
    private func boundProblems(_ redis: RedisConfiguration) -> [String] {
        var found = cache.problems.map { $0.within("cache") }
        found += sqlite.problems.filter { hasDatabase || $0.properties != ["path"] }.map { $0.within("sqlite") }
        // Without an address its only mistake is having none.
        found += redis.problems.filter { !$0.properties.isEmpty }.map { $0.within("redis") }
        found += sync.problems.map { $0.within("sync") }
        var lines = found.map { "\(names($0.properties)) \($0.text)" }
        if redis.isAddressed, redis.url == nil { lines += redis.problems.filter(\.properties.isEmpty).map(\.text) }
        if redisTLS.isHalfAnIdentity {
            lines.append(
                "\(name("redis.cert")) and \(name("redis.key")) go together: a certificate needs its key, and a key its certificate"
            )
        }
        if let failure = redis.tlsFailure { lines.append(failure) }
        return lines
    }

    // MARK: Names

    /// What a setting is called where it was set: in the environment, in the file with its line, or in code.
    func name(_ name: String) -> String {
        guard let setting = Setting.byName[name] else { return name }
        // Set otherwise in code since it was read, or never read.
        guard let reading = readings[name], reading.text == setting.read(self) || unreadable.contains(name) else {
            return "\(setting.name) (\(setting.variable))"
        }
        return Self.label(setting, reading.place)
    }

    private func names(_ properties: [String]) -> String {
        properties.flatMap { property -> [String] in
            let all = Setting.all.filter { $0.property == property || $0.property.hasPrefix("\(property).") }
            let set = all.filter { all.count == 1 || readings[$0.name] != nil }
            return set.isEmpty ? [property] : set.map { name($0.name) }
        }.joined(separator: " and ")
    }

    /// Settings of a section that are not as the preset has them.
    func changed(in section: String) -> [String] {
        Setting.all.map(\.name).filter { $0.hasPrefix("\(section).") && isChanged($0) }.map(name)
    }

    /// Whether a setting was set, or is not as the preset has it.
    func isChanged(_ name: String) -> Bool {
        guard let setting = Setting.byName[name] else { return false }
        return readings[name] != nil || setting.read(self) != setting.read(CacheSettings(preset))
    }
}
