// What the macro expands to names CacheKit's own types.
@_exported public import CacheKit
