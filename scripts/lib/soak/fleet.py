"""The meters: of every protocol, on lines of every kind, in groups that are unplugged together."""

import pathlib
import random
import socket

from children import Program, until

# What `obisd simulate` makes, what the stanza says, and the line between them.
_PUSHING = [
    ("dlms-push", "protocol: dlms-push, profile: lg-e450", "tcp"),
    ("sml", "protocol: sml", "tcp"),
    ("dsmr-p1,version=v50", "protocol: dsmr-p1, time_zone: Europe/Amsterdam", "tcp"),
    ("dlms-push,carrier=wrapper", "protocol: dlms-push, profile: lg-e450", "udp"),
    (
        "dlms-push,carrier=mbus,list=pairs,encryption_key=@KEY",
        "protocol: dlms-push, profile: lg-e450-steiermark, encryption_key_file: KEY",
        "tcp",
    ),
    ("iec62056-21,mode=d", "protocol: iec62056-21, mode: d", "tcp"),
    ("dlms-push,carrier=wrapper", "protocol: dlms-push, profile: lg-e450", "call"),
    ("sml", "protocol: sml", "tcp"),
    ("dsmr-p1,version=v50,encryption_key=@KEY", "protocol: dsmr-p1, encryption_key_file: KEY", "tcp"),
    ("dlms-push,carrier=segments", "protocol: dlms-push, profile: lg-e450", "tcp"),
]
# These are asked, each second, or are as slow as their line.
_OTHERS = [
    ("iec62056-21,mode=c", "protocol: iec62056-21, interval: 1s", "tcp"),
    ("mbus,address=7", "protocol: mbus, address: 7, interval: 1s", "tcp"),
    ("dlms-client", "protocol: dlms-client, interval: 1s", "tcp"),
    ("sml,interval=1s", "protocol: sml", "pty 9600 8N1"),
    ("iec62056-21,mode=b,baud=4800", "protocol: iec62056-21, interval: 1s", "rfc2217 300 7E1"),
    ("dlms-push,interval=1s", "protocol: dlms-push, profile: lg-e450", "pty 2400 8E1"),
    ("dsmr-p1,version=v50,interval=1s", "protocol: dsmr-p1", "pty 115200 8N1"),
    ("iec62056-21,mode=c,baud=9600", "protocol: iec62056-21, interval: 1s", "pty 300 7E1"),
]
# Of ten meters, so many push.
_SHARE = 8
_KEY = "000102030405060708090a0b0c0d0e0f"
_GROUP = 5


class Fleet:
    """Stanzas for the daemon, and groups of meters that can be taken away and brought back."""

    def __init__(self, binary, folder, count, rate, seed):
        self._binary, self._folder, self._seed = binary, pathlib.Path(folder), seed
        chance = random.Random(seed)
        key = self._folder / "key"
        key.write_text(_KEY + "\n")
        key.chmod(0o600)
        pushing = sum(meter % 10 < _SHARE for meter in range(count))
        self.protocols = {}
        self.stanzas, simulated = [], []
        for meter in range(count):
            turn, place = divmod(meter, 10)
            is_pushing = place < _SHARE
            if is_pushing:
                what, stanza, line = _PUSHING[(turn * _SHARE + place) % len(_PUSHING)]
                what += f",interval={max(1, round(1000 * pushing / rate))}ms" + _damage(what, chance)
            else:
                what, stanza, line = _OTHERS[(turn * (10 - _SHARE) + place - _SHARE) % len(_OTHERS)]
            where, transport = self._line(meter, line)
            simulated.append(f"{what},{where}".replace("KEY", str(key)))
            self.stanzas.append(f"id: m{meter:03d}, {stanza}, transport: {{{transport}}}".replace("KEY", str(key)))
            protocol = what.split(",")[0]
            self.protocols[protocol] = self.protocols.get(protocol, 0) + 1
        self._members = [simulated[first : first + _GROUP] for first in range(0, count, _GROUP)]
        self._groups = [None] * len(self._members)

    def _line(self, meter, line):
        """For `simulate`, and as a transport."""
        kind, _, settings = line.partition(" ")
        if kind == "pty":
            path = self._folder / f"line{meter:03d}"
            return f"pty={path}", f"serial: {path}, line: {settings}"
        port = _free_port(socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
        return {
            "tcp": (f"tcp={port}", f'tcp: "127.0.0.1:{port}"'),
            "rfc2217": (f"rfc2217={port}", f'rfc2217: "127.0.0.1:{port}", line: {settings}'),
            "udp": (f"udp=127.0.0.1:{port}", f'listen: "udp://127.0.0.1:{port}", from: [127.0.0.0/8]'),
            "call": (f"call=127.0.0.1:{port}", f'listen: "tcp://127.0.0.1:{port}", from: [127.0.0.1]'),
        }[kind]

    def __len__(self):
        return len(self._groups)

    def plug(self, group):
        if self._groups[group] is not None:
            return
        arguments = [word for meter in self._members[group] for word in ("--meter", meter)]
        command = [str(self._binary), "simulate", "--seed", str(self._seed * 1000 + group), *arguments]
        program = Program(f"group {group} of the meters", command, self._folder / f"meters{group}.log")
        self._groups[group] = program
        lines = len(self._members[group])
        until(lambda: _lines(program.log) >= lines, 60, lambda: f"{program.name} is there", program.check)

    def unplug(self, group):
        """As somebody pulls the cable of a hub: nobody says goodbye."""
        program, self._groups[group] = self._groups[group], None
        if program is not None:
            program.process.kill()
            program.process.wait()

    def check(self):
        for program in self._groups:
            if program is not None:
                program.check()

    def plug_all(self):
        for group in range(len(self._groups)):
            self.plug(group)

    def stop(self):
        for group in range(len(self._groups)):
            self.unplug(group)


def _damage(what, chance):
    """Half of those that can damage what they send; wrapper messages have no check, since what carries them has one."""
    if what.startswith("iec62056-21") or "wrapper" in what or chance.random() < 0.5:
        return ""
    return f",noise={chance.randint(20, 200)},flipped_bit={chance.randint(20, 200)}"


# Below those that the system gives to outgoing connections; the port is free until its meter comes back.
_given = set()


def _free_port(kind):
    while True:
        port = random.randrange(15_000, 32_000)
        if port in _given:
            continue
        with socket.socket(type=kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port


def _lines(path):
    return pathlib.Path(path).read_bytes().count(b"\n")
