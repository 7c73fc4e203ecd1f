import OBIS

/// Keys and passwords: never in the configuration itself, always in a file of their own or a credential of
/// systemd. No message shows what was found there, nor the value of a key that could be one.
extension ConfigurationReading {
    enum SecretKind {
        /// The text of the file without the line end.
        case text
        /// 32 hexadecimal digits, blanks between them allowed.
        case key
        /// 8 to 64 bytes in hexadecimal digits.
        case preSharedKey
    }

    private static let maximumSecret = 4096

    /// The three spellings of a secret's key; the first is refused.
    static func secretKeys(_ name: String) -> [String] {
        [name, "\(name)_file", "\(name)_credential"]
    }

    func secret(_ name: String, of kind: SecretKind, in section: Section) -> Secret? {
        guard let (value, path, isCredential) = secretSource(name, in: section) else { return nil }
        do {
            let content = try loader.files.read(path, limit: Self.maximumSecret)
            if content.isReadableByOthers, !isCredential { warnOfMode(value) }
            return secret(kind, from: content.bytes, value)
        } catch {
            note(error, value, isCredential: isCredential)
            return nil
        }
    }

    /// The same for a secret that another library reads from its file.
    func secretPath(_ name: String, in section: Section) -> String? {
        guard let (value, path, isCredential) = secretSource(name, in: section) else { return nil }
        do {
            let content = try loader.files.read(path, limit: 1 << 20)
            if content.isReadableByOthers, !isCredential { warnOfMode(value) }
        } catch {
            note(error, value, isCredential: isCredential)
        }
        return path
    }

    // MARK: Where it is

    private func secretSource(_ name: String, in section: Section) -> (Value, path: String, isCredential: Bool)? {
        if let plain = section[name] {
            plain.fail(
                "secrets do not stand in the configuration",
                remedy: "put it into a file that only obisd can read and write `\(name)_file: <path>`")
        }
        switch (section["\(name)_file"], section["\(name)_credential"]) {
        case (let file?, nil):
            guard let path = file.label(atMost: 4096) else { return nil }
            return (file, Path.resolve(path, besides: file.node.place.file), false)
        case (nil, let credential?):
            return credentialPath(credential, name).map { (credential, $0, true) }
        case (_?, let credential?):
            credential.fail("`\(name)_file` stands here as well", remedy: "keep one of the two")
            return nil
        case (nil, nil):
            return nil
        }
    }

    private func credentialPath(_ value: Value, _ name: String) -> String? {
        guard let credential = value.label(atMost: 255) else { return nil }
        guard !credential.contains("/"), !credential.hasPrefix(".") else {
            value.fail("must be the name of a credential, not a path", remedy: "for a path write `\(name)_file:`")
            return nil
        }
        guard let folder = loader.credentialsDirectory, !folder.isEmpty else {
            let message = "credentials exist only within the service, $CREDENTIALS_DIRECTORY is not set"
            let remedy = "start obisd by systemd with LoadCredential=, or write `\(name)_file:`"
            if loader.secrets == .all {
                value.fail(message, remedy: remedy)
            } else {
                value.warn(message, remedy: remedy)
            }
            return nil
        }
        return folder + "/" + credential
    }

    // MARK: What it is

    private func secret(_ kind: SecretKind, from bytes: [UInt8], _ value: Value) -> Secret? {
        switch kind {
        case .text:
            var text = bytes[...]
            if text.last == 0x0A { text = text.dropLast() }
            if text.last == 0x0D { text = text.dropLast() }
            if !text.isEmpty { return Secret(Array(text)) }
            value.fail("the file is empty", remedy: "write the password into it, on one line")
        case .key:
            if let key = Notation.key(bytes) { return key }
            let found =
                Hex.bytes(bytes).map { "holds \($0.count) bytes" }
                ?? "holds something else than pairs of hexadecimal digits"
            value.fail("the file \(found)", remedy: "a key is 16 bytes: write its 32 hexadecimal digits into the file")
        case .preSharedKey:
            if let key = Hex.bytes(bytes), (8...64).contains(key.count) { return Secret(key) }
            value.fail(
                "the file holds no key of 8 to 64 bytes in hexadecimal digits",
                remedy: "write the digits into it that the broker has")
        }
        return nil
    }

    private func note(_ problem: FileProblem, _ value: Value, isCredential: Bool) {
        let remedy =
            switch problem {
            case .missing where isCredential: "the unit needs LoadCredential= or SetCredentialEncrypted= with this name"
            case .missing: "a relative path is looked up beside the file in which it stands"
            case .notPermitted: "give it to the group of obisd: chgrp obisd <path> && chmod 640 <path>"
            default: "write the path of a small text file"
            }
        tellMissing(problem, value, remedy: remedy)
    }

    /// A file without which no connection can be made.
    func tellMissing(_ problem: FileProblem, _ value: Value, remedy: String) {
        if loader.secrets == .none {
            value.warn(problem.sentence, remedy: remedy)
        } else {
            value.fail(problem.sentence, remedy: remedy)
        }
    }

    private func warnOfMode(_ value: Value) {
        value.warn("every user of this machine may read the file", remedy: "chmod o= <path>")
    }
}
