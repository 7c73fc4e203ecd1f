import CLinux
import CMosquitto
import Glibc
import OBIS

/// An error of the library: its number, and `errno` as it was just after.
struct LibraryError: Error {
    let code: Int32
    let errno: Int32

    static let noConnection = LibraryError(code: MOSQ_ERR_NO_CONN.rawValue, errno: 0)
    static let malformed = LibraryError(code: MOSQ_ERR_MALFORMED_PACKET.rawValue, errno: 0)
}

/// One instance of the library for one attempt to connect and, if it succeeds, for that one connection. It is
/// destroyed with it, and with it everything that the library keeps in memory.
///
/// Used by one thread only. SAFETY: `handle` is valid from `init` to `deinit`; the record that the callbacks write to
/// is owned here and so outlives it.
@safe final class LibraryConnection {
    private static let initialised = mosquitto_lib_init()

    let record: LibraryRecord
    private let handle: OpaquePointer
    private let settings: BrokerSettings
    /// By content type; empty under 3.1.1, which has no properties.
    private let properties: [String: PropertyList]

    /// Everything but the connecting. - Throws: `.settings` or `.tls` with what to correct.
    init(settings: BrokerSettings) throws(Disconnection) {
        guard Self.initialised == MOSQ_ERR_SUCCESS.rawValue else {
            throw Disconnection(.settings, "The MQTT library cannot be initialised.")
        }
        guard settings.clientID.isCString, settings.host.isCString, settings.username?.isCString ?? true else {
            throw Disconnection(.settings, "broker.host, broker.client_id or broker.username contains a NUL character.")
        }
        let record = LibraryRecord(version: settings.version)
        let context = unsafe Unmanaged.passUnretained(record).toOpaque()
        guard let handle = unsafe mosquitto_new(settings.clientID, true, context) else {
            throw Disconnection(.settings, "The MQTT library does not take broker.client_id \"\(settings.clientID)\".")
        }
        self.record = record
        self.settings = settings
        properties = Self.properties(settings)
        unsafe self.handle = handle
        unsafe LibraryCallbacks.install(handle)
        try setOptions()
        try setCredentials()
        try setWill()
        try setTLS()
    }

    deinit { unsafe mosquitto_destroy(handle) }

    // MARK: Settings

    /// Made once: they are the same for every message.
    private static func properties(_ settings: BrokerSettings) -> [String: PropertyList] {
        guard settings.version == .v5, let properties = settings.properties else { return [:] }
        let types = [MessageProperties.jsonType, MessageProperties.textType]
        return types.reduce(into: [:]) { $0[$1] = PropertyList(properties, contentType: $1) }
    }

    private func setOptions() throws(Disconnection) {
        let version = settings.version == .v5 ? MQTT_PROTOCOL_V5 : MQTT_PROTOCOL_V311
        let codes = unsafe [
            mosquitto_int_option(handle, MOSQ_OPT_PROTOCOL_VERSION, version),
            mosquitto_int_option(handle, MOSQ_OPT_TCP_NODELAY, 1),
            // Our own window is never larger than the broker's maximum, so the library has none of its own.
            mosquitto_int_option(handle, MOSQ_OPT_SEND_MAXIMUM, 65_535),
        ]
        guard codes.allSatisfy({ $0 == MOSQ_ERR_SUCCESS.rawValue }) else {
            throw Disconnection(.settings, "The MQTT library is too old: version 2.0 or later is needed.")
        }
    }

    private func setCredentials() throws(Disconnection) {
        guard settings.username != nil || settings.password != nil else { return }
        let code: Int32
        if let password = settings.password {
            code = try password.withBytes { (bytes: [UInt8]) throws(Disconnection) -> Int32 in
                guard !bytes.contains(0) else {
                    throw Disconnection(
                        .settings, "The broker's password contains a NUL byte: check broker.password_file.")
                }
                return unsafe (bytes + [0]).withUnsafeBufferPointer { bytes in
                    unsafe bytes.withMemoryRebound(to: CChar.self) { text in
                        unsafe mosquitto_username_pw_set(handle, settings.username, text.baseAddress)
                    }
                }
            }
        } else {
            code = unsafe mosquitto_username_pw_set(handle, settings.username, nil)
        }
        guard code == MOSQ_ERR_SUCCESS.rawValue else {
            throw Disconnection(
                .settings, "broker.username cannot be used: 3.1.1 takes no password without a user name.")
        }
    }

