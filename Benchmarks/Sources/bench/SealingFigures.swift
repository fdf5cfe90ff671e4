import CacheKitCore
import Floors

/// Core's seal and open against OpenSSL with kept contexts, the same associated data on both sides.
let sealingFigures = [
    Figure(name: "seal 1 KiB, against EVP with a kept context", bar: .atMost(1.25)) {
        let cipher = try Samples.cipher()
        let floor = try CipherFloor()
        let key = try CacheKey("users:profile:0000000000000042")
        let associatedData = AssociatedData.v3(tenant: "default", key: key, compressed: true)
        var plain = Samples.randomBytes(1024, seed: 1)
        var output = [UInt8](repeating: 0, count: 1024 + 28)
        var number = 0
        return Contest(
            ours: timed { count in
                for _ in 0..<count {
                    number += 1
                    stamp(&plain, number)
                    keep(try cipher.seal(plain, key: key, compressed: true).count)
                }
            },
            floor: timed { count in
                for _ in 0..<count {
                    number += 1
                    stamp(&plain, number)
                    try check(
                        floor_seal(floor.cipher, associatedData, associatedData.count, plain, plain.count, &output),
                        "floor_seal")
                }
            })
    },
    Figure(name: "open 1 KiB, against EVP with a kept context", bar: .atMost(1.25)) {
        let cipher = try Samples.cipher()
        let floor = try CipherFloor()
        let key = try CacheKey("users:profile:0000000000000042")
        let associatedData = AssociatedData.v3(tenant: "default", key: key, compressed: true)
        let sealed = try (0..<64).map { seed in
            try cipher.seal(Samples.randomBytes(1024, seed: seed), key: key, compressed: true)
        }
        var output = [UInt8](repeating: 0, count: 1024)
        return Contest(
            ours: timed { count in
                for index in 0..<count {
                    keep(try cipher.open(sealed[index & 63], key: key, compressed: true).count)
                }
            },
            floor: timed { count in
                for index in 0..<count {
                    try check(
                        floor_open(
                            floor.cipher, associatedData, associatedData.count, sealed[index & 63], 1024 + 28, &output),
                        "floor_open")
                }
            })
    },
]

/// Owns a floor's contexts, keyed like `Samples.cipher()`.
final class CipherFloor {
    let cipher: OpaquePointer

    init() throws {
        guard let cipher = floor_cipher_new(try Samples.sealingKey()) else {
            throw FloorFailure(call: "floor_cipher_new")
        }
        self.cipher = cipher
    }

    deinit {
        floor_cipher_free(cipher)
    }
}
