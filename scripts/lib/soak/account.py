"""Who the readings are for, and whether all came: a process of its own that connects again whenever the broker is back."""

import array
import re
import sqlite3
import time
import zlib

import mqtt
from children import Failed, WithWorker, Worker, flag

_SEQ = re.compile(rb'"seq":(\d+)')
_NAME = "soak-account"


class Account(WithWorker):
    """The result: for each meter the checksums of its readings from seq 1 on; repeats; sentences about what is wrong."""

    def __init__(self, port, node):
        self._readings, self._connections = flag(), flag()
        self._worker = Worker("the account", _keep, port, node, self._readings, self._connections)
        self._worker.receive(20)

    @property
    def readings(self):
        """Different ones so far."""
        return self._readings.value

    @property
    def connections(self):
        return self._connections.value


def _keep(pipe, stop, port, node, readings, connections):
    known, problems, repeated = {}, [], 0
    connection = _connect(port, node, 20, stop)
    connections.value += 1
    pipe.send("subscribed")
    while not stop.value:
        try:
            batch, answers = _take(connection)
            for topic, payload in batch:
                is_new = _enter(known, problems, topic.split(b"/")[-2].decode(), payload)
                readings.value += is_new
                repeated += not is_new
            if answers:
                connection.socket.settimeout(60)
                connection.socket.sendall(answers)
        except (Failed, OSError):
            connection.close()
            connection = _connect(port, node, 600, stop)
            if connection is None:
                break
            connections.value += 1
    return known, repeated, problems


def _connect(port, node, patience, stop):
    """Nothing where it is to end."""
    end = time.monotonic() + patience
    while not stop.value:
        try:
            connection = mqtt.Connection(port, _NAME, patience=60, keeps=True)
            connection.subscribe(f"obisd/{node}/+/reading")
            return connection
        except (Failed, OSError):
            if time.monotonic() > end:
                raise Failed("the broker does not come back") from None
            time.sleep(0.1)
    return None


def _take(connection):
    """Readings that have come as (topic, payload), and what to answer when they are entered."""
    connection.socket.settimeout(0.2)
    batch, answers = [], []
    for first, content in connection.receive():
        topic, payload, answer = mqtt.publication(first, content)
        answers.append(answer)
        batch.append((topic, payload))
    return batch, b"".join(answers)


def _enter(known, problems, meter, payload):
    """Whether it is the next one of its meter."""
    seq, checksum = int(_SEQ.search(payload).group(1)), zlib.crc32(payload)
    sums = known.setdefault(meter, array.array("L"))
    if seq == len(sums) + 1:
        sums.append(checksum)
        return True
    if seq > len(sums):
        if len(problems) < 20:
            problems.append(f"{meter}: {seq} came after {len(sums)}")
        sums.extend([0] * (seq - len(sums) - 1) + [checksum])
        return True
    if sums[seq - 1] != checksum and len(problems) < 20:
        problems.append(f"{meter}: {seq} came again, and was another one")
    return False


# --- The journal -----------------------------------------------------------------------------------------------------


def newest(journal):
    """The last seq of each meter."""
    with sqlite3.connect(f"file:{journal}?mode=ro", uri=True) as database:
        return dict(database.execute("SELECT name, last_seq FROM meter WHERE last_seq > 0"))


def compare(journal, known):
    """Sentences about what differs between the journal, after its daemon ended, and what came."""
    problems = []
    with sqlite3.connect(f"file:{journal}?mode=ro", uri=True) as database:
        (gaps,) = database.execute("SELECT count(*) FROM gap").fetchone()
        if gaps:
            problems.append(f"the journal tells of {gaps} gaps")
        for identity, meter, last in database.execute("SELECT id, name, last_seq FROM meter WHERE last_seq > 0").fetchall():
            sums = known.get(meter, ())
            if len(sums) != last:
                problems.append(f"{meter}: the journal has {last} readings, {len(sums)} came")
            rows = database.execute("SELECT seq, payload FROM reading WHERE meter = ? ORDER BY seq", (identity,))
            expected = 1
            for seq, payload in rows:
                if seq != expected:
                    problems.append(f"{meter}: {seq} follows {expected - 1} in the journal")
                if seq <= len(sums) and sums[seq - 1] != zlib.crc32(payload):
                    problems.append(f"{meter}: {seq} came with other bytes than the journal has")
                expected = seq + 1
    return problems
