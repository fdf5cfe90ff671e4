public import CacheKit

/// Caches what a function gives under an interop key of its arguments, shared with every CacheKit SDK that uses the same
/// names.
///
/// ```swift
/// struct Users {
///     let cache: Cache
///
///     @Cached("get_user", namespace: "users", ttl: .seconds(300))
///     func user(id: Int) async throws -> User {
///         try await database.user(id)
///     }
/// }
/// ```
///
/// A call looks the entry up and runs the body only where no tier has it, once at a time per key in this process. In Python
/// the function is `@cache(interop="get_user", namespace="users", ttl=300, ...)` with the same parameters in the same order:
/// names do not matter, defaults are filled in.
///
/// Beside `user(id:)` there is `$user(id:)`, as visible as it within the module: a ``CacheKit/CachedCall``, which gives the key
/// and, after a change, `try await users.$user(id: 42).invalidate()`.
///
/// The function is `async throws` (untyped), gives a value that is `Codable & Sendable`, and takes parameters that are
/// ``CacheKitCore/InteropArgumentConvertible``. It may be a method of an actor, a structure, an enumeration or a `Sendable`
/// class, a static method, or global; not generic, local, mutating, an override, or a protocol's requirement. Whatever else
/// the body depends on, such as other properties of `self`, is not part of the key.
///
/// - Parameters:
///   - operation: A string literal: 1 to 64 of `a-z 0-9 . _ -`, the first a letter or digit. Checked when it is built.
///   - namespace: Likewise.
///   - ttl: How long a value lives; the namespace's TTL where left out. One millisecond to ten years.
///   - cache: Which cache: a static or global one. Left out, it is whatever `cache` means where the function stands, such as a
///     property of its type.
@attached(body)
@attached(peer, names: prefixed(`$`), prefixed(__uncached_))
public macro Cached(_ operation: String, namespace: String, ttl: Duration? = nil, cache: Cache? = nil) =
    #externalMacro(module: "CacheKitMacrosPlugin", type: "Cached")

/// Caches what a function gives, in the cache that a property of its type holds: `cache: \Users.store`.
///
/// Otherwise as ``Cached(_:namespace:ttl:cache:)-(_,_,_,Cache?)``.
@attached(body)
@attached(peer, names: prefixed(`$`), prefixed(__uncached_))
public macro Cached<Root>(_ operation: String, namespace: String, ttl: Duration? = nil, cache: KeyPath<Root, Cache>) =
    #externalMacro(module: "CacheKitMacrosPlugin", type: "Cached")
