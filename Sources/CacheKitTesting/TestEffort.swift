#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// Whether tests that have a long form run it: `make endurance` sets `CACHEKIT_ENDURANCE=1`; `make test` runs the short one.
public enum TestEffort {
    /// Whether this run is a long one.
    public static var isLong: Bool {
        getenv("CACHEKIT_ENDURANCE").map { String(cString: $0) == "1" } ?? false
    }

    /// Whether the tests run under a sanitizer, where times say nothing.
    public static var isSanitized: Bool {
        getenv("CACHEKIT_SANITIZED").map { String(cString: $0) == "1" } ?? false
    }

    /// One of two counts, by the kind of the run.
    public static func count(short: Int, long: Int) -> Int { isLong ? long : short }
}
