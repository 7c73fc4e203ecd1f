import NIOCore
import Wire

/// Telnet with the COM-PORT option (RFC 2217) between a TCP connection and the bytes of a meter.
final class ComPortHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let name: String
    private var client = ComPortClient()
    private var context: ChannelHandlerContext?
    /// Waits for the confirmation of the newest settings.
    private var pending: EventLoopPromise<Void>?
    /// Whether the line was ever set. What came before is garbage.
    private var isLineSet = false

    init(name: String) {
        self.name = name
    }

    /// Sets the line. The promise ends with its confirmation, its refusal, or after `patience`.
    func set(_ line: LineSettings, within patience: TimeAmount, _ promise: EventLoopPromise<Void>) {
        guard let settings = ComPort.settings(line) else {
            return promise.fail(
                TransportError(.configuration, "cannot set \(name) to \(line): no port has \(line.baud) baud"))
        }
        guard let context else { return promise.fail(StreamName.tcp(name).lost(nil)) }
        pending?.fail(TransportError(.io, "other settings were asked for before \(name) confirmed these"))
        pending = promise
        let (loop, bound) = (context.eventLoop, NIOLoopBound(self, eventLoop: context.eventLoop))
        let expiry = loop.scheduleTask(in: patience) { promise.fail(bound.value.unanswered(line)) }
        promise.futureResult.whenComplete { _ in expiry.cancel() }
        write(client.set(settings, purging: !isLineSet))
    }

    private func unanswered(_ line: LineSettings) -> TransportError {
        guard client.isAgreed else { return unsupported }
        return TransportError(.timeout, "\(name) did not confirm the line settings \(line) in time")
    }

    private var unsupported: TransportError {
        TransportError(
            .configuration,
            "\(name) does not take line settings (RFC 2217); use `tcp:` if it is a plain gateway")
    }

    // MARK: The channel

    func channelActive(context: ChannelHandlerContext) {
        self.context = context
        write(client.greeting())
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let output = client.receive(Array(unwrapInboundIn(data).readableBytesView))
        write(output.reply)
        // Passed on even when nothing is left of them: the read was asked for.
        context.fireChannelRead(wrapInboundOut(ByteBuffer(bytes: isLineSet ? output.data : [])))
        for finding in output.findings { report(finding) }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let bytes = Array(unwrapOutboundIn(data).readableBytesView)
        context.write(wrapOutboundOut(ByteBuffer(bytes: Telnet.escaped(bytes))), promise: promise)
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.context = nil
        finish(StreamName.tcp(name).lost(nil))
        context.fireChannelInactive()
    }

    /// Telnet's own bytes go out as they are.
    private func write(_ bytes: [UInt8]) {
        guard !bytes.isEmpty, let context else { return }
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: bytes)), promise: nil)
    }

    private func report(_ finding: ComPortClient.Finding) {
        switch finding {
        case .confirmed:
            isLineSet = true
            finish(nil)
        case .refused(let asked, let actual):
            finish(
                TransportError(
                    .configuration,
                    "\(name) refuses \(asked): its port has \(actual); correct the line, or the server's settings"))
        case .unsupported: finish(unsupported)
        }
    }

    private func finish(_ error: TransportError?) {
        let promise = pending
        pending = nil
        if let error { promise?.fail(error) } else { promise?.succeed() }
    }
}