    private func setWill() throws(Disconnection) {
        guard let will = settings.will else { return }
        let code =
            will.topic.isCString
            ? unsafe mosquitto_will_set_v5(
                handle, will.topic, Int32(clamping: will.payload.count), will.payload, Int32(clamping: will.qos),
                will.retain, nil)
            : MOSQ_ERR_INVAL.rawValue
        guard code == MOSQ_ERR_SUCCESS.rawValue else {
            throw Disconnection(
                .settings, "The last will's topic \"\(will.topic)\" is not one: check broker.base_topic and node.")
        }
    }

    private func setTLS() throws(Disconnection) {
        guard let tls = settings.tls else { return }
        if let shared = tls.preSharedKey { return try setPreSharedKey(shared) }
        guard (tls.certificateFile == nil) == (tls.keyFile == nil) else {
            throw Disconnection(
                .settings, "broker.tls.cert_file and broker.tls.key_file belong together: set both or none.")
        }
        for (key, file) in [("ca_file", tls.caFile), ("cert_file", tls.certificateFile), ("key_file", tls.keyFile)] {
            guard let file, unsafe access(file, R_OK) != 0 else { continue }
            let why = systemError(errno)
            throw Disconnection(.tls, "broker.tls.\(key) names \(file), which cannot be read: \(why).")
        }
        // Without a directory or a file of authorities the library would not verify the broker's name.
        let directory = tls.caFile == nil ? "/etc/ssl/certs" : nil
        var code = unsafe mosquitto_tls_set(
            handle, tls.caFile, directory, tls.certificateFile, tls.keyFile,
            // A key with a passphrase: never ask at the terminal.
            { _, _, _, _ in 0 })
        if code == MOSQ_ERR_SUCCESS.rawValue, tls.caFile == nil {
            code = unsafe mosquitto_int_option(handle, MOSQ_OPT_TLS_USE_OS_CERTS, 1)
        }
        guard code == MOSQ_ERR_SUCCESS.rawValue else {
            throw Disconnection(.tls, "The MQTT library does not take the files of broker.tls.")
        }
    }

    private func setPreSharedKey(_ shared: TLSSettings.PreSharedKey) throws(Disconnection) {
        // The library wants the digits.
        let code = shared.key.withBytes { bytes in
            shared.identity.isCString
                ? unsafe mosquitto_tls_psk_set(handle, Hex.string(bytes), shared.identity, nil)
                : MOSQ_ERR_INVAL.rawValue
        }
        guard code == MOSQ_ERR_SUCCESS.rawValue else {
            throw Disconnection(.tls, "The MQTT library does not take broker.tls.psk_identity and its key.")
        }
    }

    // MARK: Connection

    /// -1 while there is none.
    var socket: Int32 { unsafe mosquitto_socket(handle) }

    var wantsToWrite: Bool { unsafe mosquitto_want_write(handle) }

    /// Begins to connect. It blocks while the name is resolved, and only then.
    ///
    /// The library tries one address and does not go on to the next when that one stays silent.
    ///
    /// - Parameter onlyIPv4: leaves out the IPv6 addresses, for a network where these lead nowhere.
    func connect(onlyIPv4: Bool) throws(Disconnection) {
        let code = unsafe mosquitto_connect_bind_async(
            handle, settings.host, Int32(clamping: settings.port), settings.keepaliveSeconds, onlyIPv4 ? "0.0.0.0" : nil
        )
        let reason = errno
        switch code {
        case MOSQ_ERR_SUCCESS.rawValue, MOSQ_ERR_CONN_PENDING.rawValue: return
        case MOSQ_ERR_EAI.rawValue:
            // The library leaves the resolver's code in `errno`.
            let why = unsafe gai_strerror(reason).map { unsafe String(cString: $0) } ?? "error \(reason)"
            throw .unresolvable(settings, why: why)
        case MOSQ_ERR_TLS.rawValue: throw .tls(settings, log: record.errors)
        case MOSQ_ERR_INVAL.rawValue:
            throw Disconnection(
                .settings, "broker.host \"\(settings.host)\" or broker.port \(settings.port) cannot be used.")
        default:
            // On a fast network the first packets may have been exchanged already.
            if record.hasTLSError || settings.tls != nil && reason == EPROTO {
                throw .tls(settings, log: record.errors)
            }
            throw .connectFailed(settings, errno: reason)
        }
    }

