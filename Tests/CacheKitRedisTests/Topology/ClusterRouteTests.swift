import CacheKit
import CacheKitCore
import Testing

@testable import CacheKitRedis

@Suite struct ClusterRouteTests {
    private let slot = HashSlot(of: "k")
    private let bounds = ClusterRoute.Bounds(
        redirections: 4, time: .seconds(1), backoff: Backoff(first: .milliseconds(10), longest: .milliseconds(100)))
    private let start = ContinuousClock.now
    private let a = RedisEndpoint.tcp(host: "a", port: 1)
    private let b = RedisEndpoint.tcp(host: "b", port: 1)
    private let replica = RedisEndpoint.tcp(host: "r", port: 1)

    private func map(_ master: RedisEndpoint) -> SlotMap {
        var map = SlotMap()
        let isAssigned = map.assign(0...16_383, to: SlotMap.Shard(master: master, replicas: [replica]))
        #expect(isAssigned)
        return map
    }

    private func route(readsFromReplica: Bool = false) -> ClusterRoute {
        var route = ClusterRoute(slot: slot, readsFromReplica: readsFromReplica)
        route.begin(at: start, bounds)
        return route
    }

    private func failure(_ step: ClusterRoute.Step) -> CacheError.Code? {
        if case .fail(let error) = step { error.code } else { nil }
    }
    private func isAgain(_ step: ClusterRoute.Step) -> Bool {
        if case .again = step { true } else { false }
    }

    @Test func `MOVED is followed whatever the map says, ASK once`() {
        var route = route()
        #expect(route.key(in: map(a), choice: 0) == ClusterNodes.Key(endpoint: a))
        #expect(isAgain(route.redirect(.moved(b), "MOVED", at: start, bounds, fraction: 0)))
        #expect(route.key(in: map(a), choice: 0) == ClusterNodes.Key(endpoint: b))
        #expect(!route.target.asks)
        #expect(isAgain(route.redirect(.ask(a), "ASK", at: start, bounds, fraction: 0)))
        #expect(route.key(in: map(b), choice: 0) == ClusterNodes.Key(endpoint: a))
        #expect(route.target.asks)
        _ = route.redirect(.tryAgain, "TRYAGAIN", at: start, bounds, fraction: 0)
        #expect(route.target == .master)
    }

    @Test func `redirections are bounded, and the later ones wait`() {
        var route = route()
        for count in 1...5 {
            let step = route.redirect(.moved(b), "MOVED", at: start, bounds, fraction: 0.5)
            switch count {
            case ...3: #expect(isAgain(step))
            case 4: if case .wait = step {} else { Issue.record("no wait") }
            default: #expect(failure(step) == .remoteNotReady)
            }
        }
    }

    @Test func `what passes by itself is waited for up to the time that a command has`() {
        var route = route()
        var now = start
        var waits = 0
        while case .wait(let wait) = route.redirect(.notReady, "CLUSTERDOWN x", at: now, bounds, fraction: 0.9) {
            #expect(wait <= bounds.backoff.longest)
            now += wait
            waits += 1
        }
        #expect((10...20).contains(waits))
        #expect(now < start + bounds.time)
        #expect(failure(route.redirect(.notReady, "CLUSTERDOWN x", at: now, bounds, fraction: 0.9)) == .remoteNotReady)
    }

    @Test func `another owner is asked instead of one that is away, and nobody after a loss that leaves it open`() {
        let key = ClusterNodes.Key(endpoint: a)
        let away = CacheError(.remoteUnavailable, "x")
        var route = route()
        #expect(failure(route.fail(away, of: key, map(a), at: start, bounds)) == .remoteUnavailable)
        #expect(failure(route.fail(away, of: key, nil, at: start, bounds)) == .remoteUnavailable)
        for code in [CacheError.Code.mayHaveBeenApplied, .remoteTimeout, .cancelled, .shutdown, .remoteAuthentication] {
            #expect(failure(route.fail(CacheError(code, "x"), of: key, map(b), at: start, bounds)) == code)
        }
        #expect(isAgain(route.fail(away, of: key, map(b), at: start, bounds)))
        #expect(failure(route.fail(away, of: key, map(b), at: start + .seconds(1), bounds)) == .remoteUnavailable)
    }

    @Test func `a replica that does not answer sends the read to its master`() {
        let key = ClusterNodes.Key(endpoint: replica, isReplica: true)
        for event in 0..<4 {
            var route = route(readsFromReplica: true)
            #expect(route.key(in: map(a), choice: 7) == key)
            let step =
                switch event {
                case 0: route.redirect(.moved(b), "MOVED", at: start, bounds, fraction: 0)
                case 1: route.redirect(.notReady, "MASTERDOWN", at: start, bounds, fraction: 0)
                case 2: route.fail(CacheError(.remoteTimeout, "x"), of: key, map(a), at: start, bounds)
                default: route.fail(CacheError(.remoteUnavailable, "x"), of: key, map(a), at: start, bounds)
                }
            #expect(isAgain(step))
            #expect(route.key(in: map(a), choice: 7) == ClusterNodes.Key(endpoint: a))
        }
        var alone = SlotMap()
        let isAssigned = alone.assign(0...16_383, to: SlotMap.Shard(master: a, replicas: []))
        #expect(isAssigned)
        #expect(route(readsFromReplica: true).key(in: alone, choice: 7) == ClusterNodes.Key(endpoint: a))
    }
}
