import Synchronization

/// A time during which locks of one kind can't be had: told once, when it begins.
final class LockOutage: Sendable {
    private let isOn = Atomic<Bool>(false)

    /// `true` if it has just begun.
    func begins() -> Bool { !isOn.exchange(true, ordering: .relaxed) }

    func ends() {
        // Read first: it is nearly always over already, and many loads share the cache line.
        if isOn.load(ordering: .relaxed) { isOn.store(false, ordering: .relaxed) }
    }
}
