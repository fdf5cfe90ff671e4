import CFuzzer
import CacheKitCore
import CacheKitRedis

// Addresses: read within their bounds or refused, and never shown with their password.

var count = CommandLine.argc
var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv
_ = LLVMFuzzerRunDriver(&count, &arguments) { start, count in
    let text = String(decoding: UnsafeRawBufferPointer(start: start, count: count), as: UTF8.self)
    do throws(CacheError) {
        let url = try RedisURL(text)
        precondition((0...RedisConfiguration.maximumDatabase).contains(url.database))
        precondition((1...RedisURL.maximumEndpoints).contains(url.endpoints.count))
        for endpoint in url.endpoints {
            switch endpoint {
            case .tcp(let host, let port): precondition(!host.isEmpty && (1...65535).contains(port))
            case .unix(let path): precondition(path.utf8.count > 1 && !path.utf8.contains(0))
            }
        }
        guard url.credentials != nil else { return 0 }
        // Without its user and password, the same address reads the same.
        var open = url
        open.credentials = nil
        precondition("\(url)".filter { $0 != "*" && $0 != "@" } == "\(open)".filter { $0 != "*" && $0 != "@" })
    } catch {
        precondition(error.code == .invalidConfiguration)
    }
    return 0
}
