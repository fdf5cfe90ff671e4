import ArgumentParser
import CacheKitCore
import Foundation

/// The documented exit codes (README.md).
enum ExitStatus: Int32, Error {
    case clean = 0
    case internalFault = 1
    case usage = 2
    case partial = 3
    case conflictsLeft = 4
    case deadLettersLeft = 5
    case redisUnreachable = 6
    case keyOrAuthentication = 7
    case leaseHeld = 8
    case damagedStore = 9

    init(_ error: CacheError) {
        switch error.code {
        case .invalidKey, .invalidArgument, .invalidConfiguration, .valueTooLarge, .encoding: self = .usage
        case .missingMasterKey, .invalidMasterKey, .wrongMasterKey, .authenticationFailed, .remoteAuthentication:
            self = .keyOrAuthentication
        case .remoteUnavailable, .remoteTimeout, .mayHaveBeenApplied, .remoteNotReady, .remoteProtocol:
            self = .redisUnreachable
        case .leaseHeld: self = .leaseHeld
        case .notADatabase, .damagedStore, .newerFormat, .tamperedStore, .readOnlyStore, .unsafePermissions, .diskFull,
            .inputOutput, .storeBusy:
            self = .damagedStore
        case .decoding, .invalidEnvelope, .remoteRejected, .cancelled, .backPressure, .keyInUse: self = .partial
        default: self = .internalFault
        }
    }

    /// Ends the process: help and version on standard output, anything else as one line on standard error.
    static func exit(for error: any Error) -> Never {
        switch error {
        case let status as ExitStatus:
            Foundation.exit(status.rawValue)
        case let error as CacheError:
            StandardError.write("cachekit: \(error.message)")
            Foundation.exit(ExitStatus(error).rawValue)
        case is CancellationError:
            StandardError.write("cachekit: cancelled")
            Foundation.exit(ExitStatus.partial.rawValue)
        default:
            let code = CacheKitCommand.exitCode(for: error)
            guard code == .success else {
                let isUsage = code == .validationFailure
                StandardError.write(
                    "cachekit: \(firstLine(CacheKitCommand.message(for: error)))\(isUsage ? "; see cachekit --help" : "")"
                )
                Foundation.exit(isUsage ? ExitStatus.usage.rawValue : ExitStatus.internalFault.rawValue)
            }
            StandardOutput.write(CacheKitCommand.fullMessage(for: error))
            StandardOutput.flush()
            Foundation.exit(0)
        }
    }

    private static func firstLine(_ text: String) -> String {
        text.split(separator: "\n").first.map(String.init) ?? "the arguments are not valid"
    }
}
