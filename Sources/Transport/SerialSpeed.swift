import Glibc

/// The system's constants for speeds.
package enum SerialSpeed {
    package static func constant(_ baud: Int) -> speed_t? {
        table.first { $0.baud == baud }?.speed
    }

    package static func baud(_ constant: speed_t) -> Int? {
        table.first { $0.speed == constant }?.baud
    }

    private static let table: [(baud: Int, speed: speed_t)] = [
        (300, speed_t(B300)), (600, speed_t(B600)), (1200, speed_t(B1200)), (2400, speed_t(B2400)),
        (4800, speed_t(B4800)), (9600, speed_t(B9600)), (19200, speed_t(B19200)), (38400, speed_t(B38400)),
        (57600, speed_t(B57600)), (115_200, speed_t(B115200)), (230_400, speed_t(B230400)),
    ]
}
