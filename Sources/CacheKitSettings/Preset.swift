/// What a cache is for: settings that go together, each of which can be set otherwise.
public enum Preset: String, CaseIterable, Sendable {
    /// Memory only, plain; values live 300 seconds.
    case minimal
    /// Memory, and an encrypted file or Redis or both; secure or plain has to be said; values live 600 seconds.
    case production
    /// Every tier is sealed: without a key it does not start, and it can't be made plain; values live 600 seconds.
    case secure
    /// Memory and an encrypted file on a small machine, bounded for it; what was written waits for its first send to a Redis that
    /// may be given later, and begins its life then; values live 3,600 seconds.
    case offline
    /// Memory only, plain; touches no disk, network or environment, and draws nothing at random; values live 60 seconds.
    case testing

    /// Whether there are no tiers but memory.
    var isMemoryOnly: Bool { self == .minimal || self == .testing }

    /// Whether values are sealed where nothing else is said; `nil` where it has to be said.
    var encryption: CacheSettings.EncryptionChoice? {
        switch self {
        case .minimal, .testing: .plain
        case .secure, .offline: .secure
        case .production: nil
        }
    }

    /// The encryption that it stands for and that nothing changes; `nil` where it is free.
    var fixedEncryption: CacheSettings.EncryptionChoice? { self == .production || self == .offline ? nil : encryption }
}
