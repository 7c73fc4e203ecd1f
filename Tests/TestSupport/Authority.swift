import Foundation

/// A certificate authority in a folder of its own, made by the `openssl` program.
public final class Authority {
    public let folder: URL
    public var certificate: String { file("ca.pem") }

    /// - Returns: nil, with a notice, where there is no `openssl`.
    public init?() throws {
        let found = try ChildProcess.run("openssl", ["version"])
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("ca-\(UUID().uuidString)")
        guard found == 0 else {
            print("Not tested: TLS, since there is no openssl on this machine.")
            return nil
        }
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try run(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout @ca.key -out @ca.pem -days 2 -subj /CN=\(UUID())"
        )
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    public func file(_ name: String) -> String { folder.appendingPathComponent(name).path }

    /// - Parameters:
    ///   - names: as in `subjectAltName`.
    ///   - hasExpired: it was valid in January 2020 only.
    /// - Returns: the files of a certificate and its key.
    public func issue(_ name: String, names: String, hasExpired: Bool = false) throws -> (
        certificate: String, key: String
    ) {
        try write("subjectAltName=\(names)\n", to: "\(name).ext")
        try run(
            "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout @\(name).key -out @\(name).csr -subj /CN=\(name)"
        )
        if hasExpired {
            // Only this command of openssl 3.0 takes dates of the past.
            try write("", to: "index.txt")
            try write(Self.book(folder.path), to: "ca.cnf")
            try run(
                "ca -batch -config @ca.cnf -in @\(name).csr -out @\(name).pem -extfile @\(name).ext -notext -create_serial"
                    + " -startdate 20200101000000Z -enddate 20200201000000Z")
        } else {
            try run(
                "x509 -req -in @\(name).csr -CA @ca.pem -CAkey @ca.key -CAcreateserial -days 2 -extfile @\(name).ext -out @\(name).pem"
            )
        }
        return (file("\(name).pem"), file("\(name).key"))
    }

    /// A broker with a certificate for these names, and further lines of `mosquitto.conf` for that listener.
    public func broker(names: String, hasExpired: Bool = false, settings: [String] = []) async throws
        -> MosquittoBroker
    {
        let (certificate, key) = try issue("server", names: names, hasExpired: hasExpired)
        return try await MosquittoBroker(
            ["cafile \(self.certificate)", "certfile \(certificate)", "keyfile \(key)"] + settings)
    }

    private static func book(_ folder: String) -> String {
        """
        [ca]
        default_ca = here
        [here]
        database = \(folder)/index.txt
        new_certs_dir = \(folder)
        certificate = \(folder)/ca.pem
        private_key = \(folder)/ca.key
        default_md = sha256
        serial = \(folder)/serial
        policy = any
        [any]
        commonName = supplied

        """
    }

    private func write(_ text: String, to name: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: file(name)))
    }

    /// - Parameter arguments: words that begin with `@` name files of the folder.
    private func run(_ arguments: String) throws {
        let words = arguments.split(separator: " ").map {
            $0.hasPrefix("@") ? file(String($0.dropFirst())) : String($0)
        }
        let code = try ChildProcess.run("openssl", words)
        guard code == 0 else { throw ChildProcess.Failure(description: "openssl \(arguments): exit code \(code)") }
    }
}
