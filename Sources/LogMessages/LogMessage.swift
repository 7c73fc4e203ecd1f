/// The messages that one searches for, alarms on, or looks up.
///
/// The raw value is the message's id: 128 random bits as 32 hexadecimal digits, fixed for ever, as sd_journal_print(3)
/// wants `MESSAGE_ID`. What each means and what to do stands in `systemd/obisd.catalog`.
public enum LogMessage: String, CaseIterable, Sendable {
    // The daemon.
    case daemonReady = "85b19c216789468f9a817bc0de487587"
    case daemonStopped = "e6b6cf1cb6ac40adbbc5f9f9ee59bbfa"
    case configurationReloaded = "d1e0af9aeaa94ecf89d5bdecac852cca"
    case configurationRefused = "376a619a5061427c848233ea689d57e2"
    /// Something inside stands still, and the service manager is no longer told that all is well.
    case watchdog = "a7b3d584117144bbacb1e88300efe6e3"
    case commandRefused = "e57a2bb99cde47489cc10a1ecb71f5e2"
    /// The figures for Prometheus cannot be written.
    case metricsNotWritten = "3ee5f9094ed94e9aa43187ab04ce6cbe"

    // A meter and its line.
    case lineOpened = "1d4aaf4677fa48388754d309386eb658"
    case lineLost = "eb026f7bfb0645afadba5593aa202828"
    /// Wired right: something of the configured protocol arrived.
    case firstMessage = "674d15237733400b907e9444330a2bab"
    case messageDropped = "21f742feada44746917eff44cbfd1c75"
    /// The key is wrong or missing, or the authentication failed.
    case decryptionFailed = "17b2b015224e4577ba741b0f6c02d6fd"
    /// Bytes that belong to no message.
    case noise = "aa651343fdc140f7b9c78386d62eafef"
    /// A poll that brought no answer, or none that is whole.
    case meterNotRead = "55dfd4a7fa224d8a98e4a7239c019cb0"
    /// A line that stays quiet and is opened anew.
    case lineSilent = "82629cf117b84e00959da1f19ab49a42"
    case meterOffline = "c6ca1be3b0f64e4b9d552957ae2238fc"
    case meterOnline = "ef8c20fe551447bcae8845d5c8a82a72"
    case readingDoubtful = "7ad5734073454c7da6393bd7e2db6e49"
    case meterExchanged = "9e1dd6e833234595aac6399fa0bda582"
    /// The meter was not read for a while, and its load profile is asked for that.
    case holeFound = "30d4d4f4b24645428c33ca9e8d63fb0b"
    case loadProfileNotRead = "5221c7689021456ca2e2afc7264d5e80"
    /// A call or a datagram from an address that is not allowed, or too many of them.
    case strangerRefused = "2a7ddc69c5ad445f8368ccc26acc02d4"

    // Anomalies.
    case anomalyOpened = "1269fa3e2f894b478980089d23b03739"
    case anomalyUpdated = "9d683bff185a44298c03912b479deb44"
    case anomalyResolved = "9a0b8b7d9fb64819b2f9900250e135c2"
    case anomalyIgnored = "58085d05511a4dae8150e2cf29589653"

    // The journal of readings.
    case journalUnavailable = "4bd9695f2e354e67afd2de7790191c48"
    case journalRecovered = "c40ea429b8b04b11b89fafbe3e7701f2"
    /// What was found on opening: damage, a new stream, a file that was set aside.
    case journalDamaged = "c79bef2cdcf64f47b13ffa5081c8c1b9"
    /// Readings were given up before they were delivered.
    case readingsGivenUp = "69fcbffaff0b4229b05c23c981627625"

    // The broker.
    case brokerConnected = "a6e42e89f6a84757b08e162f40d07bae"
    case brokerLost = "df49e16001e8408b8ad9e6c9e247d9c3"
    /// The broker does not take a message, a topic or a subscription.
    case brokerRefused = "30ee89026a0a4f54922613c60c0faa31"

    /// 32 lower-case hexadecimal digits.
    public var id: String { rawValue }
}
