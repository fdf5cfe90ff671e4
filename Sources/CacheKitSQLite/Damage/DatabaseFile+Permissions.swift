#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

extension DatabaseFile {
    /// Something about who may do what with the file.
    struct PermissionProblem {
        var what: String
        var meaning: String
        var remedy: String
    }

    /// Who else may read or replace the file and what lies beside it.
    static func permissionProblems(_ path: String) -> [PermissionProblem] {
        var problems: [PermissionProblem] = []
        for suffix in ["", "-wal", "-shm", "-lease", "-load"] {
            var status = stat()
            guard lstat(path + suffix, &status) == 0 else { continue }
            let name = suffix.isEmpty ? "the file" : "what lies beside it (\(suffix))"
            if status.st_mode & 0o077 != 0 {
                problems.append(
                    PermissionProblem(
                        what: "\(name) is open to others than its owner",
                        meaning: "they see sizes and times, and may alter it; rows do not open without the keys",
                        remedy: "chmod 600"))
            }
            if status.st_uid != geteuid() {
                problems.append(
                    PermissionProblem(
                        what: "\(name) belongs to another user", meaning: "opening it may be refused",
                        remedy: "run as its owner"))
            }
        }
        var status = stat()
        if stat(FilePermissions.folder(of: path), &status) == 0, status.st_mode & S_IWOTH != 0,
            status.st_mode & S_ISVTX == 0
        {
            problems.append(
                PermissionProblem(
                    what: "everyone may write to the folder", meaning: "anyone can delete or replace the file",
                    remedy: "chmod o-w on the folder"))
        }
        return problems
    }
}
