import COpenSSL
import CacheKit
import CacheKitCore
import CacheKitTesting
import Foundation
import Testing

@testable import CacheKitRedis

/// What is wrong with the settings is told when the store is opened, and nothing shows what is in them.
struct RedisTLSTests {
    private let authority: TestAuthority
    private let client: TestAuthority.Identity
    private let folder: URL

    init() throws {
        authority = try TestAuthority()
        client = try authority.issue(names: nil)
        folder = FileManager.default.temporaryDirectory.appending(path: "cktls-" + UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    private func file(_ name: String, _ bytes: [UInt8]) throws -> String {
        let file = folder.appending(path: name)
        try Data(bytes).write(to: file)
        return file.path
    }

    private func secret(_ bytes: [UInt8]) throws -> SecretBytes {
        try bytes.withUnsafeBytes { try SecretBytes(copying: $0) }
    }

    private func encrypted(_ key: [UInt8]) throws -> [UInt8] {
        let input = BIO_new_mem_buf(key, Int32(key.count))
        let output = BIO_new(BIO_s_mem())
        let parsed = PEM_read_bio_PrivateKey(input, nil, nil, nil)
        defer {
            EVP_PKEY_free(parsed)
            BIO_free(input)
            BIO_free(output)
        }
        try #require(PEM_write_bio_PKCS8PrivateKey(output, parsed, EVP_aes_256_cbc(), "hunter2", 7, nil, nil) == 1)
        var bytes = [UInt8](repeating: 0, count: BIO_ctrl_pending(output))
        try #require(BIO_read(output, &bytes, Int32(bytes.count)) == bytes.count)
        return bytes
    }

    private func refusal(_ change: (inout RedisTLS) throws -> Void) throws -> CacheError {
        defer { try? FileManager.default.removeItem(at: folder) }
        var tls = RedisTLS()
        try change(&tls)
        let error = try #require(throws: CacheError.self) {
            _ = try makeStore("rediss://localhost") { $0.tls = tls }
        }
        #expect(error.code == .invalidConfiguration, "\(error)")
        #expect(!error.message.contains("\n"))
        for text in [folder.path, "cktls", "hunter2", "BEGIN EC", "MII"] { #expect(!"\(error)".contains(text)) }
        return error
    }

    @Test func `a file that is not there is told`() throws {
        let error = try refusal { $0.trust = .only(.file(folder.path + "/hunter2.pem")) }
        #expect(error.message.contains("authorities") && error.message.contains("No such file"), "\(error)")
    }

    @Test func `a folder is no file`() throws {
        let error = try refusal { $0.trust = .only(.file(folder.path)) }
        #expect(error.message.contains("not a regular file"), "\(error)")
    }

    @Test(arguments: ["", "hunter2", "-----BEGIN CERTIFICATE-----\nhunter2\n-----END CERTIFICATE-----\n"])
    func `what is no certificate is told`(_ text: String) throws {
        for source in [RedisTLS.Certificates.pem(Array(text.utf8)), .file(try file("ca.pem", Array(text.utf8)))] {
            let error = try refusal { $0.trust = .only(source) }
            #expect(error.message.contains("authorities"), "\(error)")
        }
    }

    @Test func `a damaged certificate behind a good one is told`() throws {
        let bundle = authority.certificate + authority.certificate.dropLast(60)
        let error = try refusal { $0.trust = .only(.pem(bundle)) }
        #expect(error.message.contains("damaged"), "\(error)")
    }

    @Test func `a key of another certificate is told`() throws {
        let other = try authority.issue(names: nil)
        let error = try refusal {
            $0.identity = .init(certificates: .pem(client.certificate), privateKey: .pem(try secret(other.key)))
        }
        #expect(error.message.contains("another certificate"), "\(error)")
    }

    @Test func `a key that is none, and one with a passphrase, are told`() throws {
        let none = try refusal {
            $0.identity = .init(
                certificates: .pem(client.certificate), privateKey: .file(try file("key.pem", client.certificate)))
        }
        #expect(none.message.contains("no private key"), "\(none)")
        let error = try refusal {
            $0.identity = .init(
                certificates: .pem(client.certificate), privateKey: .pem(try secret(try encrypted(client.key))))
        }
        #expect(error.message.contains("without a passphrase"), "\(error)")
    }

    @Test(arguments: ["", "a b", "a\u{0}b", String(repeating: "a", count: 254)])
    func `a server's name that is none is refused`(_ name: String) throws {
        let error = try refusal { $0.serverName = name }
        #expect(error.message.contains("serverName"), "\(error)")
    }

    @Test func `files and bytes of the same material are good`() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        var tls = RedisTLS(authorityFile: try file("ca.pem", authority.certificate))
        tls.identity = .init(
            certificates: .file(try file("client.pem", client.certificate + authority.certificate)),
            privateKey: .file(try file("client.key", client.key)))
        _ = try TLSContext(tls)
        tls.trust = .only(.pem(authority.certificate))
        tls.identity = .init(certificates: .pem(client.certificate), privateKey: .pem(try secret(client.key)))
        _ = try TLSContext(tls)
    }

    @Test func `TLS for a plain address is refused, and never silently left out`() throws {
        for address in ["redis://localhost", "redis+unix:///tmp/none.sock"] {
            let error = try #require(throws: CacheError.self) {
                _ = try makeStore(address) { $0.tls = RedisTLS() }
            }
            #expect(error.code == .invalidConfiguration)
            #expect(error.message.contains("rediss://"))
        }
    }

    @Test func `nothing shows keys, paths or names`() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        var tls = RedisTLS(authorityFile: "/hunter2/ca.pem")
        tls.serverName = "hunter2.internal"
        tls.identity = .init(certificates: .file("/hunter2/client.pem"), privateKey: .file("/hunter2/client.key"))
        var configuration = RedisConfiguration("rediss://localhost")
        configuration.tls = tls
        let certificates = RedisTLS.Certificates.file("/hunter2")
        let key = RedisTLS.PrivateKey.file("/hunter2")
        var texts = [
            "\(tls)", String(reflecting: tls), "\(configuration)", String(reflecting: configuration),
            "\(tls.identity as Any)", "\(certificates)", "\(key)", String(reflecting: key), "\(tls.trust)",
        ]
        var dumped = ""
        dump(tls, to: &dumped)
        dump(configuration, to: &dumped)
        dump(tls.identity, to: &dumped)
        dump(certificates, to: &dumped)
        dump(key, to: &dumped)
        dump(tls.trust, to: &dumped)
        texts.append(dumped)
        for text in texts { #expect(!text.contains("hunter2"), "\(text)") }
        tls.verification = .dangerouslyDisabled
        #expect("\(tls)".contains("verification disabled"))
    }
}
