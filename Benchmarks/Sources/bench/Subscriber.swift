import CacheKitCore

/// Ten fields of everyday types; the coders know it through derived `Codable` only.
struct Subscriber: Codable {
    var id: Int
    var name: String
    var email: String
    var city: String
    var age: Int
    var score: Double
    var isActive: Bool
    var visits: Int
    var createdAt: Int
    var balance: Double

    static func sample(_ number: Int) -> Subscriber {
        Subscriber(
            id: number, name: "Barbara Liskov", email: "barbara.liskov@example.org", city: "Montevideo", age: 36,
            score: 0.5 + Double(number & 0xFFFF), isActive: number & 1 == 0, visits: number & 0xFFF,
            createdAt: 1_764_000_000 + number, balance: 1234.5)
    }
}

/// The same fields with a conformance written by hand.
struct HandWrittenSubscriber: MessagePackCodable {
    var fields: Subscriber

    init(fields: Subscriber) {
        self.fields = fields
    }

    func encode(to writer: inout MessagePackWriter) throws(CacheError) {
        writer.writeMapHeader(count: 10)
        writer.write(key: "id")
        writer.write(fields.id)
        writer.write(key: "name")
        writer.write(fields.name)
        writer.write(key: "email")
        writer.write(fields.email)
        writer.write(key: "city")
        writer.write(fields.city)
        writer.write(key: "age")
        writer.write(fields.age)
        writer.write(key: "score")
        writer.write(fields.score)
        writer.write(key: "isActive")
        writer.write(fields.isActive)
        writer.write(key: "visits")
        writer.write(fields.visits)
        writer.write(key: "createdAt")
        writer.write(fields.createdAt)
        writer.write(key: "balance")
        writer.write(fields.balance)
    }

    init(from reader: inout MessagePackReader) throws(CacheError) {
        fields = Subscriber(
            id: 0, name: "", email: "", city: "", age: 0, score: 0, isActive: false, visits: 0, createdAt: 0, balance: 0
        )
        for _ in 0..<(try reader.readMapHeader()) {
            switch try reader.readString() {
            case "id": fields.id = try reader.readInteger()
            case "name": fields.name = try reader.readString()
            case "email": fields.email = try reader.readString()
            case "city": fields.city = try reader.readString()
            case "age": fields.age = try reader.readInteger()
            case "score": fields.score = try reader.readDouble()
            case "isActive": fields.isActive = try reader.readBool()
            case "visits": fields.visits = try reader.readInteger()
            case "createdAt": fields.createdAt = try reader.readInteger()
            case "balance": fields.balance = try reader.readDouble()
            default: try reader.skip()
            }
        }
    }
}
