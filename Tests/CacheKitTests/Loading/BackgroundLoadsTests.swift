import CacheKitCore
import CacheKitTesting
import Testing

@testable import CacheKit

struct BackgroundLoadsTests {
    @Test func `what still runs when the time for closing is over is cancelled`() async {
        let clock = ManualClock()
        let loads = BackgroundLoads(limit: 2, executor: nil)
        let (gate, cancellations) = (Gate(), Counter())
        loads.start(LoadKey(hash: Hash128(low: 1, high: 2), type: ObjectIdentifier(Int.self))) {
            await withTaskCancellationHandler {
                await gate.wait()
            } onCancel: {
                cancellations.add()
                gate.open()
            }
        }
        await loads.close(deadline: .zero, clock: clock)
        #expect(await eventually { loads.count == 0 })
        #expect(cancellations.value == 1)
        #expect(!loads.start(LoadKey(hash: Hash128(low: 3, high: 4), type: ObjectIdentifier(Int.self))) {})
    }
}
