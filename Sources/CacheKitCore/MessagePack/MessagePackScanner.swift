/// One pass over an untrusted document that enforces every bound of protocol section 3 before anything is allocated.
///
/// Refused: an empty or incomplete document, trailing bytes, extension types, strings that are not UTF-8, nesting beyond
/// the limit, and declared elements and bytes that sum to more than the input length - 1. No sum can overflow: what is
/// declared is compared with what is left of the budget. Time O(bytes), memory O(nesting limit).
enum MessagePackScanner {
    static func validate(_ document: UnsafeRawBufferPointer, maximumDepth: Int) throws(MessagePackFault) {
        guard let base = document.baseAddress, !document.isEmpty else { throw .empty }
        // Never well-formed (an integer and trailing bytes), but worth its own message.
        if document.count > 1, document[0] == 0x43, document[1] == 0x4B { throw .foreignEntry }
        let depth = min(max(maximumDepth, 0), MessagePackDecoder.greatestMaximumDepth)
        // Values left to pass in each open container; the document itself is the outermost.
        let fault: MessagePackFault? = withUnsafeTemporaryAllocation(of: Int.self, capacity: depth + 1) { open in
            do throws(MessagePackFault) {
                try scan(MessagePackCursor(base: base, position: 0, end: document.count), open)
                return nil
            } catch {
                return error
            }
        }
        if let fault { throw fault }
    }

    private static func scan(
        _ start: MessagePackCursor, _ open: UnsafeMutableBufferPointer<Int>
    ) throws(MessagePackFault) {
        var cursor = start
        var budget = cursor.end - 1
        var level = 0
        open[0] = 1
        while true {
            while open[level] == 0 {
                if level == 0 {
                    guard cursor.position == cursor.end else { throw .trailingBytes }
                    return
                }
                level -= 1
            }
            open[level] -= 1
            guard cursor.position < cursor.end else { throw .incomplete }
            let byte = cursor.base.load(fromByteOffset: cursor.position, as: UInt8.self)
            // Small integers, nil and booleans: nothing follows.
            if byte < 0x80 || byte >= 0xE0 {
                cursor.position += 1
                continue
            }
            let shape = MessagePackShape.of(byte)
            guard cursor.end - cursor.position > Int(shape.lengthWidth) else { throw .incomplete }
            let length = shape.lengthWidth == 0 ? Int(shape.fixed) : cursor.lengthField(shape.lengthWidth)
            cursor.position += 1 + Int(shape.lengthWidth)
            switch shape.content {
            case .refused:
                throw .extensionType
            case .payload:
                try spend(length, from: &budget)
                guard cursor.end - cursor.position >= length else { throw .incomplete }
                if isString(byte) { try checkUTF8(cursor.base + cursor.position, length) }
                cursor.position += length
            case .elements, .pairs:
                let values = shape.content == .pairs ? length * 2 : length
                try spend(values, from: &budget)
                guard level + 1 < open.count else { throw .tooDeep }
                level += 1
                open[level] = values
            }
        }
    }

    private static func spend(_ amount: Int, from budget: inout Int) throws(MessagePackFault) {
        guard amount <= budget else { throw .declaredTooMuch }
        budget -= amount
    }

    private static func isString(_ byte: UInt8) -> Bool {
        byte & 0xE0 == 0xA0 || (0xD9...0xDB).contains(byte)
    }

    private static func checkUTF8(_ start: UnsafeRawPointer, _ length: Int) throws(MessagePackFault) {
        var offset = 0
        while length - offset >= 8 {
            if start.loadUnaligned(fromByteOffset: offset, as: UInt64.self) & 0x8080_8080_8080_8080 != 0 { break }
            offset += 8
        }
        while offset < length, start.load(fromByteOffset: offset, as: UInt8.self) < 0x80 { offset += 1 }
        guard offset < length else { return }
        // What is left starts with a byte of a longer sequence: the standard library validates it.
        let rest = UnsafeRawBufferPointer(start: start + offset, count: length - offset)
        do {
            _ = try UTF8Span(validating: rest.assumingMemoryBound(to: UInt8.self).span)
        } catch {
            throw .invalidUTF8
        }
    }
}
