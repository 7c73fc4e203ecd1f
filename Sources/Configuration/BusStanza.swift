import MBus
import Metering
import Wire

extension ConfigurationReading {
    /// Connections whose meters take turns.
    func buses(_ value: Value) -> [Bus] {
        value.list()?.compactMap(newBus) ?? []
    }

    private func newBus(_ value: Value) -> Bus? {
        guard let section = value.section("a bus", keys: ["id", "transport"]) else { return nil }
        let id = section.required("id", example: "house")?.identifier()
        let transport = section.required("transport", example: "{tcp: \"gateway:10001\"}")
        let endpoint = transport.flatMap { self.endpoint($0, line: .mbus) }
        guard let id, let endpoint, let transport else { return nil }
        switch endpoint {
        case .serial, .tcp, .rfc2217, .udp: break
        case .file: transport.fail("recorded bytes are no bus", remedy: "write for example {tcp: \"gateway:10001\"}")
        case .listen:
            transport.fail("a bus is asked, it does not call", remedy: "write for example {tcp: \"gateway:10001\"}")
        }
        guard busesByID[id] == nil else {
            section["id"]?.fail("another bus is called \(quoted(id))", remedy: "give each bus an id of its own")
            return nil
        }
        claim(endpoint, for: "bus \(id)", section)
        let bus = Bus(id: id, endpoint: endpoint)
        busesByID[id] = bus
        return bus
    }

    /// The bus that a meter's stanza names.
    func bus(_ section: Section, _ meterProtocol: MeterProtocol?, _ settings: ProtocolSettings) -> Bus? {
        guard let value = section["bus"], let id = value.text() else { return nil }
        section["transport"]?.fail(
            "the meter is on the bus \(quoted(id)), which has its transport already", remedy: "keep one of the two")
        if let meterProtocol, !meterProtocol.isPolled(settings) {
            value.fail(
                "a meter that talks by itself cannot take turns (\(meterProtocol.name))",
                remedy: "give it a `transport:` of its own")
            return nil
        }
        if let bus = busesByID[id] { return bus }
        let names = busesByID.keys.sorted()
        value.fail(
            "there is no bus \(quoted(id))",
            remedy: names.isEmpty
                ? "write `buses: [{id: \(id), transport: …}]`" : value.suggestion(for: id, among: names))
        return nil
    }

    // MARK: Slaves

    /// Whom the master asks: by its primary or its secondary address.
    func slave(_ section: Section) -> MasterSession.Address? {
        if let secondary = section["secondary"] {
            section["address"]?.fail("`secondary` says already which meter it is", remedy: "keep one of the two")
            return secondary.parsed("secondary address", examples: "12345678 or 12345678/LGZ/02/04") {
                SecondaryAddress($0)
            }.map { .secondary($0) }
        }
        let number = section.required("address", example: "7")?.integer("primary address", in: 0...250)
        return number.flatMap(UInt8.init(exactly:)).map { .primary($0) }
    }

    /// Two meters with one address would both be read as the one that answers.
    func claim(_ slave: MasterSession.Address, on bus: Bus, for meter: String, _ section: Section) {
        let key = "\(bus.id) \(slave)"
        guard let place = section["secondary"] ?? section["address"] else { return }
        if let owner = owners[key] {
            place.fail(
                "the meter \(quoted(owner.meter)) has this address already (\(owner.place))",
                remedy: "give each meter on a bus an address of its own, or write `enabled: false` for one of them")
        } else {
            owners[key] = (meter, place.node.place)
        }
    }
}
