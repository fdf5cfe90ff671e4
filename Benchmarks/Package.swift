// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "benchmarks",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(name: "cachekit", path: ".."),
        .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
    ],
    targets: [
        // What each figure is compared with, as plain C calls; it links the same system libraries as CacheKit.
        .target(
            name: "Floors",
            linkerSettings: [
                .linkedLibrary("crypto"), .linkedLibrary("lz4"), .linkedLibrary("xxhash"), .linkedLibrary("sqlite3"),
                .linkedLibrary("hiredis"),
            ]),
        .executableTarget(
            name: "bench",
            dependencies: [
                "Floors",
                .product(name: "CacheKit", package: "cachekit"),
                .product(name: "CacheKitCore", package: "cachekit"),
                .product(name: "CacheKitRedis", package: "cachekit"),
                .product(name: "CacheKitSQLite", package: "cachekit"),
                .product(name: "CacheKitSync", package: "cachekit"),
                .product(name: "CacheKitTesting", package: "cachekit"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: [
                .enableUpcomingFeature("ExistentialAny"),
                .enableUpcomingFeature("InternalImportsByDefault"),
                .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
                .treatAllWarnings(as: .error),
            ]),
    ],
    swiftLanguageModes: [.v6]
)
