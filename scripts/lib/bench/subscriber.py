"""Who the readings are for, in a process of its own: notes when each arrives, or whether any is missing."""

import array
import time

import frames
import mqtt
from children import WithWorker, Worker, flag, until

_IMPORT = b'"1-0:1.8.0*255":{"value":'
_SEQ = b'"seq":'


class Subscriber(WithWorker):
    """Subscribes to the readings of all meters when it is made.

    - `arrivals`: notes the time of each reading, for latencies;
    - `order`: checks that `seq` counts the readings of each meter.
    """

    def __init__(self, port, kind, node="bench"):
        self._received, self._bytes = flag(), flag()
        work = {"arrivals": _note_arrivals, "order": _check_order, "echoes": _note_echoes}[kind]
        self._worker = Worker("the subscriber", work, self._received, self._bytes, port, node)
        self._worker.receive(20)

    @property
    def received(self):
        """Readings so far."""
        return self._received.value

    @property
    def mean_size(self):
        """Of a reading's payload, in bytes."""
        return self._bytes.value // max(1, self.received)

    def wait_for(self, count, patience, check=lambda: None):
        until(lambda: self.received >= count, patience, lambda: f"{count} readings arrive; {self.received} have", check)


def _each(pipe, stop, port, topic, received, sizes):
    """Batches of (topic, payload, time of arrival in ns), acknowledged when the next is asked for."""
    connection = mqtt.Connection(port, f"bench-{topic.split('/')[-1]}")
    connection.subscribe(topic)
    connection.socket.settimeout(0.2)
    pipe.send("subscribed")
    while not stop.value:
        packets = connection.receive()
        now = time.monotonic_ns()
        batch, answers, size = [], [], 0
        for first, content in packets:
            topic, payload, answer = mqtt.publication(first, content)
            if answer:
                answers.append(answer)
            size += len(payload)
            batch.append((topic, payload))
        if answers:
            connection.socket.settimeout(10)
            connection.socket.sendall(b"".join(answers))
            connection.socket.settimeout(0.2)
        yield now, batch
        sizes.value += size
        received.value += len(batch)
    connection.close()


def _meter(topic):
    """`bench/m00042/reading` is of meter 42; base and node stand in front."""
    return int(topic[-13:-8])


def _note_arrivals(pipe, stop, received, sizes, port, node):
    """Returns meters, numbers of readings and times, as arrays of the same length."""
    meters, numbers, times = array.array("l"), array.array("q"), array.array("q")
    for now, batch in _each(pipe, stop, port, f"obisd/{node}/+/reading", received, sizes):
        for topic, payload in batch:
            start = payload.index(_IMPORT) + len(_IMPORT)
            counter = payload[start : start + 24].split(b",", 1)[0].split(b"}", 1)[0]
            meters.append(_meter(topic))
            numbers.append(frames.number_of(counter))
            times.append(now)
    return meters, numbers, times


def _check_order(pipe, stop, received, sizes, port, node):
    """Returns the newest seq of each meter, how many were missing in front of others, and how many came again."""
    newest, missing, repeated = {}, 0, 0
    for _, batch in _each(pipe, stop, port, f"obisd/{node}/+/reading", received, sizes):
        for topic, payload in batch:
            start = payload.index(_SEQ) + len(_SEQ)
            seq = int(payload[start : payload.index(b",", start)])
            before = newest.get(topic, 0)
            if seq == before + 1:
                newest[topic] = seq
            elif seq <= before:
                repeated += 1
            else:
                missing += seq - before - 1
                newest[topic] = seq
    return {_meter(topic): seq for topic, seq in newest.items()}, missing, repeated


# --- The broker's share ----------------------------------------------------------------------------------------------


def _note_echoes(pipe, stop, received, sizes, port, node):
    """Returns the latencies of messages that carry the time at which they were sent, in ns."""
    latencies = array.array("q")
    for now, batch in _each(pipe, stop, port, f"obisd/{node}/+/echo", received, sizes):
        for _, payload in batch:
            latencies.append(now - int(payload[:20]))
    return latencies


def publish_echoes(pipe, stop, port, node, rate, size):
    """Publishes messages with the time in front at QoS 1, as many per second and as large as readings are."""
    connection = mqtt.Connection(port, "bench-publisher")
    connection.socket.setblocking(False)
    start, count = time.monotonic_ns(), 0
    while not stop.value:
        pause = start + count * 1_000_000_000 // rate - time.monotonic_ns()
        if pause > 0:
            time.sleep(min(pause, 200_000_000) / 1e9)
            continue
        connection.receive()
        payload = str(time.monotonic_ns()).zfill(20).encode().ljust(size)
        connection.socket.sendall(mqtt.publish(f"obisd/{node}/meter/echo", count % 65535 + 1, payload))
        count += 1
    return count
