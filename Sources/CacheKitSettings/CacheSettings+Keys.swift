import CacheKit
import CacheKitCore

extension CacheSettings {
    /// What values and file are sealed under. Only what was said seals; a key that is there decides nothing.
    func encryptionAndProblems() -> (Encryption?, [String]) {
        if relayKeyFile != nil || unreadable.contains("relay_key_file") { return relaying() }
        guard let choice = encryption ?? preset.encryption else {
            guard isPresetKnown, !unreadable.contains("encryption") else { return (nil, []) }
            return (
                nil,
                [
                    "the preset \(preset.rawValue) needs \(name("encryption")): secure, or plain; a key alone says neither"
                ]
            )
        }
        guard choice == .secure || hasDatabase, !preset.isMemoryOnly else { return (.plain, []) }
        let (source, problem) = keySource()
        guard let source else { return (nil, problem.map { [$0] } ?? []) }
        do throws(CacheError) {
            let ring = KeySource.keyring(try source.load())
            return (choice == .secure ? .secure(key: ring) : .plain(fileKey: ring), [])
        } catch {
            return (nil, [error.message])
        }
    }

    private func relaying() -> (Encryption?, [String]) {
        guard let relayKeyFile else { return (nil, []) }
        var problems: [String] = []
        let title = name("relay_key_file")
        if !hasDatabase { problems.append("\(title) opens a file and nothing else; add \(name("database"))") }
        if key != nil || keyFile != nil || unreadable.contains("key_file") {
            problems.append(
                "\(title) is there in the place of a master key, and \(name("key_file")) gives one; keep one")
        }
        do throws(CacheError) {
            _ = try RelayKey(file: relayKeyFile)
        } catch {
            problems.append(error.message)
        }
        return (.relay(file: relayKeyFile), problems)
    }

    /// Code, then the environment, then the file.
    private func keySource() -> (KeySource?, problem: String?) {
        if let key { return (key, nil) }
        if unreadable.contains("key_file") { return (nil, nil) }
        let hasVariable = environment?.isSet(Keyring.masterKeyVariable) == true
        if let keyFile {
            switch readings["key_file"]?.place {
            case .environment where hasVariable && readings["key_file"]?.text == keyFile:
                return (nil, "\(name("key_file")) and \(Keyring.masterKeyVariable) both give a key; keep one")
            case .file where hasVariable && readings["key_file"]?.text == keyFile: break
            default: return (file(keyFile), nil)
            }
        }
        guard let environment, hasVariable else {
            let remedy =
                environment == nil
                ? "set key in code, such as .environment, or key_file"
                : "set \(Keyring.masterKeyVariable), or \(name("key_file")); make one with `cachekit keys generate`"
            return (nil, "a master key is needed and none was given; \(remedy)")
        }
        return (
            KeySource { () throws(CacheError) in try Keyring.environment(environment.bytes) }, nil
        )
    }

    /// A key from a file; older ones, decrypt-only, are in the environment if that was read.
    private func file(_ path: String) -> KeySource {
        let environment = environment
        return KeySource { () throws(CacheError) in
            let previous = try environment.map { environment throws(CacheError) in
                try Keyring.previousKeysFromEnvironment(environment.bytes)
            }
            return try Keyring(current: MasterKey(file: path), previous: previous ?? [])
        }
    }
}
