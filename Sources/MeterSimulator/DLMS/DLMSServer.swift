import OBIS
import Wire

/// A meter that is asked over DLMS/COSEM (IEC 62056-5-3), without input or output of its own: messages go in, messages
/// come out. HDLC and the wrapper carry them: `DLMSMeter`.
///
///     60 AARQ → 61 AARE      C0 GET → C4      62 RLRQ → 63 RLRE
///
/// It is a meter of its own, written from the standard without the reader's code, so that each checks the other.
public struct DLMSServer: Sendable {
    public let configuration: Configuration
    /// What another connection to the same meter goes on with.
    public var memory: Memory
    /// One for each client.
    var associations: [UInt16: Association] = [:]

    public init(configuration: Configuration = Configuration(), faults: Faults = Faults()) {
        self.configuration = configuration
        memory = Memory(
            faults: faults, clientCounters: configuration.clientCounters, nextCounter: configuration.invocationCounter)
    }

    /// A message arrived.
    ///
    /// - Parameters:
    ///   - client: the service access point of the sender.
    ///   - house: what the meter measures.
    ///   - time: what the meter's clock shows.
    /// - Returns: what it sends; mostly one message. Several, where it streams blocks or notifies on its way.
    public mutating func receive(
        apdu: [UInt8], from client: UInt16, house: Household, at time: MeterTime
    ) -> [[UInt8]] {
        memory.requests += 1
        guard !memory.isSilent, let tag = apdu.first else { return [] }
        switch tag {
        case Tag.associationRequest: return [associate(apdu, client)]
        case Tag.releaseRequest: return [release(apdu, client)]
        case Tag.generalBlock: return acknowledge(apdu, client)
        default: return serve(apdu, client, Moment(house: house, time: time))
        }
    }

    /// The client's connection ended, and its association with it.
    public mutating func disconnect(_ client: UInt16) {
        associations[client] = nil
    }

    /// What an answer is about.
    struct Moment {
        let house: Household
        let time: MeterTime
    }

    // MARK: Services

    private mutating func serve(_ apdu: [UInt8], _ client: UInt16, _ moment: Moment) -> [[UInt8]] {
        do throws(ServiceException) {
            guard var association = associations[client] else { throw .notAssociated }
            let opened = try open(apdu, &association)
            associations[client] = association
            var answers: [[UInt8]] = []
            if opened.plain.first == Tag.getRequest, memory.faults.notifications.take() {
                answers.append(Self.notification(moment))
            }
            var plain = try answer(opened, client, moment)
            if plain.count > 2, memory.faults.wrongInvokeIDs.take() { plain[2] ^= 0x01 }
            return answers + deliver(plain, &association, client, opened.protection)
        } catch {
            return [error.bytes]
        }
    }

    private mutating func answer(
        _ opened: (plain: [UInt8], protection: Protection), _ client: UInt16, _ moment: Moment
    ) throws(ServiceException) -> [UInt8] {
        guard var association = associations[client] else { throw .notAssociated }
        let plain = opened.plain
        let tag = plain.first
        if case .challenged = association.stage, tag != Tag.actionRequest { throw .notAssociated }
        switch tag {
        case Tag.getRequest:
            let answer = try get(plain, &association, moment)
            associations[client] = association
            return answer
        case Tag.setRequest:
            memory.writesAttempted += 1
            guard plain.count > 2 else { throw .unknownService }
            return [Tag.setResponse, 1, plain[2], AccessResult.readWriteDenied.rawValue]
        case Tag.actionRequest:
            return try act(plain, client)
        default:
            throw .unknownService
        }
    }

    /// The only action is the one with which a client proves itself.
    private mutating func act(_ plain: [UInt8], _ client: UInt16) throws(ServiceException) -> [UInt8] {
        guard plain.count > 2 else { throw .unknownService }
        if let proof = ProofRequest(plain), let answer = prove(proof, client) { return answer }
        memory.writesAttempted += 1
        return [Tag.actionResponse, 1, plain[2], AccessResult.readWriteDenied.rawValue, 0]
    }

    /// What a push would be that comes in the middle.
    private static func notification(_ moment: Moment) -> [UInt8] {
        var writer = AxdrWriter()
        writer.structure(2)
        writer.code(.activeImport)
        writer.uint32(moment.house.imported)
        return [Tag.dataNotification, 0, 0, 0, 1, 0] + writer.bytes
    }

    // MARK: Delivering

    /// Ciphers an answer as its request was, and cuts it into general blocks where both sides have them.
    private mutating func deliver(
        _ plain: [UInt8], _ asked: inout Association, _ client: UInt16, _ protection: Protection
    ) -> [[UInt8]] {
        // A client whose proof was wrong has no association any more, but an answer to come.
        guard var association = associations[client] else { return [protect(plain, protection, &asked)] }
        defer { associations[client] = association }
        let message = protect(plain, protection, &association)
        guard message.count > association.pduSize, association.conformance.contains(.generalBlockTransfer) else {
            return [message]
        }
        let blocks = GeneralBlocks(message, blockSize: association.pduSize - GeneralBlocks.overhead)
        association.blocks = blocks
        return blocks.first()
    }

    private mutating func acknowledge(_ apdu: [UInt8], _ client: UInt16) -> [[UInt8]] {
        guard var blocks = associations[client]?.blocks else { return [ServiceException.notAssociated.bytes] }
        let answers = blocks.acknowledge(apdu)
        associations[client]?.blocks = blocks
        return answers
    }
}

// MARK: - Names of messages

extension DLMSServer {
    /// First bytes of messages (IEC 62056-5-3, 9.5).
    enum Tag {
        static let initiateRequest: UInt8 = 0x01
        static let initiateResponse: UInt8 = 0x08
        static let confirmedServiceError: UInt8 = 0x0E
        static let dataNotification: UInt8 = 0x0F
        static let cipheredInitiateRequest: UInt8 = 0x21
        static let cipheredInitiateResponse: UInt8 = 0x28
        static let associationRequest: UInt8 = 0x60
        static let associationResponse: UInt8 = 0x61
        static let releaseRequest: UInt8 = 0x62
        static let releaseResponse: UInt8 = 0x63
        static let getRequest: UInt8 = 0xC0
        static let setRequest: UInt8 = 0xC1
        static let actionRequest: UInt8 = 0xC3
        static let getResponse: UInt8 = 0xC4
        static let setResponse: UInt8 = 0xC5
        static let actionResponse: UInt8 = 0xC7
        static let exceptionResponse: UInt8 = 0xD8
        static let generalGlobal: UInt8 = 0xDB
        static let generalDedicated: UInt8 = 0xDC
        static let generalBlock: UInt8 = 0xE0
    }

    /// `D8 | state error | service error` and the value of that (IEC 62056-5-3, Exception-Response).
    enum ServiceException: Error, Equatable {
        case notAssociated
        case unknownService
        case tooLong
        case deciphering
        /// With the lowest counter that the meter would take.
        case invocationCounter(UInt32)

        var bytes: [UInt8] {
            let content: [UInt8] =
                switch self {
                case .notAssociated: [1, 1]
                case .unknownService: [2, 2]
                case .tooLong: [1, 4]
                case .deciphering: [1, 5]
                case .invocationCounter(let lowest): [1, 6] + GeneralGloCiphering.bigEndian(lowest)
                }
            return [Tag.exceptionResponse] + content
        }
    }
}
