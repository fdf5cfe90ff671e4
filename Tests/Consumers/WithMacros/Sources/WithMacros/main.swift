import CacheKitMacros

struct Greeter {
    let cache: Cache

    @Cached("greeting", namespace: "consumer", ttl: .seconds(60))
    func greeting(name: String, times: Int = 2) async throws -> String {
        print("greeting is called")
        return String(repeating: "Hello, \(name). ", count: times)
    }
}

let cache = try await Cache(encryption: .plain)
let greeter = Greeter(cache: cache)
for _ in 0..<2 { print(try await greeter.greeting(name: "Ada")) }
try await greeter.$greeting(name: "Ada").invalidate()
print(try await greeter.greeting(name: "Ada"))
await cache.shutdown()
