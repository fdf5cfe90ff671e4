import CacheKitCore
import Testing

@testable import CacheKitRedis

// What sentinels say, right and wrong, without any.
struct SentinelReplyTests {
    private func bulk(_ text: String) -> RESPValue { .bulkString(Array(text.utf8)) }
    private func list(_ texts: String...) -> RESPValue { .array(texts.map(bulk)) }
    private func at(_ port: Int) -> RedisEndpoint { .tcp(host: "10.0.0.1", port: port) }

    private func answer(
        _ address: RESPValue, _ master: RESPValue = .null, _ sentinels: RESPValue = .null
    ) throws -> SentinelAnswer? {
        try SentinelReplies.answer([address, master, sentinels], maximumSentinels: 2)
    }

    @Test func `an answer has the master's place, its epoch and other sentinels, up to the bound`() throws {
        let others: [RESPValue] = [
            list("name", "x", "ip", "10.0.0.1", "port", "1"), list("ip", "10.0.0.1", "port", "2"),
            list("ip", "10.0.0.1", "port", "3"),
        ]
        let full = try answer(
            list("10.0.0.1", "6379"), list("name", "main", "config-epoch", "7", "odd"), .array(others))
        #expect(full == SentinelAnswer(master: at(6379), epoch: 7, sentinels: [at(1), at(2)]))
        // The further questions may be forbidden.
        let bare = try answer(list("10.0.0.1", "6379"), .error("NOPERM"), .error("NOPERM"))
        #expect(bare == SentinelAnswer(master: at(6379), epoch: 0, sentinels: []))
        #expect(try answer(.null) == nil)
    }

    @Test(arguments: [
        ("10.0.0.1", "0"), ("10.0.0.1", "65536"), ("10.0.0.1", "+1"), ("10.0.0.1", ""), ("", "6379"), ("a b", "6379"),
        ("a\r\nb", "6379"), (String(repeating: "a", count: 256), "6379"), ("10.0.0.1", "99999999999999999999"),
    ])
    func `a place that is none is refused as the master's and passed over as a sentinel's`(
        host: String, port: String
    ) throws {
        #expect(throws: CacheError.self) { try answer(list(host, port)) }
        let others = RESPValue.array([list("ip", host, "port", port), .integer(1), list("ip", "10.0.0.1", "port", "5")])
        #expect(
            try SentinelReplies.answer(
                [list("10.0.0.1", "1"), .null, others], maximumSentinels: 9)?.sentinels == [at(5)])
    }

    @Test(arguments: [
        RESPValue.integer(1), .simpleString("OK"), .array([]), .error("NOAUTH Authentication required."),
    ])
    func `an answer of another form is an error`(reply: RESPValue) {
        #expect(throws: CacheError.self) { try answer(reply) }
    }

    @Test func `a switch of our master is an event, one of another's is not`() {
        func event(_ channel: String, _ text: String) -> SentinelEvent? {
            SentinelReplies.event(list("message", channel, text), about: "main")
        }
        #expect(event("+switch-master", "main 10.0.0.9 1 10.0.0.1 2") == .switched(to: at(2)))
        #expect(event("+switch-master", "other 10.0.0.9 1 10.0.0.1 2") == nil)
        #expect(event("+switch-master", "main 10.0.0.9 1 10.0.0.1") == nil)
        #expect(event("+switch-master", "main 10.0.0.9 1 10.0.0.1 x") == nil)
        #expect(event("+promoted-slave", "slave 10.0.0.1:2 10.0.0.1 2 @ main 10.0.0.9 1") == .promoted)
        #expect(event("+promoted-slave", "slave 10.0.0.1:2 10.0.0.1 2 @ other 10.0.0.9 1") == nil)
        #expect(event("+sdown", "master main 10.0.0.9 1") == nil)
        #expect(SentinelReplies.event(list("subscribe", "+switch-master"), about: "main") == nil)
        #expect(SentinelReplies.event(.null, about: "main") == nil)
    }

    @Test func `the newest answer counts, and one as new as the last decides`() {
        func answer(_ port: Int, epoch: UInt64) -> SentinelAnswer {
            SentinelAnswer(master: at(port), epoch: epoch, sentinels: [])
        }
        var round = SentinelRound(knownEpoch: 5)
        round.note(answer(1, epoch: 3), from: at(91))
        #expect(!round.isDecided)
        round.note(answer(2, epoch: 4), from: at(92))
        round.note(answer(3, epoch: 4), from: at(93))
        #expect(!round.isDecided)
        #expect(round.best?.answer.master == at(2))
        round.note(answer(4, epoch: 5), from: at(94))
        #expect(round.isDecided)
        #expect(round.best?.sentinel == at(94))
    }

    @Test func `without an answer the error says what to mend`() {
        var round = SentinelRound(knownEpoch: 0)
        #expect(round.error.code == .remoteUnavailable)
        round.note(nil, from: at(1))
        #expect(round.error.code == .invalidConfiguration)
        // The one that can't be asked may know the master.
        round.note(CacheError.redisClosed())
        #expect(round.error.code == .remoteUnavailable)
        round.note(CacheError.redisReply("NOAUTH"))
        #expect(round.error.code == .remoteAuthentication)
        #expect(round.error.message.contains("sentinelCredentials"))
    }

    @Test func `the answering sentinel is first, those no longer known go, and there is a bound`() {
        #expect(
            SentinelDirectory.merge([at(1), at(2), at(3)], given: [at(1)], learned: [at(3), at(4)], answering: at(3))
                == [at(3), at(1), at(4)])
        let many = (1...200).map(at)
        #expect(SentinelDirectory.merge([], given: [at(1)], learned: many, answering: at(2)).count == 64)
    }

    @Test(arguments: [
        ("READONLY You can't write against a read only replica.", true), ("LOADING Redis is loading", true),
        ("MASTERDOWN Link with MASTER is down", true),
        ("ERR Error running script (call to f_1): @user_script:1: -READONLY You can't write", true),
        ("ERR wrong number of arguments", false), ("OOM", false),
    ])
    func `errors of a server that is no master are told from others`(text: String, isRefusal: Bool) {
        #expect((SentinelTopology.refusal(.error(text)) != nil) == isRefusal)
    }
}
