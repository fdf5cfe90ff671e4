import CacheKitRedis

/// TLS as operators say it: paths of PEM files, a name, a version.
struct RedisTLSFiles: Sendable {
    var authorities: String?
    var certificate: String?
    var key: String?
    var serverName: String?
    var minimumVersion: RedisTLS.Version?

    /// `nil` where nothing was said.
    var settings: RedisTLS? {
        guard authorities != nil || certificate != nil || key != nil || serverName != nil || minimumVersion != nil
        else { return nil }
        var tls = RedisTLS()
        if let authorities { tls.trust = .only(.file(authorities)) }
        if let certificate, let key {
            tls.identity = RedisTLS.Identity(certificates: .file(certificate), privateKey: .file(key))
        }
        tls.serverName = serverName
        if let minimumVersion { tls.minimumVersion = minimumVersion }
        return tls
    }

    var isHalfAnIdentity: Bool { (certificate == nil) != (key == nil) }
}
