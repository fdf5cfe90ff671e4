internal import CacheKitCore

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// What the operating system's error numbers mean to a caller (errno(3)).
extension CacheError {
    /// Translates an error number; `action` says what was being done.
    init(errno number: Int32, _ action: StaticString, file: String = #fileID, line: Int = #line) {
        let (code, advice): (Code, String) =
            switch number {
            case ENOENT: (.inputOutput, "the folder does not exist; create it")
            case ENOTDIR: (.inputOutput, "a part of the path is not a folder; check the path")
            case EISDIR: (.notADatabase, "the path is a folder; name a file in it")
            case EACCES, EPERM: (.readOnlyStore, "permission was refused; check the owner and mode of file and folder")
            case EROFS: (.readOnlyStore, "the file system is read-only; choose another folder")
            case ENOSPC, EDQUOT: (.diskFull, "no space is left on the device; free some and try again")
            case EFBIG: (.diskFull, "the file may not grow further; raise the limit of file size")
            case ENAMETOOLONG: (.inputOutput, "the path is too long")
            case ELOOP: (.inputOutput, "the path is a symbolic link or has too many; name the file itself")
            case EMFILE, ENFILE: (.inputOutput, "too many files are open; raise the limit")
            default: (.inputOutput, "the operating system refused")
            }
        self.init(code, "\(action) failed: \(advice) (errno \(number))", file: file, line: line)
    }
}
