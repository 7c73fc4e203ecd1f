import Foundation

/// The recorded frames of real meters that stand beside the checkout on some machines. They are no part
/// of the project; tests that need them do nothing where the folder does not exist.
public struct Corpus {
    public let folder: URL

    /// - Parameter name: the folder of a protocol, for example `dlms-push`.
    /// - Returns: nil where the recordings are not at hand.
    public init?(_ name: String) {
        let root = URL(fileURLWithPath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let folder = root.deletingLastPathComponent().appendingPathComponent("shared/corpus/\(name)")
        guard FileManager.default.fileExists(atPath: folder.path) else { return nil }
        self.folder = folder
    }

    public struct Case {
        public let name: String
        public let bytes: [UInt8]
        public let isValid: Bool
        /// The whole description, as `JSONSerialization` reads it.
        public let json: [String: Any]

        /// One entry for each value that an independent decoder found; nil where there is no expectation.
        public var expected: [[String: Any]]? { json["expected"] as? [[String: Any]] }

        /// A key by its name in the description, for example `guek`.
        public func key(_ name: String) -> [UInt8]? {
            guard let text = (json["keys"] as? [String: Any])?[name] as? String else { return nil }
            return Corpus.bytes(hex: text)
        }
    }

    /// All cases, by name.
    public func cases() throws -> [Case] {
        try FileManager.default.contentsOfDirectory(atPath: folder.path)
            .filter { $0.hasSuffix(".json") }.sorted()
            .map { file in
                let data = try Data(contentsOf: folder.appendingPathComponent(file))
                let json = try JSONSerialization.jsonObject(with: data) as? [String: Any] ?? [:]
                let dataFile = json["data"] as? String ?? ""
                let content = try Data(contentsOf: folder.appendingPathComponent(dataFile))
                let bytes =
                    dataFile.hasSuffix(".hex")
                    ? Self.bytes(hex: String(decoding: content, as: UTF8.self)) : [UInt8](content)
                return Case(
                    name: String(file.dropLast(5)), bytes: bytes, isValid: json["kind"] as? String == "valid",
                    json: json)
            }
    }

    public static func bytes(hex text: String) -> [UInt8] {
        let digits = text.filter(\.isHexDigit)
        return stride(from: 0, to: digits.count - 1, by: 2).map { index in
            let start = digits.index(digits.startIndex, offsetBy: index)
            return UInt8(digits[start...digits.index(after: start)], radix: 16) ?? 0
        }
    }
}
