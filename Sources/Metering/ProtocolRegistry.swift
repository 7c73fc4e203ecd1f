/// All protocols that this program speaks.
public enum ProtocolRegistry {
    public static let all: [MeterProtocol] = [.dlmsPush, .dlmsClient, .readout, .p1, .sml, .mbus]

    public static func named(_ name: String) -> MeterProtocol? {
        all.first { $0.name == name }
    }
}
