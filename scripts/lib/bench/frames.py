"""SML files as an electricity meter pushes them, made so cheaply that the meters do not disturb what is measured.

A file of 232 bytes: the server's id, import, export, power and three voltages, each message and the file with its
CRC-16/X25. Everything that changes from reading to reading is made of the bits of the reading's number n, each of which
flips certain bits of the file, the checksums included: the difference of two checksums depends on the difference of
the contents alone. So file n is the XOR of the meter's file 0 and of one constant for each bit of n.
"""

# Readings of a meter are numbered from 0 up to here: three bytes.
NUMBERS = 1 << 24
# What the import counter shows at reading 0, in tenths of Wh: the lowest three bytes are the number's.
FIRST_IMPORT = 5 * NUMBERS
# A file has this length whatever the numbers are.
LENGTH = 232

ESCAPE = bytes.fromhex("1b1b1b1b")


def _crc_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x8408 if value & 1 else 0)
        table.append(value)
    return table


_TABLE = _crc_table()


def x25(data):
    """CRC-16/X25, as it stands in the file: the low byte first."""
    crc = 0xFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return (crc ^ 0xFFFF).to_bytes(2, "little")


# --- One file, the plain way -----------------------------------------------------------------------------------------


def build(meter, number):
    """The file of a meter's reading, in bytes."""
    server = bytes.fromhex("0a01424e4300") + (10_000_000 + meter).to_bytes(4, "big")
    messages = (
        _message(1, number, 0x0101, bytes.fromhex("760101") + _uint32(3, number) + _octets(server) + b"\x01\x01")
        + _message(2, number, 0x0701, _list(server, number))
        + _message(3, number, 0x0201, b"\x71\x01")
    )
    fill = -len(messages) % 4
    file = ESCAPE + b"\x01\x01\x01\x01" + messages + bytes(fill) + ESCAPE + bytes([0x1A, fill])
    return file + x25(file)


def _message(place, number, tag, content):
    # The place is the first byte of the transaction's id, so that ids differ within a file too.
    message = b"\x76" + _uint32(place, number) + b"\x62\x00\x62\x00\x72\x63" + tag.to_bytes(2, "big") + content
    return message + b"\x63" + x25(message) + b"\x00"


def _list(server, number):
    entries = [
        _entry("0100010800ff", 30, -1, b"\x66" + _import(number).to_bytes(5, "big")),
        _entry("0100020800ff", 30, -1, b"\x66" + _export(number).to_bytes(5, "big")),
        _entry("0100100700ff", 27, 0, b"\x53" + _power(number).to_bytes(2, "big")),
    ] + [
        _entry(code, 35, -1, b"\x63" + _voltage(number, phase).to_bytes(2, "big"))
        for phase, code in enumerate(["0100200700ff", "0100340700ff", "0100480700ff"])
    ]
    head = b"\x77\x01" + _octets(server) + bytes.fromhex("070100620affff") + b"\x01" + bytes([0x70 | len(entries)])
    return head + b"".join(entries) + b"\x01\x01"


def _entry(code, unit, scaler, value):
    return b"\x77\x07" + bytes.fromhex(code) + b"\x01\x01\x62" + bytes([unit, 0x52, scaler & 0xFF]) + value + b"\x01"


def _octets(data):
    return bytes([len(data) + 1]) + data


def _uint32(first, number):
    """A string of four octets."""
    return bytes([5, first]) + number.to_bytes(3, "big")


# --- What a reading shows --------------------------------------------------------------------------------------------
# Each is made of bits of the number and of constants beside them, by XOR alone.


def _import(number):
    """In tenths of Wh: rises with every reading, so that none repeats another."""
    return FIRST_IMPORT ^ number


def _export(number):
    """In tenths of Wh."""
    return 2 * NUMBERS ^ number >> 6


def _power(number):
    """1024 to 1279 W. Low bits of the number turn into high ones, so that the power goes up and down."""
    return 1024 ^ int(f"{number & 0xFF:08b}"[::-1], 2)


def _voltage(number, phase):
    """230.4 to 231.9 V, in tenths."""
    return 2304 ^ (number >> phase & 0x0F)


def number_of(counter):
    """The number of the reading, of its import as JSON has it (`8388608.1`, in Wh)."""
    whole, _, tenths = counter.partition(b".")
    return int(whole) * 10 + int(tenths or b"0") - FIRST_IMPORT


# --- Many files ------------------------------------------------------------------------------------------------------


def _number(file):
    return int.from_bytes(file, "big")


def _differences():
    """For each of the three bytes of a number, what each of its values flips in a file."""
    plain = _number(build(0, 0))
    bits = [_number(build(0, 1 << bit)) ^ plain for bit in range(24)]
    tables = []
    for byte in range(3):
        table = [0]
        for bit in bits[8 * byte : 8 * byte + 8]:
            table += [value ^ bit for value in table]
        tables.append(table)
    return tables


class Frames:
    """The files of some meters, with ids from 0."""

    def __init__(self, meters):
        self._low, self._middle, self._high = _differences()
        self._firsts = [build(meter, 0) for meter in range(meters)]
        self._numbers = [_number(file) for file in self._firsts]
        self._blocks = {}

    def __len__(self):
        return len(self._firsts)

    def _difference(self, number):
        return self._low[number & 0xFF] ^ self._middle[number >> 8 & 0xFF] ^ self._high[number >> 16]

    def file(self, meter, number):
        return (self._numbers[meter] ^ self._difference(number)).to_bytes(LENGTH, "big")

    def block(self, meter, first, count):
        """Files one after the other, in bytes."""
        size = LENGTH * count
        return (_number(self._firsts[meter] * count) ^ self._block(first, count)).to_bytes(size, "big")

    def _block(self, first, count):
        """What differs is the same for all meters, which are at about the same number."""
        block = self._blocks.get((first, count))
        if block is None:
            differences = (self._difference(number) for number in range(first, first + count))
            block = _number(b"".join(value.to_bytes(LENGTH, "big") for value in differences))
            if len(self._blocks) > 200:
                self._blocks.clear()
            self._blocks[first, count] = block
        return block
