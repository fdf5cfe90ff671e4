internal import CacheKitCore
internal import COpenSSL
internal import Synchronization

// Agreeing on keys, and finding out who is there.
extension TLSStream {
    private enum Step {
        case done
        case needsInput
        case failed(CacheError)
    }

    /// Shakes hands. Blocks: for I/O threads only.
    ///
    /// - Throws: `remoteAuthentication` when one side does not accept the other's certificate, `remoteTimeout`
    ///   when nothing comes in time, as from a port without TLS, else `remoteUnavailable`.
    func handshake(deadline: ContinuousClock.Instant) throws(CacheError) {
        // A little early: whoever waits for the connection gets this error and not one that says less.
        let patience = deadline - min(ContinuousClock.now.duration(to: deadline) / 10, .milliseconds(250))
        var hasReceived = false
        while true {
            let step = state.withLock { advance(&$0) }
            // Also after a failure: the server learns of it by an alert.
            try flush(until: patience, toleratingFailure: hasReceived)
            switch step {
            case .done: return
            case .failed(let error): throw error
            case .needsInput: break
            }
            try receive(until: patience, isFirst: !hasReceived)
            hasReceived = true
        }
    }

    private func advance(_ state: inout State) -> Step {
        ERR_clear_error()
        let status = SSL_do_handshake(state.connection)
        if status == 1 { return .done }
        if SSL_get_error(state.connection, status) == SSL_ERROR_WANT_READ { return .needsInput }
        return .failed(fail(&state))
    }

    private func flush(until deadline: ContinuousClock.Instant, toleratingFailure: Bool) throws(CacheError) {
        while true {
            let (progress, isDone) = state.withLock { state in
                let progress = state.send(to: socket)
                defer { if state.isAllSent { state.clear() } }
                return (progress, state.isAllSent)
            }
            if isDone { return }
            switch progress {
            case .bytes: continue
            case .wouldBlock:
                guard Poll.wait(descriptor, for: .writing, until: deadline) else { throw .tlsSilence() }
            case .endOfStream: return
            case .failed(let error):
                // What the server said before it closed tells more.
                guard toleratingFailure else { throw error }
                return
            }
        }
    }

    private func receive(until deadline: ContinuousClock.Instant, isFirst: Bool) throws(CacheError) {
        while true {
            // Asked here too: a peer that sends byte by byte is always ready.
            guard deadline > .now, Poll.wait(descriptor, for: .reading, until: deadline) else {
                throw isFirst ? .tlsSilence() : .redisConnectTimeout()
            }
            switch receive() {
            case .bytes:
                let first = state.withLock { $0.buffers.pointee.received.pointee }
                // A record of a handshake or an alert (RFC 8446, section 5.1). Redis itself begins with "-" or "+".
                guard !isFirst || first == 22 || first == 21 else { throw .tlsNotSpoken() }
                return
            case .wouldBlock: continue
            case .endOfStream: throw .tlsHandshakeEnded(nil)
            case .failed(let error): throw .tlsHandshakeEnded(error)
            }
        }
    }
}
