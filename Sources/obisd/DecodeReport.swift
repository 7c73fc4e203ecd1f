import OBIS
import Wire

/// Everything that one input decodes to.
struct DecodeReport {
    private(set) var results: [DecodeResult] = []
    /// Bytes that belong to no message.
    private(set) var noise = 0
    private(set) var hasFailed = false

    init(file: String, protocolName: String, bytes: [UInt8], decoder: any Framer<Telegram>) {
        var decoder = decoder
        decoder.append(bytes)
        var isFinished = false
        while true {
            guard let output = decoder.next() else {
                guard !isFinished else { break }
                isFinished = true
                decoder.finish()
                continue
            }
            switch output {
            case .frame(let telegram): add(file, protocolName, .success(telegram))
            case .rejected(let error, _): add(file, protocolName, .failure(error))
            case .noise(let count): noise += count
            }
        }
        if results.isEmpty {
            add(file, protocolName, .failure(WireError(.framing, "no message in \(bytes.count) bytes", offset: 0)))
        }
    }

    private mutating func add(_ file: String, _ protocolName: String, _ outcome: Result<Telegram, WireError>) {
        if case .failure = outcome { hasFailed = true }
        results.append(DecodeResult(file: file, protocolName: protocolName, outcome: outcome))
    }
}

/// One message, or why there is none.
struct DecodeResult {
    let file: String
    let protocolName: String
    let outcome: Result<Telegram, WireError>

    // MARK: JSON

    /// One line of JSON.
    var json: [UInt8] {
        var json = JSONWriter(capacity: 1024)
        json.object { json in
            json.member("file", file)
            json.member("protocol", protocolName)
            switch outcome {
            case .success(let telegram):
                json.member("ok", true)
                Self.write(telegram, &json)
            case .failure(let error):
                json.member("ok", false)
                json.member("error") { json in
                    json.member("code", error.code.rawValue)
                    json.member("message", error.message)
                    json.member("offset", error.offset)
                }
            }
        }
        json.newline()
        return json.bytes
    }

    static func write(_ telegram: Telegram, _ json: inout JSONWriter) {
        json.member("meter") { json in
            json.member("id", telegram.meter.id)
            json.member("manufacturer", telegram.meter.manufacturer)
            json.member("medium", telegram.meter.medium?.rawValue)
            json.member("version", telegram.meter.version)
            if let accessNumber = telegram.meter.accessNumber { json.member("access_number", Int64(accessNumber)) }
            if let status = telegram.meter.status { json.member("status", Int64(status)) }
        }
        json.member("meter_time", telegram.meterTime?.local)
        if let ciphering = telegram.ciphering {
            json.member("ciphering") { json in
                json.member("system_title", Hex.string(ciphering.systemTitle))
                json.member("security_control", Hex.string([ciphering.securityControl]))
                json.member("invocation_counter", ciphering.invocationCounter)
                json.member("authenticated", ciphering.isAuthenticated)
            }
        }
        json.key("registers")
        json.array { json in
            for register in telegram.registers { json.object { json in write(register, &json) } }
        }
        json.key("warnings")
        json.array { json in
            for warning in telegram.allWarnings { json.string(warning) }
        }
    }

    private static func write(_ register: Register, _ json: inout JSONWriter) {
        json.member("obis", register.obis?.description)
        json.member("code", register.code)
        json.key("value")
        json.value(register.value)
        json.member("unit", register.unit?.symbol)
        json.member("time", register.time?.local)
        if let wireValue = register.wireValue {
            json.key("wire_value")
            json.value(wireValue)
        }
        if let text = register.text { json.member("text", text) }
        if let index = register.index { json.member("index", index) }
        if let record = register.record {
            json.member("record", record.number)
            json.member("function", record.function.rawValue)
            json.member("storage", record.storage)
            json.member("tariff", record.tariff)
            json.member("subunit", record.subunit)
            json.member("quantity", record.quantity)
        }
    }

    // MARK: Text

    /// A table for a person.
    var text: [UInt8] {
        switch outcome {
        case .failure(let error):
            return Array("\(file): not a message: \(error)\n".utf8)
        case .success(let telegram):
            var lines = ["\(file): \(Self.title(telegram))"]
            let rows = telegram.registers.map { register in
                (
                    register.code ?? register.index.map { "#\($0)" } ?? "", Self.shown(register.value),
                    register.unit?.symbol ?? ""
                )
            }
            let width = (rows.map(\.0.count).max() ?? 0, rows.map(\.1.count).max() ?? 0)
            for (name, value, unit) in rows {
                lines.append("  \(Self.padded(name, width.0))  \(Self.padded(value, -width.1))  \(unit)")
            }
            lines += telegram.allWarnings.map { "  warning: \($0)" }
            return Array((lines.joined(separator: "\n") + "\n").utf8)
        }
    }

    private static func title(_ telegram: Telegram) -> String {
        let parts = [
            telegram.meter.manufacturer, telegram.meter.id.map { "meter \($0)" }, telegram.meterTime.map { "at \($0)" },
            telegram.ciphering.map { $0.isAuthenticated ? "encrypted, authenticated" : "encrypted" },
        ]
        let known = parts.compactMap { $0 }
        return known.isEmpty ? "a message" : known.joined(separator: ", ")
    }

    private static func shown(_ value: RegisterValue) -> String {
        switch value {
        case .number(let number): number.description
        case .wide(let text), .text(let text): text
        case .flag(let flag): flag ? "true" : "false"
        case .time(let time): time.local
        case .unavailable: "-"
        }
    }

    /// - Parameter width: negative aligns to the right.
    private static func padded(_ text: String, _ width: Int) -> String {
        let blanks = String(repeating: " ", count: max(0, abs(width) - text.count))
        return width < 0 ? blanks + text : text + blanks
    }
}
