import CacheKit
import CacheKitCore
import CacheKitSQLite
import Foundation
import Testing

/// Which node a file is: copies and restored files never stamp as another one does.
@Suite struct LocationTests {
    let fixture = try! StoreFixture()  // a test without its folder can only stop

    /// Opens a file, writes one change and gives its version.
    private func version(
        of path: String? = nil, _ adjust: (inout SQLiteConfiguration) -> Void = { _ in }
    ) async throws -> Version {
        let store = try await fixture.open { configuration in
            if let path { configuration.path = path }
            adjust(&configuration)
        }
        let version = try await version(in: store)
        await store.close()
        return version
    }

    private func version(in store: SQLiteStore) async throws -> Version {
        try await store.commit([fixture.put("k", [1])])
        return try #require(try await store.read([CacheKey("k")])[0]).version
    }

    private func write(_ name: String, _ text: String) throws -> String {
        let path = fixture.folder + "/" + name
        try Data(text.utf8).write(to: URL(filePath: path))
        return path
    }

    @Test func `a file that stays where it is stays the same node`() async throws {
        let first = try await version()
        #expect(try await version().node == first.node)
        #expect(first.node != 0)
        // Its name is not its place.
        let other = fixture.folder + "/renamed.db"
        try FileManager.default.moveItem(atPath: fixture.path, toPath: other)
        #expect(try await version(of: other).node == first.node)
    }

    @Test func `copies that are opened side by side are nodes of their own, and stamp differently`() async throws {
        let first = try await version()
        let copies = (0..<2).map { fixture.folder + "/copy\($0).db" }
        for path in copies { try FileManager.default.copyItem(atPath: fixture.path, toPath: path) }
        var versions = [try await version()]
        for path in copies { versions.append(try await version(of: path)) }
        #expect(versions[0].node == first.node, "the original stays what it was")
        #expect(Set(versions.map(\.node)).count == 3)
        #expect(Set(versions).count == 3)
        // Each stays what it became.
        for (path, version) in zip(copies, versions.dropFirst()) {
            #expect(try await self.version(of: path).node == version.node)
        }
    }

    @Test func `a backup that is moved to the file's place is a new node`() async throws {
        let first = try await version()
        let backup = fixture.folder + "/backup.db"
        try FileManager.default.copyItem(atPath: fixture.path, toPath: backup)
        let lost = try await version()
        try FileManager.default.removeItem(atPath: fixture.path)
        try FileManager.default.moveItem(atPath: backup, toPath: fixture.path)
        let restored = try await version()
        #expect(restored.node != first.node)
        // The restored clock is behind and gives a sequence twice; the version is another all the same.
        #expect(restored != lost)
    }

    @Test func `a file removed and restored under the same inode number is a new node`() async throws {
        // The number is given again at once on some file systems; there the time when the inode was made tells.
        let first = try await version()
        let bytes = try Data(contentsOf: URL(filePath: fixture.path))
        for _ in 0..<5 {
            try FileManager.default.removeItem(atPath: fixture.path)
            try bytes.write(to: URL(filePath: fixture.path))
            #expect(try await version().node != first.node)
        }
    }

    @Test(arguments: ["machine", "boot"])
    func `another machine, and another start of the same one, are a new node`(which: String) async throws {
        let machine = try write("machine", "11111111111111111111111111111111\n")
        let boot = try write("boot", "22222222-2222-2222-2222-222222222222\n")
        func place(_ configuration: inout SQLiteConfiguration) {
            configuration.machineIDPath = machine
            configuration.bootIDPath = boot
        }
        let first = try await version(place)
        #expect(try await version(place).node == first.node)
        _ = try write(which, "33333333333333333333333333333333\n")
        let second = try await version(place)
        #expect(second.node != first.node)
        #expect(try await version(place).node == second.node)
    }

    @Test func `where the machine does not say who it is, device and inode still tell a copy`() async throws {
        func nameless(_ configuration: inout SQLiteConfiguration) {
            configuration.machineIDPath = "/nonexistent/machine-id"
            configuration.bootIDPath = "/nonexistent/boot_id"
        }
        let first = try await version(nameless)
        #expect(try await version(nameless).node == first.node)
        let copy = fixture.folder + "/copy.db"
        try FileManager.default.copyItem(atPath: fixture.path, toPath: copy)
        #expect(try await version(of: copy, nameless).node != first.node)
    }

    @Test func `processes that open a moved file together agree on its node, and so do those that had it open`()
        async throws
    {
        let machine = try write("machine", "first\n")
        let open = try await fixture.open { $0.machineIDPath = machine }
        let first = try await version(in: open)
        _ = try write("machine", "second\n")
        let stores = try await withThrowingTaskGroup(of: SQLiteStore.self) { group in
            for _ in 0..<8 {
                group.addTask { [fixture] in try await fixture.open { $0.machineIDPath = machine } }
            }
            return try await group.reduce(into: [SQLiteStore]()) { $0.append($1) }
        }
        var nodes: Set<UInt64> = []
        for store in stores { nodes.insert(try await version(in: store).node) }
        nodes.insert(try await version(in: open).node)
        #expect(nodes.count == 1)
        #expect(!nodes.contains(first.node))
        for store in stores + [open] { await store.close() }
    }
}
