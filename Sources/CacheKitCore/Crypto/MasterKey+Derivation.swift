extension MasterKey {
    /// The longest tenant, in bytes of UTF-8.
    public static let maximumTenantByteCount = 1024

    /// Derives 32 bytes for a tenant and a domain, by HKDF-SHA256.
    ///
    /// Salt: `"cachekit_v1_" || u8(len(domain)) || domain || u16be(len(tenant)) || tenant`; info: `domain` (protocol
    /// section 5). About 3 us.
    ///
    /// - Parameters:
    ///   - domain: What the key is for: `encryption`, `authentication`, `cache_keys` or one of ours; 1 to 255 bytes.
    ///   - tenant: Whose key it is; 1 to 1024 bytes.
    /// - Throws: ``CacheError/Code/invalidArgument`` for a domain or tenant of another length.
    public func derive(domain: String, tenant: some Collection<UInt8>) throws(CacheError) -> SecretBytes {
        let info = Array(domain.utf8)
        guard (1...255).contains(info.count) else {
            throw CacheError(.invalidArgument, "a key domain has 1 to 255 bytes, not \(info.count)")
        }
        guard (1...Self.maximumTenantByteCount).contains(tenant.count) else {
            throw CacheError(
                .invalidArgument, "a tenant has 1 to \(Self.maximumTenantByteCount) bytes, not \(tenant.count)")
        }
        var salt = Array("cachekit_v1_".utf8)
        salt.append(UInt8(info.count))
        salt += info
        salt += [UInt8(tenant.count >> 8), UInt8(tenant.count & 0xff)]
        salt += tenant
        return try secret.withBytes { key throws(CacheError) in
            try HKDF.sha256(key: key, salt: salt, info: info, count: 32)
        }
    }

    /// Derives 32 bytes for a tenant given as a string, like ``derive(domain:tenant:)-(_,Collection<UInt8>)``.
    public func derive(domain: String, tenant: String) throws(CacheError) -> SecretBytes {
        try derive(domain: domain, tenant: tenant.utf8)
    }
}
