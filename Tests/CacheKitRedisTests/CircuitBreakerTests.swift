import CacheKit
import CacheKitCore
import CacheKitTesting
import Testing

@testable import CacheKitRedis

@Suite struct CircuitBreakerTests {
    private let start = ContinuousClock.now

    private func breaker(_ threshold: Int = 2, longest: Duration = .seconds(5)) -> CircuitBreaker {
        CircuitBreaker(threshold: threshold, backoff: Backoff(first: .milliseconds(45), longest: longest))
    }

    private func at(_ milliseconds: Int) -> ContinuousClock.Instant { start + .milliseconds(milliseconds) }

    @Test func `it opens at the threshold, lets one probe through after the wait, and closes with an answer`() {
        var breaker = breaker(3)
        for _ in 0..<2 {
            breaker.failed(.loss, at: start, fraction: 0.5)
            #expect(breaker.admit(at: start) == .pass)
        }
        breaker.failed(.loss, at: start, fraction: 0.5)
        // The third wait is drawn below 45 x 4 ms.
        #expect(breaker.retryAt == at(90))
        #expect(breaker.admit(at: at(0)) == .refuse(retryAfter: .milliseconds(90)))
        #expect(breaker.admit(at: at(89)) == .refuse(retryAfter: .milliseconds(1)))
        #expect(breaker.admit(at: at(90)) == .probe(1))
        #expect(breaker.admit(at: at(10_000)) == .refuse(retryAfter: nil))
        breaker.answered()
        #expect(breaker.isClosed && breaker.failures == 0 && breaker.retryAt == nil)
        #expect(breaker.admit(at: at(91)) == .pass)
    }

    @Test func `an answer in between makes the next failure the first`() {
        var breaker = breaker(2)
        for _ in 0..<10 {
            breaker.failed(.loss, at: start, fraction: 0.5)
            #expect(breaker.isClosed)
            breaker.answered()
        }
    }

    @Test(arguments: [CircuitBreaker.Failure.silence, .refusal(isLasting: false), .refusal(isLasting: true)])
    func `silence and refusals open it at once`(_ failure: CircuitBreaker.Failure) {
        var breaker = breaker(100)
        breaker.failed(failure, at: start, fraction: 0.5)
        #expect(!breaker.isClosed)
        #expect(breaker.openFor(at: start) != nil)
    }

    @Test func `after a lasting refusal nobody tries for a second, or for the longest wait where that is shorter`() {
        var patient = breaker()
        patient.failed(.refusal(isLasting: true), at: start, fraction: 0)
        #expect(patient.openFor(at: start) == .seconds(1))
        var hasty = breaker(longest: .milliseconds(50))
        hasty.failed(.refusal(isLasting: true), at: start, fraction: 0)
        #expect(hasty.openFor(at: start) == .milliseconds(50))
    }

    @Test func `waits begin below 50 ms, double with every failure, are drawn from zero up, and are capped`() {
        for fraction in [0, 0.25, 0.999_999] {
            var breaker = breaker(1)
            var bound = 45.0
            for failure in 0..<20 {
                breaker.failed(.loss, at: start, fraction: fraction)
                let wait = breaker.retryAt.map { start.duration(to: $0) / .milliseconds(1) } ?? .infinity
                #expect(abs(wait - bound * fraction) < 0.01, "failure \(failure)")
                bound = min(bound * 2, 5000)
            }
        }
    }

    @Test func `the defaults keep the first wait below 50 ms`() throws {
        let configuration = RedisConfiguration("redis://h")
        #expect(configuration.initialBackoff < .milliseconds(50))
        #expect(configuration.breakerThreshold == 2)
    }

    @Test func `a failed probe opens it again, for the next wait`() {
        var breaker = breaker(1)
        breaker.failed(.loss, at: start, fraction: 0.5)
        let probeTime = start + (breaker.openFor(at: start) ?? .zero)
        #expect(breaker.admit(at: probeTime) == .probe(1))
        breaker.failed(.loss, at: probeTime, fraction: 0.5)
        // The caller says so later: that must not let another one through.
        breaker.probeEnded(1)
        #expect(breaker.admit(at: probeTime) == .refuse(retryAfter: .milliseconds(45)))
    }

    @Test func `a probe that ends without an outcome leaves its place to the next, and only its own`() {
        var breaker = breaker(1)
        breaker.failed(.loss, at: start, fraction: 0)
        #expect(breaker.admit(at: start) == .probe(1))
        breaker.probeEnded(1)
        #expect(breaker.admit(at: start) == .probe(2))
        breaker.probeEnded(1)
        #expect(breaker.admit(at: start) == .refuse(retryAfter: nil))
    }

    @Test(arguments: UInt64(0)..<100)
    func `never two probes at once, never a call before its time, never shut for good`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var breaker = breaker(Int.random(in: 1...4, using: &random))
        var now = start
        var probe: UInt64?
        for _ in 0..<300 {
            now += .milliseconds(Int.random(in: 0...40, using: &random))
            switch Int.random(in: 0..<10, using: &random) {
            case 0...4:
                let wait = breaker.openFor(at: now)
                switch breaker.admit(at: now) {
                case .pass: #expect(probe == nil && breaker.failures < breaker.threshold, "seed \(seed)")
                case .probe(let number):
                    #expect(probe == nil && wait == nil, "seed \(seed)")
                    probe = number
                case .refuse(let after): #expect(after == wait && (after != nil || probe != nil), "seed \(seed)")
                }
            case 5, 6:
                breaker.failed(.loss, at: now, fraction: .random(in: 0..<1, using: &random))
                probe = nil
            case 7:
                breaker.failed(.silence, at: now, fraction: .random(in: 0..<1, using: &random))
                #expect(!breaker.isClosed, "seed \(seed)")
                probe = nil
            case 8:
                if let ended = probe { breaker.probeEnded(ended) }
                probe = nil
            default:
                breaker.answered()
                probe = nil
                #expect(breaker.admit(at: now) == .pass, "seed \(seed)")
            }
        }
        if let probe { breaker.probeEnded(probe) }
        if case .refuse = breaker.admit(at: now + .seconds(5)) { Issue.record("shut for good; seed \(seed)") }
    }

    @Test(arguments: [0, 101])
    func `a threshold out of bounds is refused`(_ threshold: Int) {
        var configuration = RedisConfiguration("redis://h")
        configuration.breakerThreshold = threshold
        #expect(configuration.problems.map(\.properties) == [["breakerThreshold"]])
    }
}
