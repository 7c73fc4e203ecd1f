import CMosquitto

/// The library's callbacks: they copy what they are lent into the record and return.
enum LibraryCallbacks {
    static func install(_ handle: OpaquePointer) {
        // SAFETY: the handle is valid, and its context is a LibraryRecord that outlives it (LibraryConnection).
        unsafe mosquitto_connect_v5_callback_set(handle) { _, context, code, flags, properties in
            guard let record = unsafe LibraryCallbacks.record(context) else { return }
            let reason = ReasonCode.connect(code, version: record.version)
            record.append(.connected(reason: reason, unsafe BrokerProperties(properties, flags: flags)))
        }
        unsafe mosquitto_disconnect_v5_callback_set(handle) { _, context, code, _ in
            unsafe LibraryCallbacks.record(context)?.append(.disconnected(code: code))
        }
        unsafe mosquitto_publish_v5_callback_set(handle) { _, context, messageID, reason, _ in
            unsafe LibraryCallbacks.record(context)?
                .append(.published(messageID: messageID, reason: UInt8(clamping: reason)))
        }
        unsafe mosquitto_subscribe_v5_callback_set(handle) { _, context, messageID, count, granted, _ in
            // The library lends `count` numbers.
            let granted = unsafe UnsafeBufferPointer(start: granted, count: granted == nil ? 0 : Int(max(count, 0)))
            let reasons = unsafe granted.map { UInt8(clamping: $0) }
            unsafe LibraryCallbacks.record(context)?.append(.subscribed(messageID: messageID, granted: reasons))
        }
        unsafe mosquitto_message_v5_callback_set(handle) { _, context, message, _ in
            guard let message = unsafe message?.pointee, let topic = unsafe message.topic else { return }
            // The library lends `payloadlen` bytes, none if that is 0.
            let payload = unsafe UnsafeRawBufferPointer(
                start: message.payload, count: message.payload == nil ? 0 : Int(max(message.payloadlen, 0)))
            let copy = unsafe MQTTMessage(
                topic: String(cString: topic), payload: [UInt8](payload), qos: Int(message.qos), retain: message.retain)
            unsafe LibraryCallbacks.record(context)?.append(.message(copy))
        }
        unsafe mosquitto_log_callback_set(handle) { _, context, level, text in
            guard level == MOSQ_LOG_ERR || level == MOSQ_LOG_WARNING, let text = unsafe text else { return }
            unsafe LibraryCallbacks.record(context)?.append(error: String(cString: text))
        }
    }

    /// The library then formats none of its lines, which it does for every packet.
    static func ignoreLog(_ handle: OpaquePointer) {
        unsafe mosquitto_log_callback_set(handle, nil)
    }

    private static func record(_ context: UnsafeMutableRawPointer?) -> LibraryRecord? {
        unsafe context.map { unsafe Unmanaged<LibraryRecord>.fromOpaque($0).takeUnretainedValue() }
    }
}

extension BrokerProperties {
    /// - Parameter properties: of the CONNACK, lent for the call; nil under 3.1.1.
    fileprivate init(_ properties: OpaquePointer?, flags: Int32) {
        sessionPresent = flags & 1 != 0
        var byte: UInt8 = 0
        var short: UInt16 = 0
        var long: UInt32 = 0
        // A pointer comes back where the property is there, and only then the value is set.
        if unsafe mosquitto_property_read_int16(properties, Int32(MQTT_PROP_RECEIVE_MAXIMUM.rawValue), &short, false)
            != nil
        {
            receiveMaximum = max(Int(short), 1)
        }
        if unsafe mosquitto_property_read_int32(properties, Int32(MQTT_PROP_MAXIMUM_PACKET_SIZE.rawValue), &long, false)
            != nil
        {
            maximumPacketSize = Int(long)
        }
        if unsafe mosquitto_property_read_byte(properties, Int32(MQTT_PROP_MAXIMUM_QOS.rawValue), &byte, false) != nil {
            maximumQoS = Int(byte)
        }
        if unsafe mosquitto_property_read_byte(properties, Int32(MQTT_PROP_RETAIN_AVAILABLE.rawValue), &byte, false)
            != nil
        {
            retainAvailable = byte != 0
        }
        if unsafe mosquitto_property_read_int16(properties, Int32(MQTT_PROP_SERVER_KEEP_ALIVE.rawValue), &short, false)
            != nil
        {
            serverKeepalive = .seconds(Int(short))
        }
    }
}
