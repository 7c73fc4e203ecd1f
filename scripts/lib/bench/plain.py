"""The same work without any promise, by a small program (plain.c): what this machine takes for it at the least.

Figures of two machines cannot be compared, but what the daemon takes beside what this program takes can.
"""

import pathlib
import re
import subprocess

import frames
import usage
from children import Failed, Program

_SOURCE = pathlib.Path(__file__).with_name("plain.c")
# As many messages under way as the publisher had with which the figure of another machine was taken.
_WINDOW = 20
_PATIENCE = 60


def built(directory):
    """Compiles it, and says where it is."""
    program = pathlib.Path(directory, "plain")
    command = ["gcc", "-O2", "-o", program, _SOURCE, "-lmosquitto", "-lsml", "-lm"]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    except OSError as error:
        raise Failed(f"the plain program cannot be compiled: {error}") from None
    if done.returncode != 0:
        raise Failed(f"the plain program cannot be compiled:\n{done.stdout}")
    return program


class Collector(Program):
    """In the daemon's place: takes what meters at terminals send, and publishes it. Its start is not measured."""

    start_time = 0

    def __init__(self, program, folder, transports, port):
        terminals = [re.search(r"serial: (\S+),", transport)[1] for transport in transports]
        command = [str(program), "collect", str(port), *terminals]
        super().__init__("the plain program", command, pathlib.Path(folder, "plain.log"))

    def memory(self):
        return usage.memory(self.id)


def parse(program, folder, duration):
    """Frames per second of one core, five times: a file of the meters taken apart and written as JSON."""
    file = pathlib.Path(folder, "plain.sml")
    file.write_bytes(frames.build(0, 1))
    return _numbers([program, "parse", file, str(duration)], 10 * duration + _PATIENCE)


def publish(program, port, size, duration):
    """Messages of so many bytes that the broker acknowledges in a second."""
    command = [program, "publish", str(port), str(size), str(_WINDOW), str(duration)]
    return _numbers(command, duration + _PATIENCE)[0]


def _numbers(command, patience):
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=patience)
    except subprocess.TimeoutExpired:
        raise Failed(f"the plain program takes more than {patience:g} s") from None
    if done.returncode != 0:
        raise Failed(f"the plain program has ended with {done.returncode}: {done.stderr.strip()}")
    return [float(line) for line in done.stdout.splitlines()]
