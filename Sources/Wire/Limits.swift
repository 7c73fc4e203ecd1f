/// Every bound on what a wire may ask of this program, in one place.
public enum Limits {
    /// Bytes that one link may hold before they are decoded (contract: 64 KiB per link).
    public static let linkBuffer = 64 * 1024
    /// One assembled DLMS message (block transfer, segmentation).
    public static let apdu = 32 * 1024
    /// Nesting of A-XDR structures and arrays.
    public static let axdrDepth = 16
    /// Elements of one A-XDR message, all levels together.
    public static let axdrElements = 4096
    /// Elements of one answer that was asked for: a list of hundreds of objects with their access rights.
    public static let answerElements = 32 * 1024
    /// Objects of one meter that are asked for where the configuration names none.
    public static let clientRegisters = 64
    /// A scaler beyond this power of ten belongs to no meter.
    public static let scaler = 30
    /// An HDLC frame between its flags: 11 bits of length (IEC 62056-46, 6.4.2.2).
    public static let hdlcFrame = 2047
    /// One IEC 62056-21 readout.
    public static let readout = 64 * 1024
    /// One line of a readout: the standard's 78 characters and the longer ones that meters send.
    public static let readoutLine = 2048
    /// The identification line: `/MMMZ`, escapes and at most 16 characters, with room for makers that print more.
    public static let identification = 64
    /// Registers of one telegram.
    public static let registers = 4096
    /// One answer in programming mode, all its partial blocks together: a month of a load profile with eight channels.
    public static let programmingAnswer = 256 * 1024
    /// Partial blocks of one answer; usual ones have 64 characters and more.
    public static let partialBlocks = 4096
    /// Values of one load profile.
    public static let profileValues = 32 * 1024
    /// One P1 telegram: recorded ones stay below 2 KiB, and a message of 1024 characters adds 2 KiB.
    public static let p1Telegram = 16 * 1024
    /// One line of a P1 telegram: a message of 1024 characters as hexadecimal digits, with room.
    public static let p1Line = 4096
    /// One SML file, escape sequences included. Meters send 200 bytes to 1 KiB.
    public static let smlFile = 32 * 1024
    /// Nesting of SML lists.
    public static let smlDepth = 16
    /// Pieces that one link may hold: datagrams are not joined, so that many small ones weigh more than their bytes.
    public static let linkPieces = 1024
    /// One UDP datagram without its headers (RFC 768 over IPv4).
    public static let datagram = 65_507
    /// One telnet subnegotiation; those of RFC 2217 that matter have 6 bytes.
    public static let telnetSubnegotiation = 64
    /// DIFE and VIFE of one M-Bus record (EN 13757-3).
    public static let mbusExtensions = 10
    /// Records of one M-Bus telegram. A frame of 255 bytes holds at most 127.
    public static let mbusRecords = 256
    /// Telegrams of one M-Bus answer: protocols speak of ten, meters with many storages send more.
    public static let mbusTelegrams = 32
}
