"""Meters for the daemon, in a process of their own: behind TCP gateways or on pseudo-terminals."""

import array
import os
import select
import socket
import termios
import time
import tty

import frames
from children import Failed, WithWorker, Worker, flag

# So long the daemon may leave bytes lying, which it does when its journal cannot follow.
_PATIENCE = 30.0
# Files that are made and sent at a time where the daemon is to take as much as it can.
_BLOCK = 256


class Meters(WithWorker):
    """Waits to be told what to send; sends nothing by itself.

    The result: when each reading was sent, in ns; of the n-th reading of meter m, entry n × meters + m.
    """

    def __init__(self, kind, count):
        self.count = count
        self._sent, self._calls = flag(), flag()
        self._worker = Worker("the meters", _run, kind, count, self._sent, self._calls)
        # How the configuration names the ways to them, in their order.
        self.transports = self._worker.receive(60)

    @property
    def sent(self):
        """Readings that have left altogether."""
        return self._sent.value

    @property
    def calls(self):
        """Meters to which the daemon has a connection, or whose line it has set."""
        return self._calls.value

    def pace(self, rate, first=0):
        """From now on so many readings per second in all, evenly; the first of each meter sooner, with this number."""
        self._worker.send("pace", rate, first)

    def flood(self, first, count):
        """From now on as fast as the daemon takes them; each meter so many readings, the first with this number."""
        self._worker.send("flood", first, count)


def _run(pipe, stop, kind, count, sent, calls):
    lines = {"tcp": _Gateways, "serial": _Terminals}[kind](count, calls)
    pipe.send(lines.transports)
    files = frames.Frames(count)
    while not pipe.poll(0.02):
        lines.serve()
        if stop.value:
            return array.array("q")
    order, *arguments = pipe.recv()
    if order == "flood":
        return _flood(stop, lines, files, sent, *arguments)
    return _pace(stop, lines, files, sent, *arguments)


# --- Lines -----------------------------------------------------------------------------------------------------------


class _Terminals:
    """Serial lines as the daemon sees them. (They have no speed of their own.)"""

    def __init__(self, count, calls):
        self._calls = calls
        self._pairs = [os.openpty() for _ in range(count)]
        for master, line in self._pairs:
            tty.setraw(line)
            os.set_blocking(master, False)
        self.transports = [f"{{serial: {os.ttyname(line)}, line: 9600 8N1}}" for _, line in self._pairs]

    def serve(self):
        """Sees who has set a line to its speed. Right after that the daemon drops what came before."""
        speeds = (termios.tcgetattr(line)[5] for _, line in self._pairs)
        self._calls.value = sum(speed == termios.B9600 for speed in speeds)

    def descriptor(self, meter):
        return self._pairs[meter][0]


class _Gateways:
    """One socket listens for all: each meter has an address of 127.0.0.0/8."""

    def __init__(self, count, calls):
        self._listener = socket.create_server(("0.0.0.0", 0), backlog=4096)
        self._listener.setblocking(False)
        self._calls = calls
        self._connections = {}
        self._ends = select.poll()
        port = self._listener.getsockname()[1]
        self._meters = {_address(meter): meter for meter in range(count)}
        self.transports = [f'{{tcp: "{address}:{port}"}}' for address in self._meters]

    def serve(self):
        """Takes in who has called, and lets go of who has gone. The daemon never says anything on these lines."""
        gone = {descriptor for descriptor, _ in self._ends.poll(0)}
        for meter, connection in list(self._connections.items() if gone else ()):
            if connection.fileno() in gone:
                self._ends.unregister(connection)
                self._connections.pop(meter).close()
        while True:
            try:
                connection, _ = self._listener.accept()
            except BlockingIOError:
                break
            meter = self._meters.get(connection.getsockname()[0])
            if meter is None:
                # Somebody from outside of this machine.
                connection.close()
                continue
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 17)
            if meter in self._connections:
                self._ends.unregister(self._connections[meter])
                self._connections[meter].close()
            self._connections[meter] = connection
            self._ends.register(connection, select.POLLIN)
        self._calls.value = len(self._connections)

    def descriptor(self, meter):
        connection = self._connections.get(meter)
        if connection is None:
            raise Failed(f"the daemon has not called meter {meter}")
        return connection.fileno()


def _address(meter):
    return f"127.{1 + meter // 62500}.{meter // 250 % 250}.{1 + meter % 250}"


# --- Sending ---------------------------------------------------------------------------------------------------------


def _pace(stop, lines, files, sent, rate, first):
    """Meters take turns, so that each has its readings at even distances and all of them are spread evenly."""
    times = array.array("q")
    meters = len(files)
    start, index = time.monotonic_ns(), 0
    step = int(1e9 / rate)
    # Nobody is to wait a minute for the first reading of the last of thousands of meters.
    due, first_step = start, min(step, 1_000_000)
    while not stop.value:
        pause = due - time.monotonic_ns()
        if pause > 0:
            time.sleep(min(pause, 200_000_000) / 1e9)
            continue
        turn, meter = divmod(index, meters)
        file = files.file(meter, first + turn)
        descriptor = lines.descriptor(meter)
        # In front of the write, since the daemon may have the last byte before the write returns.
        times.append(time.monotonic_ns())
        _write(descriptor, file, stop)
        index += 1
        sent.value = index
        due += step if turn else first_step
    return times


def _write(descriptor, data, stop):
    """All of it, in one go where there is room."""
    end = time.monotonic() + _PATIENCE
    while data and not stop.value:
        try:
            data = data[os.write(descriptor, data) :]
        except BlockingIOError:
            select.select([], [descriptor], [], 0.2)
            if time.monotonic() > end:
                raise Failed(f"the daemon has not read for {_PATIENCE:g} s") from None
        except OSError as error:
            raise Failed(f"the daemon is gone: {error}") from None


def _flood(stop, lines, files, sent, first, count):
    poller = select.poll()
    waiting = {}
    for meter in range(len(files)):
        descriptor = lines.descriptor(meter)
        waiting[descriptor] = _Stream(files, meter, first, count)
        poller.register(descriptor, select.POLLOUT)
    progress = time.monotonic()
    while waiting and not stop.value:
        for descriptor, _ in poller.poll(200):
            progress = time.monotonic()
            sent.value += waiting[descriptor].send(descriptor)
            if waiting[descriptor].is_done:
                poller.unregister(descriptor)
                del waiting[descriptor]
        if time.monotonic() - progress > _PATIENCE:
            raise Failed(f"the daemon has not read for {_PATIENCE:g} s")
    # The lines stay open: what is in them is still to be read.
    while not stop.value:
        time.sleep(0.05)
    return array.array("q")


class _Stream:
    """The files that one meter still has to send."""

    def __init__(self, files, meter, first, count):
        self._files, self._meter, self._next, self._end = files, meter, first, first + count
        self._block = memoryview(b"")
        self._begun = 0

    @property
    def is_done(self):
        return self._next == self._end and not self._block

    def send(self, descriptor):
        """As much as there is room for. Returns how many files have left with that."""
        if not self._block:
            count = min(_BLOCK, self._end - self._next)
            self._block = memoryview(self._files.block(self._meter, self._next, count))
            self._next += count
        try:
            written = os.write(descriptor, self._block)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise Failed(f"the daemon is gone: {error}") from None
        self._block = self._block[written:]
        files, self._begun = divmod(self._begun + written, frames.LENGTH)
        return files
