"""As much of MQTT 3.1.1 as a subscriber and a publisher need, without anything between them and the socket."""

import socket

from children import Failed

CONNACK, PUBLISH, PUBACK, SUBACK = 2, 3, 4, 9


def _text(text):
    data = text.encode()
    return len(data).to_bytes(2, "big") + data


def packet(first, body):
    """A packet behind its fixed header."""
    size, head = len(body), bytearray([first])
    while True:
        size, digit = divmod(size, 128)
        head.append(digit | (128 if size else 0))
        if not size:
            return bytes(head) + body


def publish(topic, number, payload):
    """At QoS 1."""
    return packet(PUBLISH << 4 | 2, _text(topic) + number.to_bytes(2, "big") + payload)


def puback(number):
    return b"\x40\x02" + number


def publication(first, content):
    """Topic, payload, and what to answer: nothing at QoS 0."""
    if first >> 4 != PUBLISH:
        raise Failed(f"unexpected packet {first:02x}")
    end = 2 + int.from_bytes(content[:2], "big")
    if not first & 6:
        return content[2:end], content[end:], b""
    return content[2:end], content[end + 2 :], puback(content[end : end + 2])


class Connection:
    """Without keep-alive, and with a clean session unless it is to be kept under this name."""

    _early = ()

    def __init__(self, port, name, patience=10.0, keeps=False):
        self.socket = socket.create_connection(("127.0.0.1", port), patience)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""
        flags = b"\x00" if keeps else b"\x02"
        self.socket.sendall(packet(0x10, _text("MQTT") + b"\x04" + flags + b"\x00\x00" + _text(name)))
        # The first byte tells of a session that was there already.
        self._expect(CONNACK, *([b"\x00\x00", b"\x01\x00"] if keeps else [b"\x00\x00"]))

    def subscribe(self, filter):
        """At QoS 1."""
        self.socket.sendall(packet(0x82, b"\x00\x01" + _text(filter) + b"\x01"))
        self._expect(SUBACK, b"\x00\x01\x01")

    def _expect(self, kind, *bodies):
        """Waits for an answer. What a kept session brings before it is for `receive`."""
        early = []
        while packets := self.receive():
            for place, (first, content) in enumerate(packets):
                if first >> 4 == PUBLISH:
                    early.append((first, content))
                elif first >> 4 != kind or content not in bodies:
                    raise Failed(f"the broker answers {first:02x} {content.hex()}")
                else:
                    self._early = early + packets[place + 1 :]
                    return
        raise Failed("the broker does not answer")

    def receive(self):
        """Waits for packets, as long as the socket's time-out is; none when that is over.

        A list of (first byte, all that follows its length). For PUBLISH that is the topic with its length, the number,
        the payload.
        """
        if self._early:
            early, self._early = self._early, ()
            return early
        try:
            received = self.socket.recv(1 << 18)
        except (TimeoutError, BlockingIOError):
            return []
        if not received:
            raise Failed("the broker has closed the connection")
        data = self._buffer + received if self._buffer else received
        packets, place, end = [], 0, len(data)
        while place + 2 <= end:
            size, shift, start = 0, 0, place + 1
            while start < end:
                digit = data[start]
                size |= (digit & 127) << shift
                shift += 7
                start += 1
                if digit < 128:
                    break
            else:
                break
            if start + size > end:
                break
            packets.append((data[place], data[start : start + size]))
            place = start + size
        self._buffer = data[place:]
        return packets

    def close(self):
        self.socket.close()
