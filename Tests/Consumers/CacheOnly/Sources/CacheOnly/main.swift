import CacheKit

let cache = try await Cache(encryption: .plain)
let greeting = cache.function("greeting", in: "consumer", ttl: .seconds(60)) { (name: String, times: Int) in
    print("greeting is called")
    return String(repeating: "Hello, \(name). ", count: times)
}
for _ in 0..<2 { print(try await greeting("Ada", 2)) }
await cache.shutdown()
