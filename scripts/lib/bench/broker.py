"""A private mosquitto on a free port of the loopback interface."""

import pathlib
import shutil
import socket
import subprocess

from children import Failed, Program, until

# The default settings but for what keeps a slow subscriber whole and small packets from waiting.
_SETTINGS = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence {keeps}
persistence_location {folder}/
user {user}
set_tcp_nodelay true
max_queued_messages 0
max_queued_bytes 0
log_dest stderr
log_type error
log_type warning
"""


def program():
    return shutil.which("mosquitto") or shutil.which("/usr/sbin/mosquitto")


def version():
    if not program():
        return None
    text = subprocess.run([program(), "-h"], capture_output=True, text=True).stdout
    return text.splitlines()[0].removeprefix("mosquitto version ") if text else None


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Broker(Program):
    """Runs when it is made, with a port that is free or the given one.

    One that keeps has the sessions of its subscribers, with what waits for them, again after an orderly end.
    """

    def __init__(self, folder, user, port=None, keeps=False):
        if not program():
            raise Failed("there is no mosquitto here")
        self.port = port or free_port()
        settings = pathlib.Path(folder, "mosquitto.conf")
        settings.write_text(
            _SETTINGS.format(port=self.port, user=user, keeps=str(keeps).lower(), folder=pathlib.Path(folder))
        )
        super().__init__("the broker", [program(), "-c", str(settings)], pathlib.Path(folder, "mosquitto.log"))
        try:
            until(lambda: _listens(self.port), 10, lambda: "the broker listens", self.check, pause=0.01)
        except BaseException:
            self.process.kill()
            raise
