"""Meters that send as fast as the daemon takes it, and journals with many readings in them."""

import os
import pathlib
import shutil
import tempfile
import time

import plain
from children import Failed, rest, until
from figures import Wanted, amount, quantile
from live import METERS, SLOW
from stage import Interval, Stage

# Starts that are measured for each journal.
STARTS = 5
# Bytes of a message, as a reading has them.
_READING = 1000
# Nothing is so slow that a row takes longer; more is a fault.
_SLOWEST = 500


def throughput(bench, count, has_subscriber):
    """Row throughput: readings that the broker has acknowledged, each synced before it was published."""
    with Stage(bench) as stage:
        broker = stage.broker()
        subscriber = stage.subscriber(broker, "order") if has_subscriber else None
        meters = stage.meters("tcp", count)
        daemon = stage.daemon(meters.transports, broker.port)
        until(lambda: meters.calls == count, 60, lambda: "the daemon opens all lines", stage.check)
        meters.flood(0, 1 << 23)
        stage.rest(bench.warm_up)
        others = [part for part in (broker, subscriber, meters) if part]
        interval, before = Interval(daemon, None, others), daemon.status()
        stage.rest(bench.seconds)
        after = daemon.status()
        interval.end()
        bench.saw(daemon, interval)
        journaled = after["journal"]["readings"] - before["journal"]["readings"]
        acknowledged = after["broker"]["acknowledged"] - before["broker"]["acknowledged"]
        note = {
            "journaled_per_s": round(journaled / interval.seconds),
            "waiting_at_the_end": after["journal"]["backlog"],
            "daemon_cores": round(interval.cpu / interval.seconds, 2),
            "other_programs_cores": round(interval.disturbance, 2),
        } | {f"{name}_cores": value for name, value in interval.shares.items()}
        if subscriber:
            stage.end(meters)
            _, missing, repeated = subscriber.result()
            note |= {"missing": missing, "repeated": repeated}
    wanted = Wanted(12000, "42 000, nothing stored", at_least=True) if count == METERS and not subscriber else None
    who = "one subscriber" if has_subscriber else "no subscriber"
    name = f"readings acknowledged: {count} TCP meters without pause, {who}"
    bench.figures.add("throughput", name, "1/s", acknowledged / interval.seconds, wanted, note)
    cost = interval.cpu / max(1, acknowledged) * 1e6
    bench.figures.add("throughput", f"  CPU per 1 000 of them, {who}", "ms", cost)
    if not has_subscriber:
        _compare(bench, acknowledged / interval.seconds, count == METERS)


# Of the wanted and the existing figure.
_WANTED_SHARE = 12_000 / 42_000


def _compare(bench, rate, is_wanted):
    """What a program that stores nothing publishes in the same minute."""
    with Stage(bench) as stage:
        bare = plain.publish(bench.plain, stage.broker().port, _READING, bench.seconds)
    bench.figures.add("throughput", "  a bare publisher, which stores nothing, 20 messages under way", "1/s", bare)
    wanted = Wanted(_WANTED_SHARE, at_least=True) if is_wanted else None
    bench.figures.add("throughput", "  of that, with a journal", "", rate / bare, wanted)


# --- Journals --------------------------------------------------------------------------------------------------------


