import OBIS
import Wire

extension DLMSServer {
    /// An attribute, and the part of it that is asked for.
    struct AttributeDescriptor {
        let classID: Int
        let code: ObisCode
        let attribute: Int
        let selection: Selection?

        struct Selection {
            let selector: UInt8
            let parameters: DLMSData
        }

        /// `class 2 | code 6 | attribute 1 | 00, or 01 and selector 1 and parameters`
        init(_ reader: inout WireReader) throws(WireError) {
            classID = Int(try reader.uint16())
            code = ObisCode(
                try reader.uint8(), try reader.uint8(), try reader.uint8(), try reader.uint8(), try reader.uint8(),
                try reader.uint8())
            attribute = Int(try reader.int8())
            selection =
                try reader.uint8() == 0
                ? nil : Selection(selector: try reader.uint8(), parameters: try DLMSData(&reader))
        }
    }

    /// An answer that is longer than a message.
    struct LongGet {
        let content: [UInt8]
        let blockSize: Int
        /// The newest block that was sent, from 1 on.
        var number = 1

        var isLast: Bool { number * blockSize >= content.count }

        /// `C4 02 id | last | block number 4 | 00 length | bytes`
        func block(_ invokeID: UInt8) -> [UInt8] {
            let bytes = content.dropFirst((number - 1) * blockSize).prefix(blockSize)
            return [Tag.getResponse, 2, invokeID, isLast ? 1 : 0]
                + GeneralGloCiphering.bigEndian(UInt32(number)) + [0] + AxdrWriter.length(bytes.count) + bytes
        }
    }

    private enum Choice {
        static let normal: UInt8 = 1
        static let next: UInt8 = 2
        static let withList: UInt8 = 3
    }

    mutating func get(
        _ apdu: [UInt8], _ association: inout Association, _ moment: Moment
    ) throws(ServiceException) -> [UInt8] {
        guard let answer = try? parse(apdu, &association, moment) else { throw .unknownService }
        return try answer.get()
    }

    private typealias Answer = Result<[UInt8], ServiceException>

    /// - Throws: for a request that is none.
    private func parse(
        _ apdu: [UInt8], _ association: inout Association, _ moment: Moment
    ) throws(WireError) -> Answer {
        var reader = WireReader(apdu.rawSpan)
        try reader.skip(1)
        let choice = try reader.uint8()
        let invokeID = try reader.uint8()
        switch choice {
        case Choice.normal:
            let descriptor = try AttributeDescriptor(&reader)
            return answer(invokeID, read(descriptor, of: objects(moment), association, moment), &association)
        case Choice.next:
            return .success(next(try reader.uint32(), invokeID, &association))
        case Choice.withList where association.conformance.contains(.multipleReferences):
            var descriptors: [AttributeDescriptor] = []
            for _ in 0..<(try reader.uint8()) { descriptors.append(try AttributeDescriptor(&reader)) }
            let objects = objects(moment)
            let results = descriptors.map { read($0, of: objects, association, moment) }
            return answer(invokeID, results, &association)
        default:
            return .failure(.unknownService)
        }
    }

    // MARK: Short answers

    private func answer(
        _ invokeID: UInt8, _ result: Result<[UInt8], AccessResult>, _ association: inout Association
    ) -> Answer {
        association.longGet = nil
        switch result {
        case .success(let data):
            return fitted([Tag.getResponse, Choice.normal, invokeID, 0] + data, data, invokeID, &association)
        case .failure(let refusal):
            return .success([Tag.getResponse, Choice.normal, invokeID, 1, refusal.rawValue])
        }
    }

    private func answer(
        _ invokeID: UInt8, _ results: [Result<[UInt8], AccessResult>], _ association: inout Association
    ) -> Answer {
        association.longGet = nil
        let list: [UInt8] = results.reduce([UInt8(clamping: results.count)]) { bytes, result in
            switch result {
            case .success(let data): bytes + [0] + data
            case .failure(let refusal): bytes + [1, refusal.rawValue]
            }
        }
        return fitted([Tag.getResponse, Choice.withList, invokeID] + list, list, invokeID, &association)
    }

    /// The answer in one message where it fits, else its content in blocks, else a refusal.
    private func fitted(
        _ whole: [UInt8], _ content: [UInt8], _ invokeID: UInt8, _ association: inout Association
    ) -> Answer {
        // General blocks cut the whole message later.
        if whole.count <= association.room || association.conformance.contains(.generalBlockTransfer) {
            return .success(whole)
        }
        guard association.conformance.contains(.blockTransferWithGet) else { return .failure(.tooLong) }
        let head = 12
        let long = LongGet(content: content, blockSize: association.room - head)
        association.longGet = long
        return .success(long.block(invokeID))
    }

    // MARK: Blocks

    /// The client names the block that it has; one before that asks again for the same.
    private func next(_ number: UInt32, _ invokeID: UInt8, _ association: inout Association) -> [UInt8] {
        func refused(_ result: AccessResult) -> [UInt8] {
            association.longGet = nil
            return [Tag.getResponse, Choice.next, invokeID, 1] + GeneralGloCiphering.bigEndian(number)
                + [1, result.rawValue]
        }
        guard var long = association.longGet else { return refused(.noLongGetInProgress) }
        if Int(number) == long.number, !long.isLast {
            long.number += 1
        } else if Int(number) != long.number - 1 || number == 0 {
            return refused(.dataBlockNumberInvalid)
        }
        if long.number == memory.faults.abortedBlock { return refused(.longGetAborted) }
        association.longGet = long
        return long.block(invokeID)
    }
}

// MARK: - General blocks

extension DLMSServer {
    /// A message in blocks of the general service (IEC 62056-5-3, 9.3.12), each with what it confirms of the other side.
    ///
    ///     E0 | control: last 80, streaming 40, window 3F | number 2 | confirmed number 2 | length | bytes
    struct GeneralBlocks {
        static let overhead = 9

        private let pieces: [[UInt8]]
        /// The newest block of the client.
        private var clientNumber = 0

        init(_ message: [UInt8], blockSize: Int) {
            pieces = stride(from: 0, to: message.count, by: blockSize).map {
                Array(message[$0..<min(message.count, $0 + blockSize)])
            }
        }

        /// The first block alone: the client's window is not known yet.
        func first() -> [[UInt8]] { [block(1, isStreaming: false)] }

        /// The client confirmed blocks, or asks again for what it misses.
        mutating func acknowledge(_ apdu: [UInt8]) -> [[UInt8]] {
            guard apdu.count >= 6 else { return [ServiceException.unknownService.bytes] }
            let window = max(1, Int(apdu[1] & 0x3F))
            clientNumber = Int(apdu[2]) << 8 | Int(apdu[3])
            let confirmed = Int(apdu[4]) << 8 | Int(apdu[5])
            guard confirmed < pieces.count else { return [] }
            let numbers = (confirmed + 1)...min(pieces.count, confirmed + window)
            return numbers.map { block($0, isStreaming: $0 < numbers.upperBound) }
        }

        private func block(_ number: Int, isStreaming: Bool) -> [UInt8] {
            let piece = pieces[number - 1]
            let control: UInt8 = (number == pieces.count ? 0x80 : 0) | (isStreaming ? 0x40 : 0) | 1
            let numbers = [number >> 8, number, clientNumber >> 8, clientNumber].map { UInt8(truncatingIfNeeded: $0) }
            return [Tag.generalBlock, control] + numbers + AxdrWriter.length(piece.count) + piece
        }
    }
}
