"""What one measurement needs around the daemon, and the end of all of it."""

import contextlib
import getpass
import shutil
import tempfile
import time

import children
import plain
import usage
from broker import Broker, free_port
from daemon import Daemon, sml_stanzas
from meters import Meters
from subscriber import Subscriber


class Stage:
    """A folder on the disk that is measured, and what runs in it. Leaving the block ends and removes everything."""

    def __init__(self, bench):
        self._bench = bench
        self._parts = []
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="run-", dir=self._bench.directory)
        self._stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        return self

    def __exit__(self, *exception):
        return self._stack.__exit__(*exception)

    def _add(self, part):
        self._parts.append(part)
        self._stack.callback(self.end, part)
        return part

    def end(self, part):
        """Before the others."""
        if part in self._parts:
            self._parts.remove(part)
            part.stop()

    def broker(self, port=None):
        return self._add(Broker(self.folder, getpass.getuser(), port))

    def port_without_broker(self):
        return free_port()

    def subscriber(self, broker, kind):
        return self._add(Subscriber(broker.port, kind))

    def meters(self, kind, count):
        return self._add(Meters(kind, count))

    def worker(self, name, function, *arguments):
        return self._add(children.Worker(name, function, *arguments))

    def daemon(self, transports, port):
        bench, stanzas = self._bench, sml_stanzas(transports)
        return self._add(Daemon(bench.binary, self.folder, stanzas, port, bench.discovery))

    def plain(self, transports, port):
        """In the daemon's place."""
        return self._add(plain.Collector(self._bench.plain, self.folder, transports, port))

    def check(self):
        for part in list(self._parts):
            part.check()

    def rest(self, seconds):
        """Lets it run, and sees that all of it does."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            children.rest(min(left, 0.25))
            self.check()


class Interval:
    """What happened between two moments: begins when it is made, ends with `end`."""

    def __init__(self, daemon, subscriber=None, others=()):
        self._daemon, self._subscriber, self._others = daemon, subscriber, others
        self._first = self._look()

    def _look(self):
        return {
            "time": time.monotonic_ns(),
            "cpu": usage.cpu_seconds(self._daemon.id),
            "ticks": usage.cpu_ticks(self._daemon.id),
            "wake_ups": usage.wake_ups(self._daemon.id),
            "readings": self._subscriber.received if self._subscriber else 0,
            "machine": usage.machine_seconds(),
            "self": time.process_time(),
            "others": [usage.cpu_seconds(part.id) for part in self._others],
        }

    def end(self):
        last = self._look()
        self.start, self.stop = self._first["time"], last["time"]
        self.seconds = (self.stop - self.start) / 1e9
        for name in ("cpu", "ticks", "wake_ups", "readings"):
            setattr(self, name, last[name] - self._first[name])
        others = [after - before for before, after in zip(self._first["others"], last["others"])]
        # Of one processor, by the last word of each one's name: broker, subscriber, meters.
        self.shares = {
            part.name.split()[-1]: round(used / self.seconds, 2) for part, used in zip(self._others, others)
        }
        # What had nothing to do with the measurement.
        own = last["self"] - self._first["self"]
        strange = last["machine"] - self._first["machine"] - self.cpu - sum(others) - own
        self.disturbance = max(0.0, strange) / self.seconds
        return self
