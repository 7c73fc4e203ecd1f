import Glibc
import NIOCore

/// Rests for a second where the system has no descriptor or no memory for a connection that waits. (Left alone NIO asks
/// again without a pause, since an accept that failed leaves its read pending: that takes a whole processor.)
///
/// To be the first handler of a server socket.
package final class AcceptPause: ChannelInboundHandler {
    package typealias InboundIn = any Channel

    private static let pause = TimeAmount.seconds(1)
    private static let shortages = [EMFILE, ENFILE, ENOBUFS, ENOMEM]

    private var isPausing = false

    package init() {}

    package func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let shortage = error as? IOError, Self.shortages.contains(shortage.errnoCode) else {
            context.fireErrorCaught(error)
            return
        }
        guard !isPausing, let options = context.channel.syncOptions else { return }
        isPausing = true
        do {
            let readsByItself = try options.getOption(.autoRead)
            // Only the change from reading to not reading takes the socket out of the poll.
            try options.setOption(.autoRead, value: true)
            try options.setOption(.autoRead, value: false)
            context.eventLoop.assumeIsolated().scheduleTask(in: Self.pause) {
                self.isPausing = false
                if readsByItself { try? options.setOption(.autoRead, value: true) } else { context.read() }
            }
        } catch {
            context.close(promise: nil)
        }
    }
}
