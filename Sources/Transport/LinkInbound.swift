/// The bytes that arrive on a link, in order, for one reader.
public struct LinkInbound: AsyncSequence, Sendable {
    public typealias Element = LinkInput
    public typealias Failure = TransportError

    let feed: LinkFeed
    private var observer: (@Sendable (LinkInput) -> Void)?

    init(feed: LinkFeed) {
        self.feed = feed
    }

    /// The same bytes, of which `observer` sees each piece first, behind those that observe them already.
    func observed(_ observer: @escaping @Sendable (LinkInput) -> Void) -> LinkInbound {
        var copy = self
        if let earlier = self.observer {
            copy.observer = { input in
                earlier(input)
                observer(input)
            }
        } else {
            copy.observer = observer
        }
        return copy
    }

    /// Wakes the reader, who gets an input that is empty and ends nothing, behind the bytes that wait. Knocking twice
    /// before it is heard is knocking once.
    public func knock() {
        feed.knock()
    }

    public func makeAsyncIterator() -> Iterator {
        Iterator(feed: feed, observer: observer)
    }

    public struct Iterator: AsyncIteratorProtocol {
        let feed: LinkFeed
        let observer: (@Sendable (LinkInput) -> Void)?

        public mutating func next(
            isolation actor: isolated (any Actor)? = #isolation
        ) async throws(TransportError) -> LinkInput? {
            let input = try await feed.next()
            if let input, !input.isKnock { observer?(input) }
            return input
        }
    }
}
