/// What follows a header byte: a length field of some width, and then a payload, elements or pairs.
@usableFromInline
struct MessagePackShape {
    @usableFromInline
    enum Content {
        case payload
        case elements
        case pairs
        case refused
    }

    /// Whether the length counts bytes, elements or pairs.
    let content: Content
    /// Bytes of the length field: 0, 1, 2 or 4.
    let lengthWidth: UInt8
    /// The length, where no field holds it.
    let fixed: UInt8

    /// The shape behind a header byte (MessagePack specification, "Formats").
    static func of(_ byte: UInt8) -> MessagePackShape {
        switch byte {
        case 0x00...0x7F, 0xE0...0xFF, 0xC0, 0xC2, 0xC3: .init(content: .payload, lengthWidth: 0, fixed: 0)
        case 0x80...0x8F: .init(content: .pairs, lengthWidth: 0, fixed: byte & 0x0F)
        case 0x90...0x9F: .init(content: .elements, lengthWidth: 0, fixed: byte & 0x0F)
        case 0xA0...0xBF: .init(content: .payload, lengthWidth: 0, fixed: byte & 0x1F)
        case 0xCC, 0xD0: .init(content: .payload, lengthWidth: 0, fixed: 1)
        case 0xCD, 0xD1: .init(content: .payload, lengthWidth: 0, fixed: 2)
        case 0xCE, 0xD2, 0xCA: .init(content: .payload, lengthWidth: 0, fixed: 4)
        case 0xCF, 0xD3, 0xCB: .init(content: .payload, lengthWidth: 0, fixed: 8)
        case 0xC4, 0xD9: .init(content: .payload, lengthWidth: 1, fixed: 0)
        case 0xC5, 0xDA: .init(content: .payload, lengthWidth: 2, fixed: 0)
        case 0xC6, 0xDB: .init(content: .payload, lengthWidth: 4, fixed: 0)
        case 0xDC: .init(content: .elements, lengthWidth: 2, fixed: 0)
        case 0xDD: .init(content: .elements, lengthWidth: 4, fixed: 0)
        case 0xDE: .init(content: .pairs, lengthWidth: 2, fixed: 0)
        case 0xDF: .init(content: .pairs, lengthWidth: 4, fixed: 0)
        // 0xC1 is never used; the rest are the extension types.
        default: .init(content: .refused, lengthWidth: 0, fixed: 0)
        }
    }
}
