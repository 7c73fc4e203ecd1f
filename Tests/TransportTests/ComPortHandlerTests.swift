import NIOCore
import NIOEmbedded
import Testing
import Wire

@testable import Transport

@Suite("A server's patience for line settings")
struct ComPortHandlerTests {
    static let line = LineSettings(baud: 300)

    /// What the server said before the patience of 5 s is over, and what a caller is told then.
    static let cases: [(said: [UInt8], code: TransportError.Code, message: String)] = [
        ([], .configuration, "does not take line settings (RFC 2217)"),
        // It agreed to the option, and confirmed nothing: it may be in use, or slow.
        (Telnet.command(.do, Telnet.Option.comPort), .timeout, "did not confirm the line settings 300 8N1"),
    ]

    @Test("a server that knows no settings, and one that does not confirm them, are told apart", arguments: cases)
    func silence(said: [UInt8], code: TransportError.Code, message: String) throws {
        let handler = ComPortHandler(name: "rfc2217://gateway:1")
        let channel = EmbeddedChannel(handler: handler)
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        let promise = channel.embeddedEventLoop.makePromise(of: Void.self)
        handler.set(Self.line, within: .seconds(5), promise)
        if !said.isEmpty { try channel.writeInbound(ByteBuffer(bytes: said)) }
        channel.embeddedEventLoop.advanceTime(by: .seconds(5))
        let error = #expect(throws: TransportError.self) { try promise.futureResult.wait() }
        #expect(error?.code == code)
        #expect(error?.message.contains(message) == true)
        _ = try channel.finish(acceptAlreadyClosed: true)
    }
}
