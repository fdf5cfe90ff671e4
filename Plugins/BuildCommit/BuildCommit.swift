import Foundation
import PackagePlugin

/// Writes the commit that is being built into a source file, so that `cachekit --version` can tell it.
@main
struct BuildCommit: BuildToolPlugin {
    func createBuildCommands(context: PluginContext, target: any Target) async throws -> [Command] {
        let output = context.pluginWorkDirectoryURL
        return [
            .prebuildCommand(
                displayName: "Note the commit",
                executable: URL(fileURLWithPath: "/bin/sh"),
                arguments: [
                    context.package.directoryURL.appending(path: "Scripts/write-commit.sh").path,
                    context.package.directoryURL.path, output.path,
                ],
                outputFilesDirectory: output)
        ]
    }
}
