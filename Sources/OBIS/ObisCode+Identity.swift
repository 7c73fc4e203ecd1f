extension ObisCode {
    /// Whether the register says which device or whose installation this is, or carries a text for its owner
    /// (IEC 62056-6-1): device numbers `0.0.0`–`0.0.9` and `C.1.x` of the meter and of those behind it, the logical device
    /// name, the telephone number of a modem, messages, and the public key of an SML meter.
    public var identifiesDevice: Bool {
        switch (c, d) {
        case (0, 0): e <= 9 || e == 255
        case (96, 1), (96, 13): true
        case (96, 12): e == 6
        case (42, 0): e == 0
        case (199, 130): self.a == 129 && e == 5
        default: false
        }
    }

    /// Whether a value of so many characters under this code could identify a device: `0-0:96.1.4(50217)` and
    /// `0-0:96.1.7(6525)` are a version and a type.
    public func identifiesDevice(byCharacters count: Int) -> Bool {
        identifiesDevice && (c != 96 || d != 1 || e < 2 || e == 255 || count >= 6)
    }
}