class Journals:
    """Journals full of readings that no broker has had, made once for all repeats, each from the one before."""

    def __init__(self, bench, sizes, count):
        self._bench, self.meters = bench, count
        self._sizes = sorted(sizes)
        self._folder = pathlib.Path(tempfile.mkdtemp(prefix="journals-", dir=bench.directory))

    def rows(self, size):
        """So many that each meter has the same number of them."""
        return -(-size // self.meters) * self.meters

    def copy(self, size, folder):
        """Puts one into a folder."""
        for file in self._of(size).iterdir():
            shutil.copy(file, folder)

    def remove(self):
        shutil.rmtree(self._folder, ignore_errors=True)

    def _of(self, size):
        folder = self._folder / str(size)
        if not folder.exists():
            smaller = [other for other in self._sizes if other < size]
            self._fill(folder, size, smaller[-1] if smaller else None)
        return folder

    def _fill(self, target, size, smaller):
        """The broker is down, and the meters send as fast as they can."""
        bench, add = self._bench, self._bench.figures.add
        with Stage(bench) as stage:
            begun = self.rows(smaller) if smaller else 0
            if smaller:
                self.copy(smaller, stage.folder)
            rows = self.rows(size)
            meters = stage.meters("tcp", self.meters)
            daemon = stage.daemon(meters.transports, stage.port_without_broker())
            until(lambda: meters.calls == self.meters, 60, lambda: "the daemon opens all lines", stage.check)
            before = daemon.memory()
            interval = Interval(daemon, None, (meters,))
            meters.flood(begun // self.meters, (rows - begun) // self.meters)
            patience = (rows - begun) / _SLOWEST + 60
            until(lambda: meters.sent == rows - begun, patience, lambda: "the daemon takes all readings", stage.check)
            until(lambda: daemon.journaled >= rows, patience, lambda: "all are journaled", stage.check, 0.1)
            interval.end()
            bench.saw(daemon, interval)
            after = daemon.memory()
            stage.end(daemon)
            _keep(stage.folder, target)
        if size == self._sizes[-1]:
            name = f"journaled while the broker is down: {amount(rows)} rows"
            note = {"before": before, "after": after}
            wanted = Wanted(at_least=True)
            add("backlog", name, "1/s", (rows - begun) / interval.seconds, wanted, note)
            add("backlog", "  anonymous memory by then", "MiB", after["anonymous"])


def _keep(folder, target):
    """The journal's files, without the socket and the lock."""
    scratch = target.with_name(target.name + ".part")
    scratch.mkdir(parents=True)
    for suffix in ("", "-wal"):
        file = pathlib.Path(folder, f"journal.db{suffix}")
        if file.exists():
            shutil.move(file, scratch)
    scratch.rename(target)


# --- Rows ------------------------------------------------------------------------------------------------------------


def journal(bench, journals, size):
    """Rows backlog and start for the largest journal, and growth for each."""
    rows = journals.rows(size)
    is_largest = size == max(bench.sizes)
    with Stage(bench) as stage:
        journals.copy(size, stage.folder)
        meters = stage.meters("tcp", journals.meters)
        if bench.wants("growth") or bench.wants("start") and is_largest:
            _starts(bench, stage, meters, rows, is_largest)
        if bench.wants("growth") or bench.wants("backlog") and is_largest:
            daemon, broker = _drain(bench, stage, meters, rows, is_largest)
            if bench.wants("growth"):
                _append(bench, stage, daemon, broker, meters, rows)


def _starts(bench, stage, meters, rows, is_largest):
    for attempt in range(STARTS + 1):
        # The first one finds nothing of the journal in memory.
        is_cold = attempt == 0
        if is_cold:
            _forget(stage.folder)
        daemon = stage.daemon(meters.transports, stage.port_without_broker())
        name = f"start to READY{', journal not in memory' if is_cold else ''}: {amount(rows)} rows"
        if is_largest:
            bench.figures.add("start", name, "s", daemon.start_time, Wanted(0.3) if rows == 1_000_000 else None)
        bench.figures.add("growth", name, "s", daemon.start_time)
        stage.end(daemon)


def _forget(folder):
    """Takes the journal out of the kernel's memory, as far as it lets go of it."""
    for file in pathlib.Path(folder).glob("journal.db*"):
        descriptor = os.open(file, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def _drain(bench, stage, meters, rows, is_largest):
    """The broker comes back; its subscriber checks that everything comes in order. Returns what still runs."""
    port = stage.port_without_broker()
    daemon = stage.daemon(meters.transports, port)
    until(lambda: meters.calls == meters.count, 60, lambda: "the daemon opens all lines", stage.check)
    stage.rest(2)
    before = daemon.memory()["anonymous"]
    # Who subscribes later than the daemon comes would miss the first readings.
    daemon.pause()
    broker = stage.broker(port)
    subscriber = stage.subscriber(broker, "order")
    daemon.resume()
    until(lambda: subscriber.received > 0, 30, lambda: "the daemon comes back to the broker", stage.check, 0.01)
    start, first = time.monotonic(), subscriber.received
    interval = Interval(daemon, subscriber, (broker, subscriber, meters))
    peak = before
    end = start + rows / _SLOWEST + 60
    while subscriber.received < rows:
        rest(0.1)
        stage.check()
        peak = max(peak, daemon.memory()["anonymous"])
        if time.monotonic() > end:
            raise Failed(f"only {subscriber.received} of {rows} readings have come to the subscriber")
    seconds = time.monotonic() - start
    bench.saw(daemon, interval.end())
    newest, missing, repeated = subscriber.result()
    stage.end(subscriber)
    are_all = len(newest) == meters.count and all(seq == rows // meters.count for seq in newest.values())
    note = {"in_order_and_whole": are_all and missing == 0, "missing": missing, "repeated": repeated}
    note |= {"other_programs_cores": round(interval.disturbance, 2), "daemon_cores": round(interval.cpu / seconds, 2)}
    note |= {f"{name}_cores": value for name, value in interval.shares.items()}
    if not note["in_order_and_whole"]:
        bench.complain(f"the backlog of {amount(rows)} readings came with {missing} missing, {repeated} repeated")
    _add_drain(bench, rows, is_largest, (rows - first) / seconds, peak - before, note)
    return daemon, broker


def _add_drain(bench, rows, is_largest, rate, grown, note):
    rate_name, memory_name = f"drained in order: {amount(rows)} rows", f"anonymous memory for that: {amount(rows)} rows"
    if is_largest:
        is_full = rows == 1_000_000
        wanted = Wanted(12000, "hours", at_least=True) if is_full else Wanted(at_least=True)
        bench.figures.add("backlog", rate_name, "1/s", rate, wanted, note)
        bench.figures.add("backlog", memory_name, "MiB", grown, Wanted(8) if is_full else None)
    bench.figures.add("growth", rate_name, "1/s", rate, Wanted(at_least=True), note)
    bench.figures.add("growth", memory_name, "MiB", grown)


def _append(bench, stage, daemon, broker, meters, rows):
    """How long a reading takes with so many in front of it."""
    subscriber = stage.subscriber(broker, "arrivals")
    first = rows // meters.count
    meters.pace(SLOW, first)
    stage.rest(2 + bench.warm_up / 2)
    begin = time.monotonic_ns()
    stage.rest(bench.seconds / 2)
    end = time.monotonic_ns()
    sent = meters.result()
    subscriber.wait_for(len(sent), 30, stage.check)
    latencies = []
    for meter, number, arrival in zip(*subscriber.result()):
        moment = sent[(number - first) * meters.count + meter]
        if begin <= moment < end:
            latencies.append((arrival - moment) / 1e6)
    latencies.sort()
    for name, share in (("median", 0.5), ("p99", 0.99)):
        what = f"latency at {SLOW}/s, {name}: {amount(rows)} rows"
        bench.figures.add("growth", what, "ms", quantile(latencies, share))
