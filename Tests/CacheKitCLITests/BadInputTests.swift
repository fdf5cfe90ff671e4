import CacheKitTesting
import Foundation
import Testing

/// What bad input gets: its own clear error on one line, the documented exit code, and nothing lost.
struct BadInputTests {
    private func expect(
        _ outcome: CommandLineTool.Outcome, status: Int32, says words: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(outcome.status == status, "\(outcome.errors)", sourceLocation: sourceLocation)
        #expect(outcome.errors.contains(words), "\(outcome.errors)", sourceLocation: sourceLocation)
        #expect(outcome.errorLines.count == 1, "\(outcome.errors)", sourceLocation: sourceLocation)
        #expect(outcome.output.isEmpty, sourceLocation: sourceLocation)
        #expect(!outcome.errors.contains(CommandLineTool.key), sourceLocation: sourceLocation)
    }

    @Test(arguments: [
        (String(repeating: "a", count: 62), "64"),
        (String(repeating: "a", count: 65), "odd"),
        (String(repeating: "g", count: 64), "hex"),
        ("-" + String(repeating: "a", count: 63), "hex"),
        ("+" + String(repeating: "a", count: 63), "hex"),
        ("0x" + String(repeating: "a", count: 64), "hex"),
        (String(repeating: "a", count: 63) + " ", "hex"),
    ])
    func `a master key that is not one is refused`(key: String, word: String) async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        let outcome = try await tool.run("set", "a", "1", environment: ["CACHEKIT_MASTER_KEY": key])
        expect(outcome, status: 7, says: word)
        #expect(!outcome.errors.contains(key))
        #expect(!FileManager.default.fileExists(atPath: tool.path("cache.db")))
    }

    @Test func `a missing master key is told with the way to make one`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        expect(
            try await tool.run("set", "a", "1", environment: ["CACHEKIT_MASTER_KEY": nil]), status: 7,
            says: "cachekit keys generate")
    }

    @Test func `a wrong key opens nothing and harms nothing`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        _ = try await tool.run("set", "a", "1")
        let wrong = ["CACHEKIT_MASTER_KEY": String(repeating: "b2", count: 32)] as [String: String?]
        expect(try await tool.run("get", "a", environment: wrong), status: 7, says: "key")
        expect(try await tool.run("set", "a", "2", environment: wrong), status: 7, says: "key")
        #expect(try await tool.run("get", "a").output == "1\n")
    }

    @Test func `a file that is not a database is left alone`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        let text = Data(String(repeating: "not a database, but somebody's notes\n", count: 200).utf8)
        try text.write(to: tool.folder.appending(path: "cache.db"))
        expect(try await tool.run("set", "a", "1"), status: 9, says: "not a")
        #expect(try Data(contentsOf: tool.folder.appending(path: "cache.db")) == text)
    }

    @Test func `a truncated file is told as damaged and not recreated`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        let lines = (0..<500).map { #"{"key":"k\#($0)","value":"some text to fill pages"}"# }.joined(separator: "\n")
        _ = try await tool.run("import", input: lines)
        let file = tool.folder.appending(path: "cache.db")
        let whole = try Data(contentsOf: file)
        try whole.prefix(whole.count / 2).write(to: file)
        let outcome = try await tool.run("verify")
        #expect(outcome.status == 9, "\(outcome.errors)")
        try whole.write(to: file)
        #expect(try await tool.run("verify").status == 0)
    }

    @Test func `a file of a newer version is refused with the way out`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        _ = try await tool.run("set", "a", "1")
        let file = tool.folder.appending(path: "cache.db")
        var bytes = try Data(contentsOf: file)
        // user_version: four bytes, big-endian, at offset 60 of the header (sqlite.org/fileformat).
        bytes[62] = 0x7F
        try bytes.write(to: file)
        expect(try await tool.run("get", "a"), status: 9, says: "upgrade")
    }

    @Test func `a folder that can't be written is named as such`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        // The test may run as root, whom no permission stops; nobody makes files in /proc.
        let outcome = try await tool.run("set", "a", "1", "--database", "/proc/cachekit.db")
        expect(outcome, status: 9, says: "folder")
    }

    @Test(.enabled("needs root with setpriv(1), or to be somebody else") { await canBeSomebody() })
    func `a user who may only look at a folder is told so, reads what is there, and leaves nothing`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        let outcome = try await tool.shell(
            #"""
            \#(Self.somebody)
            mkdir folder; chmod 777 .; cp "$CACHEKIT_EXECUTABLE" tool; chmod 755 tool
            export CACHEKIT_DATABASE=folder/cache.db
            chmod 555 folder
            somebody ./tool set a 1; echo status $?
            ls -A folder; chmod 755 folder
            """#)
        #expect(outcome.output == "status 9\n", "\(outcome.errors)")
        #expect(outcome.errorLines.count == 1 && outcome.errors.contains("folder"), "\(outcome.errors)")
    }

    /// Runs a command as a user whom permissions stop.
    private static let somebody =
        #"somebody() { if [ "$(id -u)" = 0 ]; then setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; else "$@"; fi; }"#

    private static func canBeSomebody() async -> Bool {
        guard let tool = try? CommandLineTool() else { return false }
        defer { tool.remove() }
        let outcome = try? await tool.shell(
            somebody + #"; cp "$CACHEKIT_EXECUTABLE" tool; chmod 755 . tool; somebody ./tool --version"#)
        return outcome?.status == 0
    }

    @Test(.enabled("needs the right to mount a small file system") { await canMount() })
    func `a full disk is told, nothing acknowledged is lost, and work resumes when there is space`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        let outcome = try await tool.shell(
            #"""
            set -u
            unshare -m bash -c '
                mkdir disk && mount -t tmpfs -o size=2m none disk
                export CACHEKIT_DATABASE=disk/cache.db
                cachekit set first 1 || exit 90
                head -c 400000 /dev/urandom | base64 -w 0 | sed "s/^/\"/;s/\$/\"/" > value
                status=0; n=0
                while [ $status = 0 ] && [ $n -lt 20 ]; do n=$((n+1)); cachekit set filler$n - < value; status=$?; done
                echo status $status
                cachekit get first
                cachekit verify --json
                mount -o remount,size=8m disk
                cachekit set after - < value && cachekit list | tail -n 1
            '
            """#)
        let lines = outcome.outputLines
        #expect(lines.first == "status 9", "\(outcome.errors)")
        #expect(outcome.errors.contains("space"), "\(outcome.errors)")
        #expect(lines.dropFirst().first == "1")
        #expect(outcome.output.contains(#""rows_failed":0"#), "\(outcome.output)")
        #expect(lines.last == "after", "\(outcome.errors)")
    }

    private static func canMount() async -> Bool {
        guard let tool = try? CommandLineTool() else { return false }
        defer { tool.remove() }
        let outcome = try? await tool.shell("unshare -m bash -c 'mkdir d && mount -t tmpfs -o size=1m none d'")
        return outcome?.status == 0
    }

    @Test func `a value over the limit is refused with its size`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        let outcome = try await tool.run(["set", "big", "--raw"], bytes: Data(count: 17 << 20))
        expect(outcome, status: 2, says: "16777216")
    }

    @Test func `empty, over-long and reserved keys are refused`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        expect(try await tool.run("set", "", "1"), status: 2, says: "empty")
        expect(try await tool.run("get", "", "--namespace", "users"), status: 2, says: "empty")
        expect(try await tool.run("set", String(repeating: "k", count: 1025), "1"), status: 2, says: "1025 bytes")
        expect(try await tool.run("set", "ckv:7", "1"), status: 2, says: "ckv:")
        #expect(try await tool.run("set", String(repeating: "k", count: 1024), "1").status == 0)
    }

    @Test func `a value that is not JSON is refused at its byte`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        let outcome = try await tool.run("set", "a", "{\"open\": ")
        #expect(outcome.errors.contains("byte 9"), "\(outcome.errors)")
        #expect(outcome.status == 3)
    }

    @Test func `malformed lines are named, the rest is imported, and the exit code is 3`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        let lines = [
            #"{"key":"a","value":1}"#, "not json", #"{"key":"b","value":2,"ttl":60}"#, #"{"value":3}"#,
            #"{"key":"","value":4}"#, #"{"key":"c","value":5,"ttl":-1}"#, #"{"key":"d","value":6,"other":0}"#, "",
            #"{"key":"e","value":7}"#, #"{"key":"f","value":8"#,
        ]
        let outcome = try await tool.run("import", "--json", "--batch", "2", input: lines.joined(separator: "\n"))
        #expect(outcome.status == 3)
        #expect(outcome.output == #"{"imported":3,"rejected":6,"lines":10}"# + "\n")
        #expect(
            outcome.errorLines.map { $0.prefix(17) } == [2, 4, 5, 6, 7, 10].map { "cachekit: line \($0):".prefix(17) })
        #expect(try await tool.run("list").output == "a\nb\ne\n")
    }

    @Test func `a line longer than any value is passed over without being held`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        let outcome = try await tool.shell(
            """
            { echo '{"key":"a","value":1}'; printf '{"key":"b","value":"'; head -c 12000000 /dev/zero | tr '\\0' x; echo '"}'
              echo '{"key":"c","value":3}'; } | cachekit import --json --max-value 1M
            """)
        #expect(outcome.status == 3)
        #expect(outcome.output == #"{"imported":2,"rejected":1,"lines":3}"# + "\n")
        #expect(outcome.errors.contains("line 2"))
    }

    @Test func `commands without a file or a Redis say what to give`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        let without: [String: String?] = ["CACHEKIT_DATABASE": nil]
        expect(try await tool.run("get", "a", environment: without), status: 2, says: "--database")
        expect(try await tool.run("list", environment: without), status: 2, says: "--database")
        expect(try await tool.run("sync", "push"), status: 2, says: "--redis")
        expect(try await tool.run("frobnicate"), status: 2, says: "--help")
        expect(try await tool.run("set", "a", "1", "--ttl", "soon"), status: 2, says: "--help")
    }

    // MARK: Redis

    @Test func `an absent Redis is told, and what was written stays in the file`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        let nowhere = "redis+unix://" + tool.path("nobody.sock")
        let without: [String: String?] = ["CACHEKIT_DATABASE": nil]
        expect(try await tool.run("get", "a", "--redis", nowhere, environment: without), status: 6, says: "Redis")
        expect(try await tool.run("set", "a", "1", "--redis", nowhere, environment: without), status: 6, says: "Redis")
        _ = try await tool.run("set", "a", "1")
        expect(try await tool.run("sync", "push", "--redis", nowhere), status: 6, says: "Redis")
        #expect(try await tool.run("get", "a").output == "1\n")
        #expect(try await tool.run("stats", "--json").output.contains(#""pending_changes":1"#))
    }

    @Test(arguments: [
        "redis://", "http://localhost", "redis://localhost:99999", "redis://localhost?tls=maybe",
        "rediss://localhost:99999",
    ])
    func `a Redis address that is not one is refused`(url: String) async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        _ = try await tool.run("set", "a", "1")
        let outcome = try await tool.run("sync", "push", "--redis", url)
        #expect(outcome.status == 2, "\(outcome.errors)")
        #expect(outcome.errorLines.count == 1)
    }

    @Test(.enabled(if: RedisServer.isInstalled, "redis-server is not installed"))
    func `a Redis that refuses the password is told without the password`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        let server = try await RedisServer.start(["--requirepass", "right"])
        defer { server.stop() }
        _ = try await tool.run("set", "a", "1")
        let address = server.url.dropFirst("redis://".count)
        for credentials in ["", ":wr0ng-secret@", "somebody:wr0ng-secret@"] {
            let outcome = try await tool.run("sync", "push", "--redis", "redis://\(credentials)\(address)")
            expect(outcome, status: 7, says: "password")
            #expect(!outcome.errors.contains("wr0ng-secret"))
        }
        #expect(try await tool.run("sync", "push", "--redis", "redis://:right@\(address)").status == 0)
    }

    @Test(.enabled(if: RedisServer.isInstalled, "redis-server is not installed"))
    func `a Redis that dies during an import stops it, and a partial import is not counted as whole`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        let server = try await RedisServer.start()
        defer { server.stop() }
        // The server is ended when the first batches have arrived; the rest of the input comes only after that.
        let outcome = try await tool.shell(
            """
            unset CACHEKIT_DATABASE
            lines() { for n in $(seq $1 $2); do echo "{\\"key\\":\\"k$n\\",\\"value\\":$n}"; done; }
            { lines 1 1000
              for try in $(seq 200); do [ "$(redis-cli -s \(server.socketPath) dbsize)" -ge 1000 ] && break; sleep 0.05; done
              redis-cli -s \(server.socketPath) shutdown nosave
              lines 1001 3000; } | cachekit import --json --redis \(server.unixURL)
            """)
        #expect(outcome.status == 6, "\(outcome.errors)")
        #expect(outcome.errors.contains("stopped at line 1001"), "\(outcome.errors)")
        #expect(outcome.errors.contains("1000 stored"), "\(outcome.errors)")
        #expect(outcome.output.isEmpty)
    }
}
