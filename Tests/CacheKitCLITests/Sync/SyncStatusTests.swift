import CacheKitTesting
import Foundation
import Testing

/// `sync status` beside a real server and real processes that push.
@Suite(.enabled(if: RedisServer.isInstalled, "redis-server is not installed"))
struct SyncStatusTests {
    @Test func `it says whether somebody pushes, and takes the lease from nobody`() async throws {
        let scene = try await OperatorScene()
        defer { scene.stop() }
        try await scene.write(["a"], ago: .zero)
        #expect(try await scene.objects("sync status").first?["pusher_running"] as? Bool == false)
        let outcome = try await scene.tool.shell(
            """
            flock "$CACHEKIT_DATABASE-lease" "$CACHEKIT_EXECUTABLE" sync status --json; echo $?
            flock --shared "$CACHEKIT_DATABASE-lease" "$CACHEKIT_EXECUTABLE" sync status --json
            """)
        #expect(outcome.outputLines[0].contains(#""state":"moving""#), "\(outcome.output)")
        #expect(outcome.outputLines[0].contains(#""pusher_running":true"#), "\(outcome.output)")
        #expect(outcome.outputLines[1] == "3")
        // Another one that asks is not taken for a pusher.
        #expect(outcome.outputLines[2].contains(#""state":"waiting""#), "\(outcome.output)")
    }

    @Test func `what a process failed at is told by another, with when, until something gets through`() async throws {
        let scene = try await OperatorScene()
        defer { scene.stop() }
        scene.server.stop()
        try await scene.write(["a"], ago: .zero)
        let push = try await scene.run("sync push --deadline 1s")
        #expect(push.status == 6, "\(push.errors)")
        _ = try await scene.tool.run("set", "b", "1")
        let failed = try #require(try await scene.objects("sync status").first)
        #expect((failed["last_failure"] as? String)?.hasPrefix("remoteUnavailable: ") == true, "\(failed)")
        #expect(failed["last_failure_seconds"] is Int && failed["last_progress_seconds"] is NSNull, "\(failed)")
        try await scene.server.restart()
        #expect(try await scene.run("sync push").status == 0)
        let mended = try #require(try await scene.objects("sync status").first)
        #expect(mended["last_progress_seconds"] is Int && mended["state"] as? String == "clean", "\(mended)")
        #expect(mended["next_steps"] as? [String] == ["nothing waits"])
    }

    @Test func `a refused password ends with 7 and is not shown`() async throws {
        let scene = try await OperatorScene(["--requirepass", "right"])
        defer { scene.stop() }
        try await scene.write(["a"], ago: .zero)
        let url = "redis://:wr0ng-secret@" + scene.server.url.dropFirst("redis://".count)
        let status = try await scene.run("sync status --redis \(url)")
        #expect(status.status == 7, "\(status.output)")
        #expect(status.output.contains("next: mend user or password"), "\(status.output)")
        #expect(!status.output.contains("wr0ng-secret") && status.errors.isEmpty)
    }

    @Test func `reasons are counted`() async throws {
        let scene = try await OperatorScene()
        defer { scene.stop() }
        try await scene.setAsideOneOfEach()
        let status = try await scene.objects("sync status").first
        #expect(status?["dead_letter_reasons"] as? [String: Int] == ["remoteRejected": 1])
        #expect(status?["parked_reasons"] as? [String: Int] == ["tooOld": 1])
        #expect(status?["conflict_reasons"] as? [String: Int] == ["foreign": 1])
        #expect((status?["next_steps"] as? [String])?.count == 3)
    }
}
