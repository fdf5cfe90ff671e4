internal import CacheKit
internal import CacheKitCore

/// Sequence and stamp of the file's last change, and how far each is reserved.
///
/// Sealed in `meta`, read and written in every transaction that commits changes, so that all processes draw from one
/// clock. A `.full` commit is durable with its clock and reserves nothing. A `.relaxed` one can be lost in a power cut:
/// what it draws was first reserved by a synced transaction, and after a crash drawing goes on above the reservation.
/// While any commit may be unsynced, of changes or not, something is reserved.
struct FileClock: Equatable {
    static let sequenceBlock: UInt64 = 4096
    /// Two seconds of milliseconds, shifted past the counter of a stamp.
    static let stampBlock: UInt64 = 2000 << 16
    static let toleratedSkew = HybridLogicalClock.toleratedSkew

    var lastSequence: UInt64 = 0
    var reservedSequence: UInt64 = 0
    /// The last sequence that is known to have been synced.
    var syncedSequence: UInt64 = 0
    var lastStamp: UInt64 = 0
    var reservedStamp: UInt64 = 0
    /// Who stamps: the file's node, the lower half of each version.
    var node: UInt64 = 0
    /// Counts the retirements of keys, so that whoever commits learns of one here.
    var keyEpoch: UInt64 = 0

    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        for number in [
            lastSequence, reservedSequence, syncedSequence, lastStamp, reservedStamp, node, keyEpoch,
        ] {
            bytes.append(bigEndian: number)
        }
        return bytes
    }

    /// Gives the next sequence and stamp.
    mutating func next(at now: Timestamp) -> (sequence: UInt64, stamp: UInt64) {
        lastSequence += 1
        var clock = HybridLogicalClock(last: lastStamp)
        lastStamp = clock.next(at: now)
        return (lastSequence, lastStamp)
    }

    /// Whoever overwrites what another node wrote is newer than that, though the other's clock be ahead. A stamp that lies
    /// further ahead than clocks of nodes that follow the remote's time was made by a wrong one, and is not followed.
    mutating func observe(_ version: Version, at now: Timestamp) {
        guard version.stamp > lastStamp, version.time <= now.advanced(by: Self.toleratedSkew) else { return }
        lastStamp = version.stamp
    }

    /// Passes over everything that a lost commit may have drawn.
    mutating func skipReserved() {
        lastSequence = max(lastSequence, reservedSequence)
        lastStamp = max(lastStamp, reservedStamp)
    }

    /// Whether `count` more changes at `now` stay inside the reservation.
    func covers(_ count: UInt64, at now: Timestamp) -> Bool {
        var clock = HybridLogicalClock(last: lastStamp)
        // One stays free: what is reserved says that there are commits which were not synced.
        return lastSequence + count < reservedSequence && clock.next(at: now) + count <= reservedStamp
    }

    /// Whether more is reserved than was drawn: then commits may stand in the log that were not synced one by one.
    var isAhead: Bool { reservedSequence > lastSequence }

    mutating func reserve(_ count: UInt64, at now: Timestamp) {
        var clock = HybridLogicalClock(last: lastStamp)
        reservedSequence = max(reservedSequence, lastSequence + count + Self.sequenceBlock)
        reservedStamp = max(reservedStamp, clock.next(at: now) + count + Self.stampBlock)
    }

    /// Gives back what was not drawn; right only where every commit is synced.
    mutating func releaseReservation() {
        reservedSequence = lastSequence
        reservedStamp = lastStamp
        syncedSequence = lastSequence
    }
}

extension FileClock {
    init?(_ bytes: [UInt8]) {
        guard bytes.count == 56 else { return nil }
        self = bytes.withUnsafeBytes { bytes in
            FileClock(
                lastSequence: bytes.bigEndian(at: 0), reservedSequence: bytes.bigEndian(at: 8),
                syncedSequence: bytes.bigEndian(at: 16), lastStamp: bytes.bigEndian(at: 24),
                reservedStamp: bytes.bigEndian(at: 32), node: bytes.bigEndian(at: 40), keyEpoch: bytes.bigEndian(at: 48)
            )
        }
    }
}

/// Everything up to here has a durable outcome at the remote.
struct Watermark: Equatable {
    var sequence: UInt64 = 0

    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(bigEndian: sequence)
        return bytes
    }
}

extension Watermark {
    init?(_ bytes: [UInt8]) {
        guard bytes.count == 8 else { return nil }
        sequence = bytes.withUnsafeBytes { $0.bigEndian(at: 0) }
    }
}
