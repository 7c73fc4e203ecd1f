import TestSupport
import Testing
import Wire

@Suite("LinkBuffer")
struct LinkBufferTests {
    @Test("behaves as a plain queue of bytes, whatever is appended and consumed")
    func model() {
        var random = SeededGenerator(seed: 12)
        var buffer = LinkBuffer()
        var model: [UInt8] = []
        var consumed = 0
        for _ in 0..<3000 {
            if Bool.random(using: &random) {
                let bytes = (0..<Int.random(in: 0...40, using: &random)).map { _ in
                    UInt8.random(in: 0...255, using: &random)
                }
                buffer.append(bytes)
                model += bytes
            } else {
                let count = Int.random(in: -3...60, using: &random)
                buffer.consume(count)
                let taken = min(max(0, count), model.count)
                model.removeFirst(taken)
                consumed += taken
            }
            let bytes = buffer.bytes.array
            #expect(bytes == model)
            #expect(buffer.count == model.count)
            #expect(buffer.isEmpty == model.isEmpty)
            #expect(buffer.streamOffset == consumed)
            for index in [-1, 0, 1, model.count - 1, model.count, .max, .min] {
                #expect(buffer[index] == (model.indices.contains(index) ? model[index] : nil))
            }
        }
    }

    @Test("consuming everything, too much or nothing is no trap")
    func edges() {
        var buffer = LinkBuffer()
        buffer.consume(5)
        #expect(buffer.isEmpty && buffer.streamOffset == 0)
        buffer.append([1, 2, 3])
        buffer.consume(.min)
        #expect(buffer.count == 3)
        buffer.consume(.max)
        #expect(buffer.isEmpty && buffer.streamOffset == 3)
    }

    @Test("what was consumed is given back")
    func storage() {
        var buffer = LinkBuffer()
        for _ in 0..<2000 {
            buffer.append(Array(repeating: 7, count: 100))
            buffer.consume(99)
            buffer.consume(1)
        }
        buffer.append([1])
        #expect(buffer.storage.count <= 1000)
        var growing = LinkBuffer()
        for round in 0..<5000 {
            growing.append([UInt8(truncatingIfNeeded: round), 1])
            growing.consume(1)
            if growing.count > 100 { growing.consume(50) }
        }
        #expect(growing.storage.count <= 400)
    }

    @Test("a long buffer is consumed byte by byte in time that grows with its length only")
    func linear() {
        var buffer = LinkBuffer()
        buffer.append(Array(repeating: 1, count: 1_000_000))
        var count = 0
        while !buffer.isEmpty {
            buffer.consume(1)
            count += 1
        }
        #expect(count == 1_000_000)
    }
}
