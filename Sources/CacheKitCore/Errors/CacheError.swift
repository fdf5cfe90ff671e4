/// The one error that CacheKit throws, in every module.
///
/// Match on ``code``; read ``message`` for what happened and what to do about it. Neither ever holds a secret, a key name,
/// a tenant or a value.
public struct CacheError: Error, Sendable {
    /// What kind of failure this is; new codes may be added in any release.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The stable name of the code, as JSON reports print it.
        public let description: String

        init(_ description: String) {
            self.description = description
        }

        // The caller's input.

        /// A key is empty, too long, holds a NUL, or uses a reserved prefix.
        public static let invalidKey = Code("invalidKey")
        /// An argument is outside what the call takes.
        public static let invalidArgument = Code("invalidArgument")
        /// The configuration contradicts itself or leaves out what must be said.
        public static let invalidConfiguration = Code("invalidConfiguration")
        /// A value is larger than the configured limit.
        public static let valueTooLarge = Code("valueTooLarge")
        /// A value has no form in MessagePack, or in the interop profile of it.
        public static let encoding = Code("encoding")

        // Keys and sealed bytes.

        /// A master key was asked for and none was given.
        public static let missingMasterKey = Code("missingMasterKey")
        /// A master key is not at least 64 hex digits, or the keyring is not well formed.
        public static let invalidMasterKey = Code("invalidMasterKey")
        /// The master key given is not one of those that the file knows.
        public static let wrongMasterKey = Code("wrongMasterKey")
        /// A key can't be retired: something is still sealed under it.
        public static let keyInUse = Code("keyInUse")
        /// Sealed bytes do not authenticate: wrong key, tenant, cache key or mode, or altered bytes.
        public static let authenticationFailed = Code("authenticationFailed")

        // Bytes that were read.

        /// Bytes are not a well-formed document, or do not fit the type asked for.
        public static let decoding = Code("decoding")
        /// Bytes are not a well-formed ByteStorage envelope, or its checksum differs.
        public static let invalidEnvelope = Code("invalidEnvelope")

        // The local store.

        /// The file is not a CacheKit database.
        public static let notADatabase = Code("notADatabase")
        /// The file is damaged.
        public static let damagedStore = Code("damagedStore")
        /// The file was written by a newer version of CacheKit.
        public static let newerFormat = Code("newerFormat")
        /// A row of the file was altered by someone without its keys.
        public static let tamperedStore = Code("tamperedStore")
        /// The file or its folder can't be written.
        public static let readOnlyStore = Code("readOnlyStore")
        /// Other users may change the file, or replace it in its folder.
        public static let unsafePermissions = Code("unsafePermissions")
        /// No space is left on the device.
        public static let diskFull = Code("diskFull")
        /// The operating system refused or failed to read or write.
        public static let inputOutput = Code("inputOutput")
        /// Another connection holds the file for longer than the caller waits.
        public static let storeBusy = Code("storeBusy")
        /// Too much is pending; the back-pressure policy refused the write.
        public static let backPressure = Code("backPressure")

        // The remote store.

        /// The server can't be reached.
        public static let remoteUnavailable = Code("remoteUnavailable")
        /// The server did not answer within the deadline.
        public static let remoteTimeout = Code("remoteTimeout")
        /// The server refused the user or the password.
        public static let remoteAuthentication = Code("remoteAuthentication")
        /// The connection was lost after sending: the command may have been applied.
        public static let mayHaveBeenApplied = Code("mayHaveBeenApplied")
        /// The server answered with an error that trying again may cure (`LOADING`, `READONLY`, out of memory).
        public static let remoteNotReady = Code("remoteNotReady")
        /// The server answered this command with an error.
        public static let remoteRejected = Code("remoteRejected")
        /// The remote did not take a write that was waited for: it lost against what is there, or was set aside.
        public static let notApplied = Code("notApplied")
        /// The server's bytes are not a well-formed reply.
        public static let remoteProtocol = Code("remoteProtocol")

        /// Another holder kept a lock for longer than the caller waited.
        public static let lockHeld = Code("lockHeld")
        /// A lock was lost while work went on under it.
        public static let lockLost = Code("lockLost")

        /// A loader took longer than a load may take.
        public static let loadTimeout = Code("loadTimeout")

        // Life cycle.

        /// The cache or store was shut down.
        public static let shutdown = Code("shutdown")
        /// The calling task was cancelled.
        public static let cancelled = Code("cancelled")
        /// Another process holds the lease that this action needs.
        public static let leaseHeld = Code("leaseHeld")
        /// A fault of CacheKit itself; please report it.
        public static let internalFault = Code("internalFault")
    }

    /// Where in the source an error was made.
    public struct Location: Sendable, CustomStringConvertible {
        /// Module and file.
        public let file: String
        /// Line in the file.
        public let line: Int

        /// `Module/File.swift:12`.
        public var description: String { "\(file):\(line)" }
    }

    /// What kind of failure this is.
    public let code: Code
    /// One line: what happened, and what to do about it. Where a configuration has several mistakes, a line for each.
    public let message: String
    /// The error underneath, if one was caught.
    public let cause: (any Error)?
    /// Where the error was made.
    public let location: Location

    /// Makes an error; the location is the caller's.
    public init(
        _ code: Code, _ message: String, cause: (any Error)? = nil, file: String = #fileID, line: Int = #line
    ) {
        self.code = code
        self.message = message
        self.cause = cause
        self.location = Location(file: file, line: line)
    }
}

extension CacheError: CustomStringConvertible {
    /// Code and message; never a secret, a key name or a value.
    public var description: String { "\(code): \(message)" }
}

extension CacheError: CustomDebugStringConvertible {
    /// Code, message, location and the cause's description.
    public var debugDescription: String {
        "CacheError(\(code): \(message), at \(location)\(cause.map { ", cause: \($0)" } ?? ""))"
    }
}
