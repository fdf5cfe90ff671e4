import CacheKit
import CacheKitCore
import Testing

@testable import CacheKitSync

/// How much the machine asks for at a time, by what the remote answered in time.
struct BatchSizeTests {
    private let late = CacheError(.remoteTimeout, "no answer")

    private func machine() -> LedMachine {
        LedMachine([]) {
            $0.batchChanges = 512
            $0.batchBytes = 1 << 20
        }
    }

    private func bounds(_ led: inout LedMachine) -> [Int] {
        led.begin(through: 0)
        guard case .load(_, let changes, let bytes) = led.machine.next(now: Sample.now) else { return [] }
        return [changes, bytes]
    }

    /// Sends a batch of so many changes of 1,000 bytes; gives the bounds of the next.
    private func send(_ count: Int, _ led: inout LedMachine, failing error: CacheError?) throws -> [Int] {
        led.feed = try (1...UInt64(count)).map { try Sample.change($0, [UInt8](repeating: 0, count: 1000)) }
        led.begin(through: 0)
        _ = led.step()
        _ = led.step()
        if let error { led.fail(error) } else { led.land() }
        return bounds(&led)
    }

    @Test func `a batch that is not answered in time is halved, down to one change`() throws {
        var led = machine()
        #expect(try send(200, &led, failing: late) == [100, 100_000])
        #expect(try send(100, &led, failing: late) == [50, 50_000])
        for count in [50, 25, 12, 6, 3] { _ = try send(count, &led, failing: late) }
        // A batch of one was as small as can be: what failed is the link.
        #expect(try send(1, &led, failing: late)[0] == 1)
        #expect(try send(1, &led, failing: late)[0] == 1)
    }

    @Test(arguments: [
        CacheError.Code.remoteUnavailable, .mayHaveBeenApplied, .remoteNotReady, .remoteAuthentication, .diskFull,
    ])
    func `no other failure makes batches smaller`(code: CacheError.Code) throws {
        var led = machine()
        #expect(try send(100, &led, failing: CacheError(code, "x")) == [512, 1 << 20])
    }

    @Test func `a deadline of reading the feed makes no batch smaller`() {
        var led = machine()
        _ = led.machine.next(now: Sample.now)
        led.machine.failed(late, fraction: 0)
        #expect(bounds(&led) == [512, 1 << 20])
    }

    @Test func `batches grow back with every one that is taken, to what was configured`() throws {
        var led = machine()
        for count in [64, 32, 16] { _ = try send(count, &led, failing: late) }
        let sizes = try (0..<12).map { _ in try send(1, &led, failing: nil)[0] }
        #expect(sizes == [10, 12, 14, 16, 32, 64, 128, 256, 512, 512, 512, 512])
    }

    @Test(arguments: [1, 7, 90, 400])
    func `over a link that takes only so many changes in time, all of a backlog arrives`(capacity: Int) throws {
        let total = 5_000
        var led = machine()
        led.feed = try (1...UInt64(total)).map { try Sample.change($0) }
        var (failures, batches, watermark) = (0, 0, UInt64(0))
        while watermark < total, batches < 20 + total * 3 / capacity {
            led.begin(through: watermark)
            _ = led.step()
            _ = led.step()
            batches += 1
            guard let count = led.inFlight?.items.count, count <= capacity else {
                failures += 1
                led.fail(late)
                continue
            }
            led.land()
            _ = led.step()
            watermark = led.lastSettlement?.through.number ?? 0
        }
        #expect(watermark == total)
        // Few are sent in vain: not one in three once the size is found, however little fits.
        #expect(failures <= 10 + batches / 3 || capacity == 1)
    }
}
