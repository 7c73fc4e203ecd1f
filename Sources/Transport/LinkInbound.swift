/// The bytes that arrive on a link, in order, for one reader.
public struct LinkInbound: AsyncSequence, Sendable {
    public typealias Element = LinkInput
    public typealias Failure = TransportError

    let feed: LinkFeed

    public func makeAsyncIterator() -> Iterator {
        Iterator(feed: feed)
    }

    public struct Iterator: AsyncIteratorProtocol {
        let feed: LinkFeed

        public mutating func next(
            isolation actor: isolated (any Actor)? = #isolation
        ) async throws(TransportError) -> LinkInput? {
            try await feed.next()
        }
    }
}
