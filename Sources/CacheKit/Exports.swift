// A user who imports CacheKit gets the keys, errors and coders that its own signatures name
// (docs/decisions/0002-one-error-in-core.md).
@_exported public import CacheKitCore
