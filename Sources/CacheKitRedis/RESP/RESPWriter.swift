/// Encodes commands as arrays of bulk strings, one after the other, into one buffer.
///
/// `*<count>\r\n` then for each argument `$<length>\r\n<bytes>\r\n`
/// (https://redis.io/docs/latest/develop/reference/protocol-spec/#sending-commands-to-a-redis-server). Nothing is ever
/// formatted or escaped: arguments can hold any bytes.
struct RESPWriter: Sendable {
    /// What was encoded so far.
    private(set) var bytes: [UInt8] = []
    /// How many commands that is.
    private(set) var commandCount = 0

    init(reservingBytes count: Int = 0) {
        bytes.reserveCapacity(count)
    }

    /// A whole command.
    mutating func command(_ arguments: [[UInt8]]) {
        begin(argumentCount: arguments.count)
        for argument in arguments { append(argument) }
    }

    /// A whole command of text arguments.
    mutating func command(_ arguments: String...) { command(arguments) }

    /// A whole command of text arguments.
    mutating func command(_ arguments: [String]) {
        begin(argumentCount: arguments.count)
        for argument in arguments { append(argument) }
    }

    /// The head of a command; exactly that many arguments follow.
    mutating func begin(argumentCount: Int) {
        header(UInt8(ascii: "*"), argumentCount)
        commandCount += 1
    }

    /// The head of a command and its first arguments, as they are encoded; the rest follows.
    mutating func begin(encoded text: StaticString) {
        append(encoded: text)
        commandCount += 1
    }

    /// Arguments that are always the same, as they are encoded.
    mutating func append(encoded text: StaticString) {
        text.withUTF8Buffer { bytes.append(contentsOf: $0) }
    }

    /// One argument.
    mutating func append(_ argument: [UInt8]) {
        header(UInt8(ascii: "$"), argument.count)
        bytes.append(contentsOf: argument)
        lineEnd()
    }

    /// One argument of a known size; `body` adds that many bytes.
    mutating func append(byteCount: Int, _ body: (inout [UInt8]) -> Void) {
        header(UInt8(ascii: "$"), byteCount)
        body(&bytes)
        lineEnd()
    }

    /// One argument, as UTF-8.
    mutating func append(_ argument: String) {
        var argument = argument
        argument.withUTF8 { text in
            header(UInt8(ascii: "$"), text.count)
            bytes.append(contentsOf: text)
        }
        lineEnd()
    }

    /// One argument: a number that is not negative, in decimal digits.
    mutating func append(_ argument: Int64) {
        withDecimal(Int(argument)) { writer, digits in
            writer.header(UInt8(ascii: "$"), digits.count)
            writer.bytes.append(contentsOf: digits)
        }
        lineEnd()
    }

    private mutating func header(_ type: UInt8, _ count: Int) {
        bytes.append(type)
        if count < 10 {
            bytes.append(UInt8(ascii: "0") + UInt8(count))
        } else if count < 100 {
            bytes.append(UInt8(ascii: "0") + UInt8(count / 10))
            bytes.append(UInt8(ascii: "0") + UInt8(count % 10))
        } else {
            withDecimal(count) { writer, digits in writer.bytes.append(contentsOf: digits) }
        }
        lineEnd()
    }

    /// The digits of a number, without making a string of them.
    private mutating func withDecimal(_ number: Int, _ body: (inout RESPWriter, UnsafeRawBufferPointer) -> Void) {
        withUnsafeTemporaryAllocation(byteCount: 20, alignment: 1) { buffer in
            var start = buffer.count
            var rest = number.magnitude
            repeat {
                start -= 1
                buffer[start] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
                rest /= 10
            } while rest > 0
            body(&self, UnsafeRawBufferPointer(rebasing: buffer[start...]))
        }
    }

    private mutating func lineEnd() {
        bytes.append(13)
        bytes.append(10)
    }
}
