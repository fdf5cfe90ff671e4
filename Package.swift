// swift-tools-version: 6.2
import CompilerPluginSupport
import PackageDescription

let package = Package(
    name: "cachekit",
    platforms: [.macOS(.v15)],
    products: [
        .library(name: "CacheKit", targets: ["CacheKit"]),
        .library(name: "CacheKitCore", targets: ["CacheKitCore"]),
        .library(name: "CacheKitSQLite", targets: ["CacheKitSQLite"]),
        .library(name: "CacheKitRedis", targets: ["CacheKitRedis"]),
        .library(name: "CacheKitSync", targets: ["CacheKitSync"]),
        .library(name: "CacheKitSettings", targets: ["CacheKitSettings"]),
        .library(name: "CacheKitTesting", targets: ["CacheKitTesting"]),
        // The one product that swift-syntax is built for.
        .library(name: "CacheKitMacros", targets: ["CacheKitMacros"]),
        .executable(name: "cachekit", targets: ["CacheKitCLI"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.5.0"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.1.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.6.0"),
        .package(url: "https://github.com/swiftlang/swift-syntax", from: "603.0.0"),
    ],
    targets: [
        // C libraries: a module map and a shim header each, no logic.
        .systemLibrary(
            name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"]), .brew(["sqlite"])]),
        .systemLibrary(
            name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"]), .brew(["openssl@3"])]),
        .systemLibrary(name: "CLZ4", pkgConfig: "liblz4", providers: [.apt(["liblz4-dev"]), .brew(["lz4"])]),
        .systemLibrary(
            name: "CXXHash", pkgConfig: "libxxhash", providers: [.apt(["libxxhash-dev"]), .brew(["xxhash"])]),
        // hiredis: SwiftPM refuses the -D flag of its pkg-config file; the module map links it.
        .systemLibrary(name: "CHiredis", providers: [.apt(["libhiredis-dev"]), .brew(["hiredis"])]),

        // The numbered SQL files, embedded as bytes when the library is built.
        .target(
            name: "Migrations", path: "migrations",
            resources: [.embedInCode("m0001_initial.sql")]),

        .target(name: "CacheKitCore", dependencies: ["COpenSSL", "CLZ4", "CXXHash"]),
        .target(
            name: "CacheKit",
            dependencies: [
                "CacheKitCore",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Metrics", package: "swift-metrics"),
            ]),
        .target(
            name: "CacheKitSync",
            dependencies: ["CacheKit", "CacheKitCore", .product(name: "Logging", package: "swift-log")]),
        .target(
            name: "CacheKitSQLite",
            dependencies: [
                "CacheKit", "CacheKitCore", "CSQLite", "Migrations",
                .product(name: "Logging", package: "swift-log"),
            ]),
        .target(
            name: "CacheKitRedis",
            dependencies: [
                "CacheKit", "CacheKitCore", "CHiredis", "COpenSSL", .product(name: "Logging", package: "swift-log"),
                .product(name: "DequeModule", package: "swift-collections"),
            ]),
        .target(
            name: "CacheKitSettings",
            dependencies: [
                "CacheKit", "CacheKitCore", "CacheKitSQLite", "CacheKitRedis", "CacheKitSync",
                .product(name: "Logging", package: "swift-log"),
            ]),
        .target(name: "CacheKitTesting", dependencies: ["CacheKit", "CacheKitCore", "CacheKitSync", "COpenSSL"]),
        // `@Cached`: the declaration; what it expands to; the program that the compiler asks.
        .target(name: "CacheKitMacros", dependencies: ["CacheKit", "CacheKitMacrosPlugin"]),
        .target(
            name: "CacheKitMacrosExpansion",
            dependencies: [
                .product(name: "SwiftDiagnostics", package: "swift-syntax"),
                .product(name: "SwiftParser", package: "swift-syntax"),
                .product(name: "SwiftSyntax", package: "swift-syntax"),
                .product(name: "SwiftSyntaxBuilder", package: "swift-syntax"),
                .product(name: "SwiftSyntaxMacros", package: "swift-syntax"),
            ]),
        .macro(
            name: "CacheKitMacrosPlugin",
            dependencies: [
                "CacheKitMacrosExpansion",
                .product(name: "SwiftCompilerPlugin", package: "swift-syntax"),
                .product(name: "SwiftSyntax", package: "swift-syntax"),
                .product(name: "SwiftSyntaxMacros", package: "swift-syntax"),
            ]),
        .executableTarget(
            name: "CacheKitCLI",
            dependencies: [
                "CacheKit", "CacheKitCore", "CacheKitSQLite", "CacheKitRedis", "CacheKitSync", "CacheKitSettings",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
                .product(name: "Logging", package: "swift-log"),
            ],
            plugins: ["BuildCommit"]),
        .plugin(name: "BuildCommit", capability: .buildTool()),

        // A process of its own that writes until its parent kills it.
        .executableTarget(
            name: "CrashChild", dependencies: ["CFork", "CacheKit", "CacheKitCore", "CacheKitSQLite"],
            path: "Tests/CrashChild"),
        // fork(2) for that process; nothing else uses it.
        .target(name: "CFork", path: "Tests/CFork"),
        // The Swift end of `make interop`; the other end is the Python SDK.
        .executableTarget(
            name: "InteropPeer",
            dependencies: ["CacheKit", "CacheKitMacros", "CacheKitSQLite", "CacheKitRedis", "CacheKitSync"],
            path: "Tests/InteropPeer"),
        .testTarget(name: "CacheKitCoreTests", dependencies: ["CacheKitCore"]),
        .testTarget(
            name: "CacheKitTests",
            dependencies: [
                "CacheKit", "CacheKitCore", "CacheKitSync", "CacheKitTesting",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "CoreMetrics", package: "swift-metrics"),
            ]),
        .testTarget(
            name: "CacheKitTestingTests", dependencies: ["CacheKit", "CacheKitSync", "CacheKitTesting"]),
        // The engine on simulated machines, in virtual time; `make simulate` runs the program.
        .target(
            name: "Simulation",
            dependencies: [
                "CacheKit", "CacheKitCore", "CacheKitSync", "CacheKitTesting",
                .product(name: "Logging", package: "swift-log"),
            ],
            path: "Tests/Simulation"),
        .executableTarget(name: "Simulate", dependencies: ["Simulation"], path: "Tests/Simulate"),
        .testTarget(name: "SimulationTests", dependencies: ["Simulation"]),
        .testTarget(
            name: "CacheKitSyncTests",
            dependencies: [
                "CacheKit", "CacheKitCore", "CacheKitSync", "CacheKitTesting",
                .product(name: "Logging", package: "swift-log"),
            ]),
        .testTarget(
            name: "CacheKitSQLiteTests",
            dependencies: [
                "CacheKit", "CacheKitCore", "CacheKitSQLite", "CacheKitTesting", "CSQLite", "Migrations", "CFaultVFS",
            ],
            // Files of released formats; the tests find them beside their source.
            exclude: ["Fixtures"]),
        // Under the stores of those tests: fails calls and cuts the power.
        .target(name: "CFaultVFS", dependencies: ["CSQLite"], path: "Tests/CFaultVFS"),
        .testTarget(
            name: "CacheKitRedisTests",
            dependencies: [
                "CacheKit", "CacheKitCore", "CacheKitRedis", "CacheKitSync", "CacheKitTesting", "COpenSSL",
                .product(name: "Logging", package: "swift-log"),
            ]),
        // A node in a process of its own, which its parent kills or measures.
        .executableTarget(
            name: "SyncChild",
            dependencies: [
                "CacheKit", "CacheKitCore", "CacheKitSQLite", "CacheKitRedis", "CacheKitSync", "CacheKitTesting",
            ],
            path: "Tests/SyncChild"),
        .testTarget(
            name: "IntegrationTests",
            dependencies: [
                "SyncChild", "CacheKit", "CacheKitCore", "CacheKitSQLite", "CacheKitRedis", "CacheKitSync",
                "CacheKitTesting",
                .product(name: "Logging", package: "swift-log"),
            ]),
        // Everything with everything that can fail, and nothing secret in what is said of it.
        .testTarget(
            name: "SecretsTests",
            dependencies: [
                "CacheKit", "CacheKitSQLite", "CacheKitRedis", "CacheKitSync", "CacheKitTesting",
                .product(name: "Logging", package: "swift-log"),
            ]),
        .testTarget(
            name: "CacheKitSettingsTests",
            dependencies: [
                "CacheKitSettings", "CacheKit", "CacheKitCore", "CacheKitSQLite", "CacheKitRedis", "CacheKitSync",
                "CacheKitTesting",
                .product(name: "Logging", package: "swift-log"),
            ]),
        .testTarget(
            name: "CacheKitCLITests",
            dependencies: ["CacheKitCLI", "CacheKit", "CacheKitCore", "CacheKitSQLite", "CacheKitTesting"]),
        .testTarget(
            name: "CrashTests",
            dependencies: ["CrashChild", "CacheKit", "CacheKitCore", "CacheKitSQLite", "CacheKitTesting"]),
        // Not on the plugin itself: everything that tests reach would be built a second time, for the compiler's machine.
        .testTarget(
            name: "CacheKitMacrosTests",
            dependencies: [
                "CacheKit", "CacheKitCore", "CacheKitMacros", "CacheKitMacrosExpansion",
                .product(name: "SwiftSyntaxMacroExpansion", package: "swift-syntax"),
                .product(name: "SwiftSyntaxMacrosGenericTestSupport", package: "swift-syntax"),
            ]),
        // The Swift blocks of README and docs/, made into source files when these tests are built.
        .executableTarget(name: "ExtractBlocks", path: "Tests/ExtractBlocks"),
        .plugin(name: "DocumentedBlocks", capability: .buildTool(), dependencies: ["ExtractBlocks"]),
        .testTarget(
            name: "DocumentationTests",
            dependencies: [
                "CacheKit", "CacheKitCore", "CacheKitSQLite", "CacheKitRedis", "CacheKitSync", "CacheKitSettings",
                "CacheKitMacros", "CacheKitTesting", .product(name: "Logging", package: "swift-log"),
            ],
            plugins: ["DocumentedBlocks"]),
        .testTarget(name: "TidyTests"),
    ],
    swiftLanguageModes: [.v6]
)

// One list of strict settings for every Swift target. No `unsafeFlags`: a package with them can't be a dependency.
let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]
for target in package.targets where target.type != .system && target.type != .plugin {
    target.swiftSettings = (target.swiftSettings ?? []) + settings
}
