public import CacheKitCore

/// How connections of a `rediss://` address are encrypted, whom they trust, and who we are.
///
/// The default trusts the authorities of the system, and a server whose certificate names the host that was asked for.
/// Files are read once, when the store is opened.
public struct RedisTLS: Sendable {
    /// Certificates as PEM (RFC 7468).
    public enum Certificates: Sendable {
        /// The path of a file of at most 4 MiB.
        case file(String)
        /// The bytes of such a file.
        case pem([UInt8])
    }

    /// A private key as PEM, without a passphrase.
    public enum PrivateKey: Sendable {
        /// The path of a file of at most 4 MiB. What is read is zeroed after use.
        case file(String)
        /// The bytes of such a file; zeroed when nobody holds them any more.
        case pem(SecretBytes)
    }

    /// Whose signature makes a server's certificate a good one.
    public enum Trust: Sendable {
        /// That of an authority that the system trusts (OpenSSL's default file and folder).
        case system
        /// That of these authorities and no others. Each of the certificates is trusted as it stands.
        case only(Certificates)
    }

    /// A client certificate and its key, for servers that ask for one.
    public struct Identity: Sendable {
        /// The client's own certificate, then those that lead to the authority that the server trusts.
        public var certificates: Certificates
        /// The key of the first of them.
        public var privateKey: PrivateKey

        /// A certificate and its key.
        public init(certificates: Certificates, privateKey: PrivateKey) {
            self.certificates = certificates
            self.privateKey = privateKey
        }
    }

    /// What of the server's certificate is checked.
    public enum Verification: Sendable {
        /// Signature, validity and name.
        case full
        /// Nothing: anyone on the way can read and change everything, passwords included.
        case dangerouslyDisabled
    }

    /// A version of the protocol.
    public enum Version: Sendable {
        /// TLS 1.2 (RFC 5246).
        case tls12
        /// TLS 1.3 (RFC 8446).
        case tls13
    }

    /// Whose signature makes a server's certificate a good one. Default: an authority of the system.
    public var trust = Trust.system
    /// Who we are. Default `nil`: no client certificate.
    public var identity: Identity?
    /// The DNS name or IP address that certificates must have (as a `subjectAltName`), in place of the host that is
    /// connected to; a DNS name is also sent to the server. Default `nil`: each server's own host.
    ///
    /// It holds for every server of a Sentinel set or Cluster.
    public var serverName: String?
    /// What of the server's certificate is checked. Default: everything.
    public var verification = Verification.full
    /// The oldest version that is spoken. Default: TLS 1.2.
    public var minimumVersion = Version.tls12

    /// The default settings.
    public init() {}

    /// Settings that trust the authorities of a file alone, with a client certificate where one is given.
    public init(authorityFile: String, identity: Identity? = nil) {
        trust = .only(.file(authorityFile))
        self.identity = identity
    }

    /// What is wrong with it, all of it; no file is read for that.
    public var problems: [ConfigurationProblem] {
        guard let serverName else { return [] }
        var problems: [ConfigurationProblem] = []
        // RFC 1035, section 2.3.4.
        problems.require(
            (1...253).contains(serverName.utf8.count) && serverName.utf8.allSatisfy { (0x21...0x7E).contains($0) },
            "serverName", text: "must be 1 to 253 ASCII characters without blanks")
        return problems
    }
}

extension RedisTLS: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// What is used, without names, paths or contents.
    public var description: String {
        var parts: [String] = []
        if case .only = trust { parts.append("own authorities") } else { parts.append("system's authorities") }
        if identity != nil { parts.append("client certificate") }
        if verification == .dangerouslyDisabled { parts.append("verification disabled") }
        return "RedisTLS(\(parts.joined(separator: ", ")))"
    }
    /// What is used, without names, paths or contents.
    public var debugDescription: String { description }
    /// Only what ``description`` shows.
    public var customMirror: Mirror { Mirror(self, children: ["settings": description]) }
}

extension RedisTLS.Identity: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Redacted.
    public var description: String { "RedisTLS.Identity(redacted)" }
    /// Redacted.
    public var debugDescription: String { description }
    /// Redacted, so that `dump` shows nothing either.
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}

extension RedisTLS.PrivateKey: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Redacted.
    public var description: String { "RedisTLS.PrivateKey(redacted)" }
    /// Redacted.
    public var debugDescription: String { description }
    /// Redacted, so that `dump` shows nothing either.
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}

extension RedisTLS.Certificates: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Where they are, without path or contents.
    public var description: String {
        switch self {
        case .file: "RedisTLS.Certificates(a file)"
        case .pem(let bytes): "RedisTLS.Certificates(\(bytes.count) bytes)"
        }
    }
    /// Where they are, without path or contents.
    public var debugDescription: String { description }
    /// Only what ``description`` shows.
    public var customMirror: Mirror { Mirror(self, children: ["source": description]) }
}
