// swift-tools-version: 6.2
import PackageDescription

// One libFuzzer program per parser. `Scripts/fuzz.sh` builds them: the sanitizers' flags are given on the command line, so
// that CacheKit's modules are instrumented too, and not only the few lines here. With them goes `-enable-testing`, which
// lets the program for replies reach the reader although no product shows it.
let programs: [(name: String, modules: [String])] = [
    ("FuzzRESP", ["CacheKitRedis", "CacheKitCore"]),
    ("FuzzRedisURL", ["CacheKitRedis", "CacheKitCore"]),
    ("FuzzMessagePack", ["CacheKitCore"]),
    ("FuzzEnvelope", ["CacheKitCore"]),
    ("FuzzJSON", ["CacheKitCore"]),
]

let package = Package(
    name: "fuzz",
    platforms: [.macOS(.v15)],
    dependencies: [.package(name: "cachekit", path: "..")],
    targets: [.systemLibrary(name: "CFuzzer")]
        + programs.map { program in
            .executableTarget(
                name: program.name,
                dependencies: ["CFuzzer"] + program.modules.map { .product(name: $0, package: "cachekit") },
                swiftSettings: [
                    .enableUpcomingFeature("ExistentialAny"), .enableUpcomingFeature("InternalImportsByDefault"),
                    .treatAllWarnings(as: .error),
                ])
        },
    swiftLanguageModes: [.v6]
)
