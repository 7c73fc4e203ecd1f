import OBIS

extension DLMSServer {
    /// An object of the meter: class, and what each attribute is at this moment. Attribute 1 is the code itself.
    struct COSEMObject {
        let classID: Int
        var version: UInt8 = 0
        let code: ObisCode
        /// What is asked for is made then.
        var attributes: [(number: Int, data: () -> [UInt8])] = []
        /// Attributes that depend on who asks, and for which part.
        var computed: [Int] = []

        var attributeNumbers: [Int] { ([1] + attributes.map(\.number) + computed).sorted() }
    }

    // MARK: Reading

    /// - Parameter objects: those of the moment.
    func read(
        _ descriptor: AttributeDescriptor, of objects: [COSEMObject], _ association: Association, _ moment: Moment
    ) -> Result<[UInt8], AccessResult> {
        if let refusal = configuration.refusals[descriptor.code] { return .failure(refusal) }
        guard let object = objects.first(where: { $0.code == descriptor.code }) else {
            return .failure(.objectUndefined)
        }
        guard association.client.scope?.contains(descriptor.code) != false else {
            return .failure(.scopeOfAccessViolated)
        }
        guard object.classID == descriptor.classID else { return .failure(.objectClassInconsistent) }
        if descriptor.attribute == 1, descriptor.selection == nil {
            return .success(Self.bytes { $0.code(object.code) })
        }
        switch (object.code, descriptor.attribute) {
        case (.loadProfile, 2):
            guard descriptor.selection == nil || association.conformance.contains(.selectiveAccess) else {
                return .failure(.typeUnmatched)
            }
            return ProfileBuffer(profile: configuration.profile, time: moment.time).encoded(descriptor.selection)
        case (.currentAssociation, 2):
            return .success(Self.list(objects.filter { association.client.scope?.contains($0.code) != false }))
        default:
            guard let attribute = object.attributes.first(where: { $0.number == descriptor.attribute }) else {
                return .failure(.objectUndefined)
            }
            return descriptor.selection == nil ? .success(attribute.data()) : .failure(.typeUnmatched)
        }
    }

    /// Attribute 2 of the association: class, version, code and rights of each object.
    private static func list(_ objects: [COSEMObject]) -> [UInt8] {
        let readOnly: UInt8 = 1
        return bytes { writer in
            writer.array(objects.count)
            for object in objects {
                writer.structure(4)
                writer.uint16(object.classID)
                writer.uint8(object.version)
                writer.code(object.code)
                writer.structure(2)
                writer.array(object.attributeNumbers.count)
                for number in object.attributeNumbers {
                    writer.structure(3)
                    writer.int8(Int8(number))
                    writer.enumeration(readOnly)
                    if object.code == .loadProfile, number == 2 {
                        writer.array(2)
                        writer.int8(1)
                        writer.int8(2)
                    } else {
                        writer.null()
                    }
                }
                writer.array(0)
            }
        }
    }

    // MARK: Objects

    func objects(_ moment: Moment) -> [COSEMObject] {
        identification(moment) + administration() + energies(moment.house) + powers(moment.house)
            + [demand(moment), maximum(moment), profile(moment)]
    }

    private func identification(_ moment: Moment) -> [COSEMObject] {
        let maker = Array(configuration.systemTitle.prefix(3))
        let counter = configuration.clients.first { $0.isCiphered }.flatMap { memory.clientCounters[$0.address] }
        return [
            COSEMObject(
                classID: 8, code: .clock,
                attributes: [
                    (2, Self.data { $0.octets(moment.time.clockOctets) }),
                    // Minutes, as those of the clock's deviation.
                    (3, Self.data { $0.int16(-(moment.time.utcOffset ?? 0)) }), (4, Self.data { $0.uint8(0) }),
                ]),
            Self.value(.logicalDeviceName) { $0.octets(maker + Array("00\(configuration.serial)".utf8)) },
            Self.value(.serialNumber) { $0.octets(Array(configuration.serial.utf8)) },
            Self.value(.firmware) { $0.octets(Array(configuration.firmware.utf8)) },
            Self.value(.invocationCounter) { $0.uint32(Int(counter ?? 0)) },
            Self.value(.profileStatus) { $0.uint8(0) },
        ]
    }

    private func administration() -> [COSEMObject] {
        [
            COSEMObject(classID: 15, version: 1, code: .currentAssociation, computed: [2]),
            COSEMObject(
                classID: 40, code: .pushSetup,
                attributes: [(2, Self.data { Self.columns(ProfileBuffer.columns, &$0) })]),
            COSEMObject(
                classID: 64, code: .securitySetup,
                attributes: [
                    // Authenticated and encrypted, with suite 0.
                    (2, Self.data { $0.enumeration(3) }), (3, Self.data { $0.enumeration(0) }),
                    (5, Self.data { $0.octets(configuration.systemTitle) }),
                ]),
        ]
    }

    private enum UnitCode {
        static let watt: UInt8 = 27
        static let wattHour: UInt8 = 30
        static let ampere: UInt8 = 33
        static let volt: UInt8 = 35
        static let hertz: UInt8 = 44
    }

