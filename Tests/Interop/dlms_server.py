#!/usr/bin/env python3
"""A DLMS/COSEM meter made with another implementation (gurux-dlms, from PyPI), to be read by obisd.

It listens on a TCP port of this machine with the wrapper in front of messages, and prints `ready PORT`. It lets in
client 1 in one of three ways: without security, with a password (LLS), or with GMAC and ciphered messages (HLS). It
prints `write attempted` when somebody wants to change something.

What a client wants of an association, the proofs and the ciphering are the library's. Its server answers neither a GET
nor anything ciphered in Python, so that the answers and the objects are made here.
"""

import argparse
import datetime
import socketserver
import struct
import sys
import time

from gurux_dlms.AesGcmParameter import AesGcmParameter
from gurux_dlms.ConnectionState import ConnectionState
from gurux_dlms.GXCiphering import GXCiphering
from gurux_dlms.GXByteBuffer import GXByteBuffer
from gurux_dlms.GXSecure import GXSecure
from gurux_dlms._GXAPDU import _GXAPDU
from gurux_dlms.enums import Authentication, Command, Conformance, InterfaceType, Security, SourceDiagnostic
from gurux_dlms.secure import GXDLMSSecureServer

SYSTEM_TITLE = b"GRX\x00\x00\x00\x00\x02"
PASSWORD = b"12345678"
ENCRYPTION_KEY = bytes.fromhex("000102030405060708090A0B0C0D0E0F")
AUTHENTICATION_KEY = bytes.fromhex("D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF")
MECHANISMS = {"none": Authentication.NONE, "lls": Authentication.LOW, "hls-gmac": Authentication.HIGH_GMAC}

PERIOD = 900
ENTRIES = 96
PDU_SIZE = 512
BLOCK = 400

# Data-Access-Result
READ_WRITE_DENIED, UNDEFINED, NO_LONG_GET, BLOCK_NUMBER, OTHER = 3, 4, 16, 19, 250


def say(text):
    print(text, file=sys.__stdout__, flush=True)


# A-XDR


def length(count):
    return bytes([count]) if count < 0x80 else bytes([0x82]) + count.to_bytes(2, "big")


def octets(value):
    return b"\x09" + length(len(value)) + value


def code(text):
    return octets(bytes(int(group) for group in text.split(".")))


def u8(value):
    return bytes([0x11, value])


def u16(value):
    return b"\x12" + value.to_bytes(2, "big")


def u32(value):
    return b"\x06" + value.to_bytes(4, "big")


def i8(value):
    return b"\x0f" + value.to_bytes(1, "big", signed=True)


def i32(value):
    return b"\x05" + value.to_bytes(4, "big", signed=True)


def enumeration(value):
    return bytes([0x16, value])


def array(items):
    return b"\x01" + length(len(items)) + b"".join(items)


def structure(*items):
    return b"\x02" + length(len(items)) + b"".join(items)


