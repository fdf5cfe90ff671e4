// swift-tools-version: 6.2
// A program that uses `@Cached`, in the default settings of a new package: `make consumer` builds and runs it.
import PackageDescription

let package = Package(
    name: "with-macros",
    platforms: [.macOS(.v15)],
    dependencies: [.package(name: "cachekit", path: "../../..")],
    targets: [
        .executableTarget(name: "WithMacros", dependencies: [.product(name: "CacheKitMacros", package: "cachekit")])
    ],
    swiftLanguageModes: [.v6]
)
