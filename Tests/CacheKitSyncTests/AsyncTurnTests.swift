import CacheKitTesting
import Testing

@testable import CacheKitSync

struct AsyncTurnTests {
    @Test func `one at a time, in order of arrival`() async {
        let turn = AsyncTurn()
        let clock = ManualClock()
        let order = Notes<Int>()
        var tasks = [
            Task {
                await turn.take {
                    try? await clock.sleep(for: .seconds(1))
                    order.add(0)
                }
            }
        ]
        #expect(await eventually { clock.sleeperCount == 1 })
        for number in 1...5 {
            tasks.append(Task { await turn.take { order.add(number) } })
            #expect(await eventually { turn.waiterCount == number })
        }
        #expect(order.all.isEmpty)
        clock.advance(by: .seconds(1))
        for task in tasks { #expect(await task.value != nil) }
        #expect(order.all == [0, 1, 2, 3, 4, 5])
    }

    @Test func `who is cancelled while waiting leaves at once, and the turn goes to the next`() async {
        let turn = AsyncTurn()
        let clock = ManualClock()
        let holder = Task { await turn.take { try? await clock.sleep(for: .seconds(1)) } }
        #expect(await eventually { clock.sleeperCount == 1 })
        let leaver = Task { await turn.take { 1 } }
        #expect(await eventually { turn.waiterCount == 1 })
        let stayer = Task { await turn.take { 2 } }
        #expect(await eventually { turn.waiterCount == 2 })
        leaver.cancel()
        #expect(await leaver.value == nil)
        clock.advance(by: .seconds(1))
        #expect(await stayer.value == 2)
        await holder.value
    }

    @Test(arguments: [UInt64(81), 82, 83])
    func `the turn survives any mix of takers and cancellations`(seed: UInt64) async {
        var random = SeededRandom(seed: seed)
        let turn = AsyncTurn()
        let inside = Notes<Int>()
        for _ in 0..<200 {
            let tasks = (0..<6).map { _ in
                Task {
                    await turn.take {
                        inside.add(1)
                        await Task.yield()
                        inside.add(-1)
                    }
                }
            }
            for _ in 0..<random.next() % 5 { await Task.yield() }
            for task in tasks where random.next() % 2 == 0 { task.cancel() }
            for task in tasks { _ = await task.value }
        }
        // Whoever came in left before the next one came.
        #expect(zip(0..., inside.all).allSatisfy { $0.isMultiple(of: 2) == ($1 == 1) })
        #expect(await turn.take { true } == true)
    }
}
