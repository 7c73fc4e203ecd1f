"""The daemon under measurement."""

import json
import os
import pathlib
import shutil
import signal
import socket
import time

import usage
from children import Failed, Program

# More than any journal here becomes: nothing is to be dropped while it is measured.
_CONFIGURATION = """\
node: {node}
broker: {{host: 127.0.0.1, port: {port}, drain_rate: unlimited}}
home_assistant: {{discovery: {discovery}}}
journal: {{path: {journal}, max_size: 64GiB}}
include: meters/*.yaml
"""

# One document may not have those of ten thousand.
_METERS_IN_FILE = 1000

# What the address of a local socket may have.
_LONGEST_PATH = 107


class Daemon(Program):
    """Runs and is ready when it is made. `start_time` says how long that took, in s.

    Its meters are stanzas as YAML has them on one line, without the braces.
    """

    def __init__(self, binary, folder, stanzas, port, discovery="off", node="bench"):
        self.journal = pathlib.Path(folder, "journal.db")
        self._control = f"{self.journal}.control"
        if len(self._control) > _LONGEST_PATH:
            raise Failed(f"the path {self._control} is too long for a socket; name a shorter one with --directory")
        configuration = pathlib.Path(folder, "obisd.yaml")
        text = _CONFIGURATION.format(node=node, port=port, journal=self.journal, discovery=discovery)
        configuration.write_text(text)
        _write_meters(pathlib.Path(folder, "meters"), stanzas)
        with _Readiness(pathlib.Path(folder, "notify")) as readiness:
            started = time.monotonic()
            super().__init__(
                "the daemon",
                [str(binary), "run", "--config", str(configuration)],
                pathlib.Path(folder, "obisd.log"),
                {"NOTIFY_SOCKET": str(readiness.path)},
            )
            try:
                readiness.wait(self, 60 + len(stanzas) / 20)
            except BaseException:
                self.process.kill()
                raise
            self.start_time = time.monotonic() - started

    def status(self):
        """What it says of itself, as `obisd status --format json` prints it."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(30)
            connection.connect(self._control)
            connection.sendall(b'{"verb":"status"}\n')
            answer = b"".join(iter(lambda: connection.recv(1 << 20), b""))
        return json.loads(answer)["status"]

    def stop(self):
        """Ends it as a service manager does."""
        was_running = self.process.poll() is None
        if was_running:
            self.resume()
        code = super().stop()
        if was_running and code != 0:
            raise Failed(f"the daemon ended with {code} when it was asked to; its log:\n{self.tail()}")

    @property
    def journaled(self):
        """Readings that its journal has."""
        return self.status()["journal"]["readings"]

    def pause(self):
        os.kill(self.id, signal.SIGSTOP)

    def resume(self):
        os.kill(self.id, signal.SIGCONT)

    def memory(self):
        return usage.memory(self.id)


def sml_stanzas(transports):
    return [f"id: m{meter:05d}, protocol: sml, transport: {transport}" for meter, transport in enumerate(transports)]


def _write_meters(folder, stanzas):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for first in range(0, len(stanzas), _METERS_IN_FILE):
        lines = [f"  - {{{stanza}}}\n" for stanza in stanzas[first : first + _METERS_IN_FILE]]
        text = "meters:\n" + "".join(lines)
        (folder / f"{first:05d}.yaml").write_text(text)


class _Readiness:
    """The service manager's socket, on which the daemon says that it is ready."""

    def __init__(self, path):
        self.path = path

    def __enter__(self):
        self.path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))
        self._socket.settimeout(0.2)
        return self

    def __exit__(self, *_):
        self._socket.close()
        self.path.unlink(missing_ok=True)

    def wait(self, daemon, patience):
        end = time.monotonic() + patience
        while time.monotonic() < end:
            try:
                if b"READY=1" in self._socket.recv(4096):
                    return
            except TimeoutError:
                daemon.check()
        raise Failed(f"the daemon is not ready after {patience:g} s; its log:\n{daemon.tail()}")
