/// The parity bit of `7E1`, where the port does not handle it and characters arrive with eight bits
/// (IEC 62056-21, 5: seven data bits and even parity).
public enum Parity {
    /// The character without its parity bit.
    ///
    /// A byte that has bit 7 set and odd parity was damaged, or never had a parity bit. It is left as it
    /// is, so that whoever reads it sees no character of the protocol.
    @inlinable
    public static func stripped(_ byte: UInt8) -> UInt8 {
        byte >= 0x80 && byte.nonzeroBitCount.isMultiple(of: 2) ? byte & 0x7F : byte
    }

    /// The character with its parity bit, for a port that sends eight bits without parity.
    @inlinable
    public static func added(_ character: UInt8) -> UInt8 {
        let bits = character & 0x7F
        return bits.nonzeroBitCount.isMultiple(of: 2) ? bits : bits | 0x80
    }
}
