/// Writes a ``MessagePackValue`` as JSON text on one line; ``JSONReader`` reads the same value back.
struct JSONWriter {
    private(set) var bytes: [UInt8] = []

    mutating func write(_ value: MessagePackValue) {
        switch value {
        case .nil: text("null")
        case .bool(let bool): text(bool ? "true" : "false")
        case .int(let int): text(String(int))
        case .uint(let uint): text(String(uint))
        case .double(let double): write(double)
        case .string(let string): write(string)
        case .bytes(let bytes): text("{\"$bytes\":\"\(HexText.text(bytes))\"}")
        case .array(let elements):
            text("[")
            for (index, element) in elements.enumerated() {
                if index > 0 { text(",") }
                write(element)
            }
            text("]")
        case .map(let entries):
            text("{")
            if entries.count == 1, let entry = entries.first, looksTagged(entry) {
                write("$" + entry.key)
                text(":")
                write(entry.value)
                text("}")
                return
            }
            for (index, entry) in entries.enumerated() {
                if index > 0 { text(",") }
                write(entry.key)
                text(":")
                write(entry.value)
            }
            text("}")
        }
    }

    /// Whether the reader would take a map of this one pair for a tag, or take a `$` off its key.
    private func looksTagged(_ entry: MessagePackValue.Entry) -> Bool {
        guard case .string = entry.value else { return false }
        return entry.key == "$bytes" || entry.key == "$float" || entry.key.utf8.starts(with: "$$".utf8)
    }

    private mutating func write(_ double: Double) {
        guard double.isFinite else {
            text("{\"$float\":\"\(double)\"}")
            return
        }
        // Swift prints the shortest digits that read back as the same float, always with a point or an exponent.
        text("\(double)")
    }

    private mutating func write(_ string: String) {
        text("\"")
        for byte in string.utf8 {
            switch byte {
            case UInt8(ascii: "\""): text("\\\"")
            case UInt8(ascii: "\\"): text("\\\\")
            case 0x0A: text("\\n")
            case 0x0D: text("\\r")
            case 0x09: text("\\t")
            case 0..<0x20, 0x7F: text("\\u00" + HexText.text([byte]))
            default: bytes.append(byte)
            }
        }
        text("\"")
    }

    private mutating func text(_ text: String) { bytes.append(contentsOf: text.utf8) }
}
