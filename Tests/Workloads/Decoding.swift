import IEC62056
import MeterSimulator
import Metering
import OBIS

/// Frames of the sizes that meters send: framed, checked, decoded, with scaled values.
extension Workload {
    static let decoding: [Workload] = [
        decoding("sml", "sml") { Hex.bytes(smlFile7.utf8) ?? [] },
        decoding("sml 14 registers", "sml") { Self.smlFile(serial: "12345678") },
        decoding("mbus", "mbus") { MBusAnswer.records28 },
        push("dlms-push", security: .plain),
        push("dlms-push 30", security: .authenticated),
        push("dlms-push 20", security: .encrypted),
        decoding("iec62056-21", "iec62056-21", settings: { $0.mode = .d }) {
            var meter = ReadoutMeter(configuration: OpticalMeter.Configuration())
            return meter.push(Household(seed: 7), time: noon)
        },
        decoding("dsmr-p1", "dsmr-p1") {
            var meter = P1Meter(configuration: P1Meter.Configuration())
            return meter.push(Household(seed: 7), time: noon)
        },
    ]

    static let noon = MeterTime(localSeconds: 1_768_003_200)

    static func smlFile(serial: String) -> [UInt8] {
        var meter = SMLMeter(configuration: SMLMeter.Configuration(serial: serial))
        return meter.push(Household(seed: 7), time: noon)
    }

    private enum Security: Sendable {
        case plain, encrypted, authenticated
    }

    private static func push(_ name: String, security: Security) -> Workload {
        let encryptionKey = security == .plain ? nil : Secret(Array(0...15))
        let authenticationKey = security == .authenticated ? Secret(Array(16...31)) : nil
        return decoding(
            name, "dlms-push",
            settings: { ($0.encryptionKey, $0.authenticationKey) = (encryptionKey, authenticationKey) }
        ) {
            var meter = PushMeter(
                configuration: PushMeter.Configuration(
                    encryptionKey: encryptionKey, authenticationKey: authenticationKey, blockSize: 1000))
            return meter.push(Household(seed: 7), time: noon)
        }
    }

    private static func decoding(
        _ name: String, _ meterProtocol: String,
        settings adjust: @escaping @Sendable (inout ProtocolSettings) -> Void = { _ in },
        frame: @escaping @Sendable () -> [UInt8]
    ) -> Workload {
        Workload(name: "decode \(name)", unit: .frames) {
            let frame = frame()
            var settings = ProtocolSettings()
            adjust(&settings)
            guard let known = ProtocolRegistry.named(meterProtocol) else { throw WorkloadError("no \(meterProtocol)") }
            var decoder = known.makeDecoder(settings)
            return { count in
                var registers = 0
                for _ in 0..<count {
                    decoder.append(frame)
                    while let output = decoder.next() {
                        if case .frame(let telegram) = output { registers += telegram.registers.count }
                    }
                }
                guard registers >= count else {
                    throw WorkloadError("\(name): \(registers) registers of \(count) frames")
                }
                return registers
            }
        }
    }

    /// The telegram of one frame.
    static func telegram(of frame: [UInt8], _ meterProtocol: String) throws -> Telegram {
        guard var decoder = ProtocolRegistry.named(meterProtocol)?.makeDecoder(ProtocolSettings()) else {
            throw WorkloadError("no \(meterProtocol)")
        }
        decoder.append(frame)
        guard case .frame(let telegram)? = decoder.next() else { throw WorkloadError("no frame of \(meterProtocol)") }
        return telegram
    }
}

/// A long frame of an electricity meter with as many records as one holds (EN 13757-3).
private enum MBusAnswer {
    static let records28: [UInt8] = {
        let digits4: [UInt8] = [0x78, 0x56, 0x34, 0x12]
        let digits6: [UInt8] = [0x45, 0x23, 0x01, 0x00, 0x00, 0x00]
        var records: [[UInt8]] = [[0x0C, 0x78] + digits4, [0x04, 0x6D, 0x1E, 0x0C, 0x49, 0x31]]
        // Energy of two tariffs at six times, and now.
        for storage in UInt8(0)..<6 {
            records.append([0x8E | (storage & 1) << 6, 0x10 | storage >> 1, 0x04] + digits6)
            records.append([0x8E | (storage & 1) << 6, 0x20 | storage >> 1, 0x04] + digits6)
        }
        records.append([0x0E, 0x84, 0x3C] + digits6)
        for phase in UInt8(1)...3 {
            records.append([0x03, 0xFD, 0xC8, 0xFC, phase, 0xFC, 0x08, 0x00])
            records.append([0x03, 0xFD, 0xDA, 0xFC, phase, 0x10, 0x02, 0x00])
            records.append([0x04, 0xAB, 0xFC, phase, 0x70, 0x03, 0x00, 0x00])
        }
        records.append([0x05, 0x2E, 0x00, 0x00, 0x40, 0x3F])
        records.append([0x02, 0xFB, 0x2C, 0xF4, 0x01])
        records.append([0x44, 0x6D, 0x00, 0x00, 0x41, 0x31])
        records.append([0x02, 0xFF, 0x68, 0x01, 0x00])
        let header: [UInt8] = digits4 + [0x32, 0x3D, 0x01, 0x02, 0x2A, 0x00, 0x00, 0x00]
        let body = [0x08, 0x05, 0x72] + header + records.flatMap { $0 }
        let length = UInt8(body.count)
        return [0x68, length, length, 0x68] + body + [body.reduce(0, &+), 0x16]
    }()
}

/// An SML file of 232 bytes with 7 registers, as the meters of `scripts/bench` send them.
private let smlFile7 = """
    1b1b1b1b01010101760501000000620062007263010176010105030000000b0a01424e430000989680010163269d0076
    0502000000620062007263070177010b0a01424e430000989680070100620affff017677070100010800ff0101621e52
    ff6600050000000177070100020800ff0101621e52ff6600020000000177070100100700ff0101621b52005304000177
    070100200700ff0101622352ff6309000177070100340700ff0101622352ff6309000177070100480700ff0101622352
    ff630900010101634996007605030000006200620072630201710163259b00001b1b1b1b1a010906
    """
