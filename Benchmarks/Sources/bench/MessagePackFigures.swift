import CacheKitCore
import Foundation

let messagePackFigures = [
    Figure(name: "MessagePack Codable round trip, against Foundation's JSON", unit: .perSecond, bar: .atLeast(3)) {
        let encoder = MessagePackEncoder()
        let decoder = MessagePackDecoder()
        let jsonEncoder = JSONEncoder()
        let jsonDecoder = JSONDecoder()
        var number = 0
        return Contest(
            ours: timed { count in
                for _ in 0..<count {
                    number += 1
                    keep(try decoder.decode(Subscriber.self, from: encoder.encode(Subscriber.sample(number))).visits)
                }
            },
            floor: timed { count in
                for _ in 0..<count {
                    number += 1
                    keep(
                        try jsonDecoder.decode(Subscriber.self, from: jsonEncoder.encode(Subscriber.sample(number)))
                            .visits)
                }
            })
    },
    Figure(name: "MessagePack Codable encode, against Foundation's JSON", unit: .perSecond) {
        let encoder = MessagePackEncoder()
        let jsonEncoder = JSONEncoder()
        var number = 0
        return Contest(
            ours: timed { count in
                for _ in 0..<count {
                    number += 1
                    keep(try encoder.encode(Subscriber.sample(number)).count)
                }
            },
            floor: timed { count in
                for _ in 0..<count {
                    number += 1
                    keep(try jsonEncoder.encode(Subscriber.sample(number)).count)
                }
            })
    },
    Figure(name: "MessagePack Codable decode, against Foundation's JSON", unit: .perSecond) {
        let decoder = MessagePackDecoder()
        let jsonDecoder = JSONDecoder()
        let documents = try (0..<64).map { try MessagePackEncoder().encode(Subscriber.sample($0)) }
        let jsonDocuments = try (0..<64).map { try JSONEncoder().encode(Subscriber.sample($0)) }
        return Contest(
            ours: timed { count in
                for index in 0..<count {
                    keep(try decoder.decode(Subscriber.self, from: documents[index & 63]).visits)
                }
            },
            floor: timed { count in
                for index in 0..<count {
                    keep(try jsonDecoder.decode(Subscriber.self, from: jsonDocuments[index & 63]).visits)
                }
            })
    },
    Figure(name: "MessagePack hand-written encode, against a kept buffer", bar: .atMost(2)) {
        let encoder = MessagePackEncoder()
        var buffer = HandEncodedBuffer()
        var number = 0
        try HandEncodedBuffer.checkAgainst(encoder)
        return Contest(
            ours: timed { count in
                for _ in 0..<count {
                    number += 1
                    keep(try encoder.encode(HandWrittenSubscriber(fields: .sample(number))).count)
                }
            },
            floor: timed { count in
                for _ in 0..<count {
                    number += 1
                    buffer.encode(.sample(number))
                    keep(buffer.count)
                }
            })
    },
]

/// The floor of a hand-written conformance: the same bytes written by code that knows every field, into one buffer that
/// is large enough for all of them, without a check of room and without an allocation.
struct HandEncodedBuffer: ~Copyable {
    private let base = UnsafeMutableRawPointer.allocate(byteCount: 1024, alignment: 16)
    private(set) var count = 0

    deinit {
        base.deallocate()
    }

    static func checkAgainst(_ encoder: MessagePackEncoder) throws {
        var buffer = HandEncodedBuffer()
        for number in [0, 1, 200, 70_000] {
            buffer.encode(.sample(number))
            let ours = try encoder.encode(HandWrittenSubscriber(fields: .sample(number)))
            guard ours.elementsEqual(UnsafeRawBufferPointer(start: buffer.base, count: buffer.count)) else {
                throw FloorFailure(call: "HandEncodedBuffer.encode")
            }
        }
    }

    mutating func encode(_ subscriber: Subscriber) {
        count = 0
        put(byte: 0x8A)
        put("id")
        put(subscriber.id)
        put("name")
        put(subscriber.name)
        put("email")
        put(subscriber.email)
        put("city")
        put(subscriber.city)
        put("age")
        put(subscriber.age)
        put("score")
        put(subscriber.score)
        put("isActive")
        put(byte: subscriber.isActive ? 0xC3 : 0xC2)
        put("visits")
        put(subscriber.visits)
        put("createdAt")
        put(subscriber.createdAt)
        put("balance")
        put(subscriber.balance)
    }

    @inline(__always)
    private mutating func put(byte: UInt8) {
        base.storeBytes(of: byte, toByteOffset: count, as: UInt8.self)
        count &+= 1
    }

    /// A name or text below 32 bytes.
    @inline(__always)
    private mutating func put(_ name: StaticString) {
        put(byte: 0xA0 | UInt8(truncatingIfNeeded: name.utf8CodeUnitCount))
        (base + count).copyMemory(from: name.utf8Start, byteCount: name.utf8CodeUnitCount)
        count &+= name.utf8CodeUnitCount
    }

    @inline(__always)
    private mutating func put(_ text: String) {
        var text = text
        text.withUTF8 { utf8 in
            put(byte: 0xA0 | UInt8(truncatingIfNeeded: utf8.count))
            if let source = utf8.baseAddress { (base + count).copyMemory(from: source, byteCount: utf8.count) }
            count &+= utf8.count
        }
    }

    @inline(__always)
    private mutating func put(_ value: Double) {
        put(byte: 0xCB)
        base.storeBytes(of: value.bitPattern.bigEndian, toByteOffset: count, as: UInt64.self)
        count &+= 8
    }

    /// No field is negative.
    @inline(__always)
    private mutating func put(_ value: Int) {
        switch value {
        case ..<0x80: put(byte: UInt8(truncatingIfNeeded: value))
        case ...0xFF:
            put(byte: 0xCC)
            put(byte: UInt8(truncatingIfNeeded: value))
        case ...0xFFFF:
            put(byte: 0xCD)
            base.storeBytes(of: UInt16(truncatingIfNeeded: value).bigEndian, toByteOffset: count, as: UInt16.self)
            count &+= 2
        default:
            put(byte: 0xCE)
            base.storeBytes(of: UInt32(truncatingIfNeeded: value).bigEndian, toByteOffset: count, as: UInt32.self)
            count &+= 4
        }
    }
}
