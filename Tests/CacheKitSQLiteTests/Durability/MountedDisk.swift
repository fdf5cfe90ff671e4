import Foundation

/// A small file system of a test's own, which can be filled, enlarged, and turned read-only; unmounted at the end.
final class MountedDisk {
    private let folder: String
    /// Where files go; its owner's alone.
    var path: String { folder + "/disk/files" }

    /// In memory.
    init(bytes: Int) throws {
        folder = try Self.folder()
        try shell("mount -t tmpfs -o size=\(bytes) none disk && mkdir -m 700 disk/files")
    }

    /// On a file that passes for a device, which turns read-only on an error as disks do.
    init(imageBytes: Int) throws {
        folder = try Self.folder()
        try shell("truncate -s \(imageBytes) image && mkfs.ext4 -q -F image")
        try mountImage()
        try shell("mkdir -m 700 disk/files")
    }

    deinit {
        try? shell("umount -l disk")
        try? FileManager.default.removeItem(atPath: folder)
    }

    private static func folder() throws -> String {
        let folder = FileManager.default.temporaryDirectory.path + "/cachekit-disk-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder + "/disk", withIntermediateDirectories: true)
        return folder
    }

    private func mountImage() throws { try shell("mount -o loop,errors=remount-ro image disk") }

    func resize(bytes: Int) throws { try shell("mount -o remount,size=\(bytes) disk") }

    /// What the kernel does after an error, also while files are open for writing.
    func turnReadOnly() throws { try shell("mount -o remount,abort disk") }

    func mountAgain() throws {
        try shell("umount disk")
        try mountImage()
    }

    private func shell(_ script: String) throws {
        let process = Process()
        process.executableURL = URL(filePath: "/bin/sh")
        process.arguments = ["-c", script]
        process.currentDirectoryURL = URL(filePath: folder)
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw CocoaError(.executableLoad) }
    }

    static var canMount: Bool { (try? MountedDisk(bytes: 1 << 20)) != nil }
    static var canMountImage: Bool { (try? MountedDisk(imageBytes: 4 << 20)) != nil }
}