    private func energies(_ house: Household) -> [COSEMObject] {
        let high = house.imported * 3 / 5
        return [
            (ObisCode.activeImport, house.imported), (ObisCode(1, 0, 1, 8, 1), high),
            (ObisCode(1, 0, 1, 8, 2), house.imported - high), (.activeExport, house.exported),
        ].map { code, value in Self.register(code, 0, UnitCode.wattHour) { $0.uint32(value) } }
    }

    private func powers(_ house: Household) -> [COSEMObject] {
        var objects = [Self.register(ObisCode(1, 0, 16, 7, 0), 0, UnitCode.watt) { $0.int32(house.power) }]
        for (index, phase) in house.phases.enumerated() {
            let (voltage, current) = (UInt8(32 + 20 * index), UInt8(31 + 20 * index))
            objects += [
                Self.register(ObisCode(1, 0, voltage, 7, 0), -1, UnitCode.volt) { $0.uint16(phase.voltage * 10) },
                Self.register(ObisCode(1, 0, current, 7, 0), -2, UnitCode.ampere) { $0.uint16(phase.current) },
            ]
        }
        return objects + [Self.register(ObisCode(1, 0, 14, 7, 0), -2, UnitCode.hertz) { $0.uint16(5000) }]
    }

    // MARK: Demand and profile

    /// The start of the period that a moment is in, in seconds.
    private func periodStart(_ moment: Moment) -> Int64 {
        let period = Int64(max(1, configuration.profile.period))
        return moment.time.localSeconds / period * period
    }

    private func demand(_ moment: Moment) -> COSEMObject {
        let start = periodStart(moment)
        return COSEMObject(
            classID: 5, code: ObisCode(1, 0, 1, 4, 0),
            attributes: [
                (2, Self.data { $0.uint32(max(0, moment.house.power)) }),
                (3, Self.data { $0.uint32(configuration.profile.demand(at: start)) }),
                (4, Self.scaler(0, UnitCode.watt)), (5, Self.data { $0.uint8(0) }),
                (6, Self.data { $0.octets(moment.time.moved(to: start).clockOctets) }),
                (7, Self.data { $0.octets(moment.time.moved(to: start).clockOctets) }),
                (8, Self.data { $0.uint32(configuration.profile.period) }), (9, Self.data { $0.uint16(1) }),
            ])
    }

    /// The highest demand of the last day.
    private func maximum(_ moment: Moment) -> COSEMObject {
        let period = max(1, configuration.profile.period)
        let start = periodStart(moment)
        func highest() -> (value: Int, time: Int64) {
            let times = (0..<max(1, min(96, 86_400 / period))).map { start - Int64($0 * period) }
            return times.map { (configuration.profile.demand(at: $0), $0) }.max { $0.0 < $1.0 } ?? (0, start)
        }
        return COSEMObject(
            classID: 4, code: ObisCode(1, 0, 1, 6, 0),
            attributes: [
                (2, Self.data { $0.uint32(highest().value) }), (3, Self.scaler(0, UnitCode.watt)),
                (4, Self.data { $0.uint8(0) }),
                (5, Self.data { $0.octets(moment.time.moved(to: highest().time).clockOctets) }),
            ])
    }

    private func profile(_ moment: Moment) -> COSEMObject {
        let profile = configuration.profile
        let firstInFirstOut: UInt8 = 1
        return COSEMObject(
            classID: 7, version: 1, code: .loadProfile,
            attributes: [
                (3, Self.data { Self.columns(ProfileBuffer.columns, &$0) }),
                (4, Self.data { $0.uint32(profile.period) }), (5, Self.data { $0.enumeration(firstInFirstOut) }),
                (6, Self.data { Self.column(ProfileBuffer.columns[0], &$0) }),
                (7, Self.data { $0.uint32(profile.entries) }), (8, Self.data { $0.uint32(profile.entries) }),
            ],
            computed: [2])
    }

    // MARK: Building

    private typealias Column = (classID: Int, code: ObisCode, attribute: Int8)

    private static func columns(_ columns: [Column], _ writer: inout AxdrWriter) {
        writer.array(columns.count)
        for entry in columns { column(entry, &writer) }
    }

    private static func column(_ column: Column, _ writer: inout AxdrWriter) {
        writer.structure(4)
        writer.uint16(column.classID)
        writer.code(column.code)
        writer.int8(column.attribute)
        writer.uint16(0)
    }

    private static func data(_ write: @escaping (inout AxdrWriter) -> Void) -> () -> [UInt8] {
        { bytes(write) }
    }

    private static func bytes(_ write: (inout AxdrWriter) -> Void) -> [UInt8] {
        var writer = AxdrWriter()
        write(&writer)
        return writer.bytes
    }

    private static func value(_ code: ObisCode, _ write: @escaping (inout AxdrWriter) -> Void) -> COSEMObject {
        COSEMObject(classID: 1, code: code, attributes: [(2, data(write))])
    }

    private static func register(
        _ code: ObisCode, _ scaler: Int8, _ unit: UInt8, _ write: @escaping (inout AxdrWriter) -> Void
    ) -> COSEMObject {
        COSEMObject(classID: 3, code: code, attributes: [(2, data(write)), (3, Self.scaler(scaler, unit))])
    }

    private static func scaler(_ scaler: Int8, _ unit: UInt8) -> () -> [UInt8] {
        data {
            $0.structure(2)
            $0.int8(scaler)
            $0.enumeration(unit)
        }
    }
}
