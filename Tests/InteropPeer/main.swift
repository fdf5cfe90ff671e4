// The Swift end of the proof against the Python SDK (`make interop`): one JSON request a line on standard input, one JSON
// answer a line on standard output. `Tests/Interop/proof.py` asks.
import CacheKit
import Foundation

let peer = Peer()
while let line = readLine() {
    let answer = await peer.answer(line)
    FileHandle.standardOutput.write(Data(answer.json + [0x0A]))
}
await peer.close()
