import IEC62056
import Wire

extension OpticalMeter {
    /// How the meter goes on after its identification (IEC 62056-21, 6.4).
    public enum Mode: String, Sendable, Hashable, CaseIterable {
        /// At once, at the rate of the sign-on.
        case a
        /// At once, at the rate that it offers.
        case b
        /// After an acknowledgement, at the rate in it.
        case c
        /// It cannot be asked and talks by itself, see `push()`.
        case d
    }

    /// What a battery meter needs to listen.
    public struct WakeUp: Sendable, Hashable {
        /// The line on which it sleeps, where it is not the sign-on's.
        public var line: LineSettings?
        /// So many NUL characters in a row wake it.
        public var characters: Int
        /// How long it then waits for a request.
        public var listens: Duration

        public init(line: LineSettings? = nil, characters: Int = 40, listens: Duration = .seconds(5)) {
            self.line = line
            self.characters = characters
            self.listens = listens
        }
    }

    /// What the meter answers to commands (IEC 62056-21, 6.5).
    public struct Programming: Sendable, Hashable {
        /// Nil for a meter that lets itself be read without one.
        public var password: String?
        /// What it understands; to anything else it answers NAK.
        public var requests: Set<ReadCommand>
        /// Answers to R6 come in partial blocks of so many characters.
        public var partialBlock: Int
        /// Whether an answer leaves out the code that was asked for.
        public var leavesOutCode: Bool
        /// Nil for a meter without one.
        public var profile: SimulatedProfile?

        public init(
            password: String? = nil, requests: Set<ReadCommand> = Set(ReadCommand.allCases), partialBlock: Int = 64,
            leavesOutCode: Bool = false, profile: SimulatedProfile? = SimulatedProfile()
        ) {
            self.password = password
            self.requests = requests
            self.partialBlock = partialBlock
            self.leavesOutCode = leavesOutCode
            self.profile = profile
        }
    }

    public struct Configuration: Sendable, Hashable {
        /// Three letters.
        public var manufacturer: String
        /// Type and firmware, at most 16 characters.
        public var identification: String
        /// The device address; leading zeros do not count.
        public var address: String
        /// The fastest rate that the meter offers, one of 300 to 19200.
        public var offeredBaud: Int
        /// The line on which it waits for a sign-on, or talks by itself.
        public var line: LineSettings
        public var mode: Mode
        /// Whether STX, ETX and BCC enclose the readout.
        public var hasBlockCheck: Bool
        /// A baud rate character that does not tell the mode; nil for the right one.
        public var rateCharacter: UInt8?
        /// How long it takes before it answers.
        public var reaction: Duration
        /// Nil for a meter that always listens.
        public var wakeUp: WakeUp?
        /// Nil for a meter that can be read out only.
        public var programming: Programming?

        /// - Parameters:
        ///   - line: by default `2400 7E1` in mode D, else `300 7E1`.
        ///   - hasBlockCheck: by default everywhere but in mode D.
        public init(
            manufacturer: String = "OBI", identification: String = "SIM-1", address: String = "",
            offeredBaud: Int = 9600, line: LineSettings? = nil, mode: Mode = .c, hasBlockCheck: Bool? = nil,
            rateCharacter: UInt8? = nil, reaction: Duration = OpticalMeter.reaction, wakeUp: WakeUp? = nil,
            programming: Programming? = nil
        ) {
            self.manufacturer = manufacturer
            self.identification = identification
            self.address = address
            self.offeredBaud = offeredBaud
            self.line = line ?? (mode == .d ? .modeD : .signOn)
            self.mode = mode
            self.hasBlockCheck = hasBlockCheck ?? (mode != .d)
            self.rateCharacter = rateCharacter
            self.reaction = reaction
            self.wakeUp = wakeUp
            self.programming = programming
        }

        /// The line that the meter has before anybody talks to it.
        public var initialLine: LineSettings { wakeUp?.line ?? line }

        /// The baud rate character of its identification line.
        var sentRateCharacter: UInt8 {
            if let rateCharacter { return rateCharacter }
            return switch mode {
            case .a: UInt8(ascii: " ")
            // The letters of mode B begin at 600 baud with A, the digits of mode C with 1.
            case .b: (SignOnMode.rateCharacter(baud: offeredBaud) ?? UInt8(ascii: "0")) &+ 0x10
            case .c: SignOnMode.rateCharacter(baud: offeredBaud) ?? UInt8(ascii: "0")
            case .d: SignOnMode.rateCharacter(baud: line.baud) ?? UInt8(ascii: "3")
            }
        }
    }

    /// How a head gives back what it is sent.
    public struct Echo: Sendable, Hashable {
        /// At most so many characters at once; nil for as they came.
        public var pieceLength: Int?
        /// Every n-th character is lost; 0 for none.
        public var lostEvery: Int
        /// Every n-th character is damaged; 0 for none.
        public var damagedEvery: Int

        public init(pieceLength: Int? = nil, lostEvery: Int = 0, damagedEvery: Int = 0) {
            self.pieceLength = pieceLength
            self.lostEvery = lostEvery
            self.damagedEvery = damagedEvery
        }
    }

    /// A meter that offers a rate that it does not keep.
    public struct KeptRate: Sendable, Hashable {
        /// The fastest rate at which its readouts can be read.
        public var highest: Int
        /// Whether it says nothing above it, instead of garbage.
        public var isSilentAbove: Bool

        public init(highest: Int, isSilentAbove: Bool = true) {
            self.highest = highest
            self.isSilentAbove = isSilentAbove
        }
    }

    /// What goes wrong.
    public struct Faults: Sendable, Hashable {
        /// So many of the next readouts and answers get a wrong block check character.
        public var wrongBlockChecks: Int
        /// So many of the next commands to read are answered with NAK.
        public var naks: Int
        /// It hears nothing and says nothing.
        public var isSilent: Bool
        /// It answers the acknowledgement with NAK.
        public var refuses: Bool
        /// The head gives back what it is sent.
        public var echoes: Bool
        /// How, where it does.
        public var echo: Echo
        /// Nil for a meter that keeps what it offers.
        public var keptRate: KeptRate?

        public init(
            wrongBlockChecks: Int = 0, naks: Int = 0, isSilent: Bool = false, refuses: Bool = false,
            echoes: Bool = false,
            echo: Echo = Echo(), keptRate: KeptRate? = nil
        ) {
            self.wrongBlockChecks = wrongBlockChecks
            self.naks = naks
            self.isSilent = isSilent
            self.refuses = refuses
            self.echoes = echoes
            self.echo = echo
            self.keptRate = keptRate
        }
    }
}