    /// The connection stands, and what the library logs explains no end of it any more: only TLS needs its words.
    func connected() {
        if settings.tls == nil { unsafe LibraryCallbacks.ignoreLog(handle) }
    }

    /// Of the connect that is under way: nil if it succeeded.
    func connectError() -> Int32? {
        var value: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        // `size` is the size of `value`.
        let code = unsafe getsockopt(socket, SOL_SOCKET, SO_ERROR, &value, &size)
        return code != 0 ? errno : value != 0 ? value : nil
    }

    /// Lets the system end the connection when what was sent stays unacknowledged by the other host.
    func limitSilence(to limit: Duration) {
        var milliseconds = UInt32(clamping: limit.components.seconds * 1000)
        // The size is that of the value. A kernel without the option leaves the keepalive, which is slower.
        _ = unsafe setsockopt(
            socket, Int32(IPPROTO_TCP), TCP_USER_TIMEOUT, &milliseconds, socklen_t(MemoryLayout<UInt32>.size))
    }

    /// Whether the other side has closed and nothing is left to read.
    var isAtEnd: Bool {
        var byte: UInt8 = 0
        // One byte into room for one; it stays in the socket.
        return unsafe recv(socket, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT)) == 0
    }

    func read() throws(LibraryError) {
        var code: Int32 = 0
        guard unsafe obisd_call_guarded(mosquitto_loop_read, handle, 1, &code) else { throw .malformed }
        try check(code)
    }

    /// Counted by the system, since the library does not tell; nil where neither does.
    var bytesTaken: Int64? {
        let count = obisd_tcp_bytes_taken(socket)
        return count < 0 ? nil : count
    }

    func write() throws(LibraryError) { try check(unsafe mosquitto_loop_write(handle, 1)) }

    /// Pings, and notices a silent broker. To be called several times in a keepalive.
    func keepAlive() throws(LibraryError) { try check(unsafe mosquitto_loop_misc(handle)) }

    // MARK: Packets

    /// - Returns: the message's number on this connection.
    func publish(_ message: MQTTMessage) throws(LibraryError) -> Int32 {
        var messageID: Int32 = 0
        guard message.topic.isCString, (0...2).contains(message.qos) else {
            throw LibraryError(code: MOSQ_ERR_INVAL.rawValue, errno: 0)
        }
        guard let size = Int32(exactly: message.payload.count) else {
            throw LibraryError(code: MOSQ_ERR_PAYLOAD_SIZE.rawValue, errno: 0)
        }
        let list = MessageProperties.contentType(of: message.payload).flatMap { properties[$0] }
        // `size` is the payload's; the library copies topic, payload and properties.
        func publish(_ list: OpaquePointer?) -> Int32 {
            unsafe mosquitto_publish_v5(
                handle, &messageID, message.topic, size, message.payload, Int32(message.qos), message.retain, list)
        }
        try check(list.map { unsafe $0.withList(publish) } ?? publish(nil))
        return messageID
    }

    func subscribe(_ filter: String, qos: Int) throws(LibraryError) -> Int32 {
        var messageID: Int32 = 0
        guard filter.isCString else { throw LibraryError(code: MOSQ_ERR_INVAL.rawValue, errno: 0) }
        try check(unsafe mosquitto_subscribe_v5(handle, &messageID, filter, Int32(clamping: qos), 0, nil))
        return messageID
    }

    func unsubscribe(_ filter: String) throws(LibraryError) {
        guard filter.isCString else { return }
        try check(unsafe mosquitto_unsubscribe_v5(handle, nil, filter, nil))
    }

    /// Says goodbye, so that the broker does not publish the will.
    func disconnect() throws(LibraryError) { try check(unsafe mosquitto_disconnect_v5(handle, 0, nil)) }

    private func check(_ code: Int32) throws(LibraryError) {
        guard code != MOSQ_ERR_SUCCESS.rawValue else { return }
        throw LibraryError(code: code, errno: errno)
    }
}

extension Disconnection: Error {}

extension String {
    /// Without a NUL, at which C would end it.
    var isCString: Bool { !utf8.contains(0) }
}
