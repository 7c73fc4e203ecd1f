import Daemon
import Foundation
import Glibc
import OBIS
import UnixSignals

/// Asks the daemon again and again, and shows what it says until a signal ends it.
struct StatusWatch: Sendable {
    enum Form: Sendable {
        /// Written over.
        case screen(Terminal)
        case lines
        /// What the daemon says, one object on each line.
        case json
    }

    private enum Event: Sendable {
        case answer(Result<[UInt8], RunningDaemon.Silence>)
        case resized
        case stop
    }

    let form: Form
    let every: Duration
    /// Blocks. The bytes are those of the status.
    let ask: @Sendable () -> Result<[UInt8], RunningDaemon.Silence>

    func run() async {
        let (events, sink) = AsyncStream.makeStream(of: Event.self, bufferingPolicy: .bufferingNewest(64))
        let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm, .sighup, .sigwinch)
        let listening = Task { for await signal in signals { sink.yield(signal == .sigwinch ? .resized : .stop) } }
        startAsking(sink)
        if case .screen(let terminal) = form {
            // A view that is stopped would leave its page and no cursor behind.
            _ = Glibc.signal(SIGTSTP, SIG_IGN)
            terminal.enter()
        }
        await follow(events)
        if case .screen(let terminal) = form { terminal.leave() }
        sink.finish()
        listening.cancel()
    }

    /// In a thread of its own: a daemon that hangs holds up neither a signal nor the view.
    private func startAsking(_ sink: AsyncStream<Event>.Continuation) {
        let pause = Double(every.components.seconds) + Double(every.components.attoseconds) * 1e-18
        Thread.detachNewThread { [ask] in
            while true {
                if case .terminated = sink.yield(.answer(ask())) { return }
                Thread.sleep(forTimeInterval: pause)
            }
        }
    }

    private func follow(_ events: AsyncStream<Event>) async {
        var history = WatchHistory()
        var plain = WatchLines()
        for await event in events {
            var raw: [UInt8]?
            switch event {
            case .stop: return
            case .resized: break
            case .answer(let answer): raw = take(answer, &history)
            }
            let now = SystemClock().now
            switch form {
            case .screen(let terminal): draw(history, on: terminal, now: now)
            case .lines:
                guard case .answer = event else { continue }
                let text = plain.lines(of: history, now: now).map { $0 + "\n" }.joined()
                guard Output.offer(Array(text.utf8)) else { return }
            case .json:
                if let news = plain.news(of: history, now: now) { Output.note(news) }
                guard let raw else { continue }
                guard Output.offer(raw + [UInt8(ascii: "\n")]) else { return }
            }
        }
    }

    /// - Returns: what the daemon said, where it said something.
    private func take(_ answer: Result<[UInt8], RunningDaemon.Silence>, _ history: inout WatchHistory) -> [UInt8]? {
        switch answer {
        case .success(let bytes):
            if let status = StatusSnapshot(bytes) {
                history.answered(status, at: SystemClock().now)
            } else {
                history.missed("the daemon's answer cannot be read; is it another version?")
            }
            return bytes
        case .failure(let silence):
            history.missed(silence.sentence)
            return nil
        }
    }

    private func draw(_ history: WatchHistory, on terminal: Terminal, now: Timestamp) {
        let view = WatchView(size: terminal.size, isUTF8: terminal.isUTF8, isColoured: terminal.isColoured)
        terminal.draw(view.lines(of: history, now: now))
    }
}