def clock_octets(time):
    """Date, weekday from Monday 1, time, hundredths, minutes to UTC, status."""
    deviation = -int(time.utcoffset().total_seconds() // 60)
    date = time.year.to_bytes(2, "big") + bytes([time.month, time.day, time.isoweekday()])
    clock = bytes([time.hour, time.minute, time.second, 0])
    return date + clock + deviation.to_bytes(2, "big", signed=True) + b"\x00"


def instant(value):
    year, deviation = int.from_bytes(value[:2], "big"), int.from_bytes(value[9:11], "big", signed=True)
    local = datetime.datetime(year, value[2], value[3], value[5], value[6], 0 if value[7] == 0xFF else value[7])
    if deviation == -0x8000:
        return local.astimezone()
    return local.replace(tzinfo=datetime.timezone(datetime.timedelta(minutes=-deviation)))


# Objects: class and code, then attributes as functions of nothing.

CLOCK, SERIAL, ENERGY = "0.0.1.0.0.255", "0.0.96.1.0.255", "1.0.1.8.0.255"
PROFILE, ASSOCIATION = "1.0.99.1.0.255", "0.0.40.0.0.255"


def column(class_id, name, attribute):
    return structure(u16(class_id), code(name), i8(attribute), u16(0))


def register(value, scaler, unit):
    return {2: lambda: value, 3: lambda: structure(i8(scaler), enumeration(unit))}


OBJECTS = {
    (8, CLOCK): {
        2: lambda: octets(clock_octets(datetime.datetime.now().astimezone())),
        3: lambda: b"\x10" + clock_octets(datetime.datetime.now().astimezone())[9:11],
    },
    (1, "0.0.42.0.0.255"): {2: lambda: octets(b"GRX0012345678")},
    (1, SERIAL): {2: lambda: octets(b"12345678")},
    (3, ENERGY): register(u32(1234567), 0, 30),
    (3, "1.0.2.8.0.255"): register(u32(89012), 0, 30),
    (3, "1.0.16.7.0.255"): register(i32(-450), 0, 27),
    (3, "1.0.32.7.0.255"): register(u16(2315), -1, 35),
    (7, PROFILE): {
        3: lambda: array([column(8, CLOCK, 2), column(3, ENERGY, 2)]),
        4: lambda: u32(PERIOD),
        5: lambda: enumeration(1),
        6: lambda: column(8, CLOCK, 2),
        7: lambda: u32(ENTRIES),
        8: lambda: u32(ENTRIES),
    },
}


def object_list():
    def rights(numbers):
        return structure(array([structure(i8(n), enumeration(1), b"\x00") for n in numbers]), array([]))

    entries = [
        structure(u16(class_id), u8(1 if class_id == 7 else 0), code(name), rights([1, 2, *sorted({*attributes} - {2})]))
        for (class_id, name), attributes in OBJECTS.items()
    ]
    return array(entries + [structure(u16(15), u8(1), code(ASSOCIATION), rights([1, 2]))])


def profile_rows():
    """The energy rises by 100 Wh in each period."""
    newest = int(datetime.datetime.now().timestamp()) // PERIOD * PERIOD
    for seconds in range(newest - (ENTRIES - 1) * PERIOD, newest + 1, PERIOD):
        yield datetime.datetime.fromtimestamp(seconds).astimezone(), seconds // PERIOD % 10_000_000 * 100


def profile(selector):
    """Selector 1 is a range: column, from, to, columns to send. Selector 2 counts entries from 1 on."""
    rows = list(profile_rows())
    if selector[:1] == b"\x01":
        # 02 04, the column in 18 bytes, and two octet strings of twelve.
        first, last = instant(selector[23:35]), instant(selector[37:49])
        rows = [row for row in rows if first <= row[0] <= last]
    elif selector[:1] == b"\x02":
        first, last = (int.from_bytes(selector[start : start + 4], "big") for start in (4, 9))
        rows = rows[first - 1 : last or len(rows)]
    return array([structure(octets(clock_octets(time)), u32(energy)) for time, energy in rows])


def attribute(descriptor):
    """The bytes of an attribute; a number where it is refused."""
    class_id, name = int.from_bytes(descriptor[:2], "big"), ".".join(str(byte) for byte in descriptor[2:8])
    number, selector = descriptor[8], descriptor[10:] if descriptor[9] else b""
    if (class_id, name, number) == (15, ASSOCIATION, 2):
        return object_list()
    if (class_id, name, number) == (7, PROFILE, 2):
        return profile(selector)
    attributes = OBJECTS.get((class_id, name), {})
    if number == 1 and attributes:
        return code(name)
    return attributes[number]() if number in attributes else UNDEFINED


class Meter(GXDLMSSecureServer):
    """One connection."""

    def __init__(self, security):
        # The interface matters to the library's own framing only, which is not used.
        super().__init__(True, InterfaceType.WRAPPER)
        self.security = security
        self.blocks = []
        self.conformance = (
            Conformance.BLOCK_TRANSFER_WITH_GET_OR_READ
            | Conformance.GET
            | Conformance.SELECTIVE_ACCESS
            | Conformance.ACTION
        )
        cipher = self.settings.cipher = self.settings.ciphering
        cipher.systemTitle = SYSTEM_TITLE
        cipher.blockCipherKey = ENCRYPTION_KEY
        cipher.authenticationKey = AUTHENTICATION_KEY

    # Associations

    def associate(self, apdu):
        settings, cipher = self.settings, self.settings.cipher
        self.reset(True)
        # A counter that rises with the clock also rises from one connection to the next.
        cipher.invocationCounter = int(time.time())
        diagnostic = _GXAPDU.parsePDU(settings, cipher, GXByteBuffer(apdu), None)
        if diagnostic == SourceDiagnostic.NONE:
            diagnostic = self.onValidateAuthentication(settings.authentication, settings.password)
        settings.maxPduSize = min(settings.maxPduSize or PDU_SIZE, PDU_SIZE)
        is_accepted = diagnostic == SourceDiagnostic.NONE
        if is_accepted and settings.authentication > Authentication.LOW:
            diagnostic = SourceDiagnostic.AUTHENTICATION_REQUIRED
            settings.setStoCChallenge(GXSecure.generateChallenge())
        elif is_accepted:
            settings.connected = settings.connected | ConnectionState.DLMS
        return self.association_response(is_accepted, diagnostic)

    def association_response(self, is_accepted, diagnostic):
        """61 | A1 context | A2 result | A3 diagnostic | A4 title | 88 89 AA challenge | BE initiate response"""
        settings, is_ciphered = self.settings, self.is_ciphered
        content = b"\xa1\x09\x06\x07\x60\x85\x74\x05\x08\x01" + bytes([3 if is_ciphered else 1])
        content += bytes([0xA2, 3, 2, 1, not is_accepted, 0xA3, 5, 0xA1, 3, 2, 1, diagnostic])
        if is_ciphered:
            content += b"\xa4\x0a\x04\x08" + SYSTEM_TITLE
        if settings.authentication > Authentication.LOW and is_accepted:
            challenge = bytes(settings.stoCChallenge)
            content += b"\x88\x02\x07\x80\x89\x07\x60\x85\x74\x05\x08\x02" + bytes([settings.authentication])
            content += bytes([0xAA, len(challenge) + 2, 0x80, len(challenge)]) + challenge
        conformance = GXByteBuffer()
        _GXAPDU.setConformanceToArray(settings.negotiatedConformance, conformance)
        initiate = b"\x08\x00\x06\x5f\x1f\x04\x00" + bytes(conformance.array())
        initiate = self.protect(initiate + settings.maxPduSize.to_bytes(2, "big") + b"\x00\x07")
        content += bytes([0xBE, len(initiate) + 2, 4, len(initiate)]) + initiate
        return bytes([0x61, len(content)]) + content

    # Services

    def receive(self, apdu):
        if apdu[0] == Command.AARQ:
            return self.associate(apdu)
        if apdu[0] == Command.RELEASE_REQUEST:
            self.reset(True)
            return b"\x63\x03\x80\x01\x00"
        if apdu[0] in (Command.GLO_GET_REQUEST, Command.GLO_SET_REQUEST, Command.GLO_METHOD_REQUEST):
            return self.protect(self.answer(self.open(apdu)))
        # Who associated with ciphering has to use it.
        return b"\xd8\x01\x01" if self.is_ciphered else self.answer(apdu)

    @property
    def is_ciphered(self):
        return self.settings.cipher.security != Security.NONE

    def open(self, apdu):
        settings, cipher = self.settings, self.settings.cipher
        parameters = AesGcmParameter(0, settings.sourceSystemTitle, cipher.blockCipherKey, cipher.authenticationKey)
        return bytes(GXCiphering.decrypt(settings, parameters, GXByteBuffer(apdu)))

    def answer(self, request):
        tag, choice, invoke = request[0], request[1], request[2:3]
        if tag == Command.METHOD_REQUEST:
            return b"\xc7\x01" + invoke + self.prove(request[1:])
        if not self.settings.connected & ConnectionState.DLMS:
            return b"\xd8\x01\x01"
        if tag == Command.SET_REQUEST:
            say("write attempted")
            return b"\xc5\x01" + invoke + bytes([READ_WRITE_DENIED])
        if tag != Command.GET_REQUEST or choice not in (1, 2):
            return b"\xd8\x02\x02"
        if choice == 2:
            return self.block(invoke, int.from_bytes(request[3:7], "big") + 1)
        value = attribute(request[3:])
        if isinstance(value, int):
            return b"\xc4\x01" + invoke + bytes([1, value])
        if len(value) <= BLOCK:
            return b"\xc4\x01" + invoke + b"\x00" + value
        self.blocks = [value[start : start + BLOCK] for start in range(0, len(value), BLOCK)]
        return self.block(invoke, 1)

    def block(self, invoke, number):
        head = b"\xc4\x02" + invoke
        if not 1 <= number <= len(self.blocks):
            result = BLOCK_NUMBER if self.blocks else NO_LONG_GET
            return head + b"\x01" + number.to_bytes(4, "big") + bytes([1, result])
        is_last = number == len(self.blocks)
        content = self.blocks[number - 1]
        return head + bytes([is_last]) + number.to_bytes(4, "big") + b"\x00" + length(len(content)) + content

    def prove(self, request):
        """The only method: the client's proof, answered by the meter's."""
        is_proof = request[2:13] == b"\x00\x0f\x00\x00\x28\x00\x00\xff\x01\x01\x09"
        if not is_proof or self.security != "hls-gmac":
            say("write attempted")
            return bytes([READ_WRITE_DENIED, 0])
        settings, proof = self.settings, request[14:]
        counter = int.from_bytes(proof[1:5], "big")
        secure = GXSecure.secure
        wanted = secure(settings, settings.cipher, counter, settings.stoCChallenge, settings.sourceSystemTitle)
        if bytes(wanted) != proof:
            return bytes([OTHER, 0])
        settings.connected = settings.connected | ConnectionState.DLMS
        own = settings.cipher.invocationCounter
        settings.cipher.invocationCounter += 1
        proof = secure(settings, settings.cipher, own, settings.ctoSChallenge, SYSTEM_TITLE)
        return b"\x00\x01\x00" + octets(bytes(proof))

    def protect(self, plain):
        """Under the global key, as all answers of a ciphered association: C4 becomes CC, 08 becomes 28."""
        cipher = self.settings.cipher
        if not self.is_ciphered or plain[0] == 0xD8:
            return plain
        tag = 0x28 if plain[0] == 0x08 else plain[0] + 8
        parameters = AesGcmParameter(tag, SYSTEM_TITLE, cipher.blockCipherKey, cipher.authenticationKey)
        parameters.security = cipher.security
        parameters.invocationCounter = cipher.invocationCounter
        cipher.invocationCounter += 1
        return bytes(GXCiphering.encrypt(parameters, plain))

    def onValidateAuthentication(self, authentication, password):
        if authentication != MECHANISMS[self.security]:
            return SourceDiagnostic.AUTHENTICATION_MECHANISM_NAME_NOT_RECOGNISED
        if authentication == Authentication.LOW and bytes(password or b"") != PASSWORD:
            return SourceDiagnostic.AUTHENTICATION_FAILURE
        if self.is_ciphered != (self.security == "hls-gmac"):
            return SourceDiagnostic.NOT_SUPPORTED
        return SourceDiagnostic.NONE


class Connection(socketserver.StreamRequestHandler):
    """Version 1, source port, destination port and length before each message."""

    def handle(self):
        meter = Meter(self.server.security)
        while len(header := self.rfile.read(8)) == 8:
            version, source, destination, count = struct.unpack(">4H", header)
            apdu = self.rfile.read(count)
            if version != 1 or len(apdu) < max(count, 1):
                return
            if (source, destination) == (1, 1):
                answer = meter.receive(apdu)
                self.wfile.write(struct.pack(">4H", 1, destination, source, len(answer)) + answer)


class Listener(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("security", choices=MECHANISMS)
    parser.add_argument("--port", type=int, default=0, help="0 for a free one")
    arguments = parser.parse_args()
    # The library tells of each message that it ciphers.
    sys.stdout = sys.stderr
    with Listener(("127.0.0.1", arguments.port), Connection) as listener:
        listener.security = arguments.security
        say(f"ready {listener.server_address[1]}")
        listener.serve_forever()


if __name__ == "__main__":
    main()
