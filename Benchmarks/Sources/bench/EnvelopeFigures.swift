import CacheKitCore
import Floors

let envelopeFigures = [
    Figure(name: "envelope of 16 KiB JSON out and in, against LZ4 and XXH3", bar: .atMost(1.2)) {
        var document = Samples.jsonBytes(16 << 10)
        var block = [UInt8](repeating: 0, count: 20 << 10)
        var output = [UInt8](repeating: 0, count: 16 << 10)
        var number = 0
        return Contest(
            ours: timed { count in
                for _ in 0..<count {
                    number += 1
                    stamp(&document, number)
                    keep(try ByteStorage.unpack(ByteStorage.pack(document)).count)
                }
            },
            floor: timed { count in
                for _ in 0..<count {
                    number += 1
                    stamp(&document, number)
                    var hash: UInt64 = 0
                    let compressed = floor_compress(document, document.count, &block, block.count, &hash)
                    try check(
                        floor_decompress(block, compressed, &output, output.count, hash), "floor_decompress")
                }
            })
    }
]
