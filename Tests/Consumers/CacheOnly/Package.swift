// swift-tools-version: 6.2
// A program that uses the cache without `@Cached`: `make consumer` shows that swift-syntax is not built for it.
import PackageDescription

let package = Package(
    name: "cache-only",
    platforms: [.macOS(.v15)],
    dependencies: [.package(name: "cachekit", path: "../../..")],
    targets: [
        .executableTarget(name: "CacheOnly", dependencies: [.product(name: "CacheKit", package: "cachekit")])
    ],
    swiftLanguageModes: [.v6]
)
