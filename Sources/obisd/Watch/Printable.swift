import OBIS

/// How things are written for a person at a terminal.
enum Printable {
    /// Without anything that a terminal takes as a command.
    static func text(_ text: String, isUTF8: Bool) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned:
                result.append("?")
            default: result.unicodeScalars.append(isUTF8 || scalar.isASCII ? scalar : "?")
            }
        }
        return result
    }

    /// In binary units, with one digit behind the point.
    static func text(bytes: Int64) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB"]
        var (tenths, unit) = (max(0, min(bytes, .max / 10)) * 10, 0)
        while tenths >= 10_240, unit < units.count - 1 {
            tenths /= 1024
            unit += 1
        }
        return unit == 0 ? "\(tenths / 10) B" : "\(tenths / 10).\(tenths % 10) \(units[unit])"
    }
}

/// How long ago something was: `3s`, `4m`, `2h`, `5d`.
enum Age {
    static func text(from start: Timestamp, to now: Timestamp) -> String {
        // Two clocks may disagree by a little.
        let seconds = max(0, Timestamp.milliseconds(from: start, to: now)) / 1000
        return switch seconds {
        case ..<60: "\(seconds)s"
        case ..<3600: "\(seconds / 60)m"
        case ..<172_800: "\(seconds / 3600)h"
        default: "\(seconds / 86_400)d"
        }
    }
}
