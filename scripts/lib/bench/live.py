"""Meters that send at their pace: what a reading costs, how long it takes, what memory the daemon has."""

import time

from children import until
from figures import Wanted, amount, quantile
from stage import Interval, Stage
from subscriber import publish_echoes

# The sizes for which something is wanted.
METERS = 50
SLOW, FAST = 50, 1000
# In all, where the number of meters grows.
GROWTH_RATE = 200
# Of the fleet, each meter.
FLEET_INTERVAL = 10
IDLE_INTERVAL = 10
# However long the others are measured.
IDLE_SECONDS = 30


class Live:
    """What was seen of so many meters of a kind with so many readings per second in all; also with the plain program in
    the daemon's place.
    """

    def __init__(self, bench, kind, count, rate, seconds, warm_up, echo=False, is_plain=False):
        with Stage(bench) as stage:
            broker = stage.broker()
            subscriber = stage.subscriber(broker, "arrivals")
            meters = stage.meters(kind, count)
            daemon = (stage.plain if is_plain else stage.daemon)(meters.transports, broker.port)
            self.start_time = daemon.start_time
            until(lambda: meters.calls == count, 60 + count / 100, lambda: "the daemon opens all lines", stage.check)
            # A port is seen when it has its speed, and drops what came before a moment later.
            stage.rest(1)
            meters.pace(rate)
            stage.rest(warm_up)
            self.settling = warm_up + _settle(meters, subscriber, stage, rate)
            interval = Interval(daemon, subscriber, (broker, subscriber, meters))
            stage.rest(seconds)
            self.interval = interval.end()
            self.memory = daemon.memory()
            self._follow(meters, subscriber, stage)
            self.size = subscriber.mean_size
            bench.saw(daemon, interval)
            for part in (daemon, meters, subscriber):
                stage.end(part)
            self.broker_latencies = _echoes(stage, broker, rate, self.size, seconds) if echo else []

    def _follow(self, meters, subscriber, stage):
        """Matches what was sent with what arrived. All of it has to."""
        sent = meters.result()
        subscriber.wait_for(len(sent), 30 + meters.count / 100, stage.check)
        latencies = []
        for meter, number, arrival in zip(*subscriber.result()):
            moment = sent[number * meters.count + meter]
            if self.interval.start <= moment < self.interval.stop:
                latencies.append((arrival - moment) / 1e6)
        self.latencies = sorted(latencies)

    @property
    def cost(self):
        """Of 1 000 readings, in ms of one processor."""
        return self.interval.cpu / max(1, self.interval.readings) * 1e6

    @property
    def load(self):
        """In % of one processor."""
        return 100 * self.interval.cpu / self.interval.seconds

    @property
    def note(self):
        return {
            "readings": self.interval.readings,
            "bytes_of_one": self.size,
            "cpu_by_ticks_s": round(self.interval.ticks, 2),
            "wake_ups_per_s": round(self.interval.wake_ups / self.interval.seconds, 1),
            "other_programs_cores": round(self.interval.disturbance, 2),
        }

    def latency(self, share):
        return quantile(self.latencies, share)

    @property
    def distribution(self):
        """In ms."""
        shares = (0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1)
        return {f"p{100 * share:g}": round(self.latency(share), 3) for share in shares} | {"count": len(self.latencies)}


def _settle(meters, subscriber, stage, rate):
    """At first a daemon also tells the broker of every meter. Waits until readings arrive as they are sent; returns how
    long that took, in s.
    """
    begun = time.monotonic()
    enough = max(20, rate / 2)
    until(
        lambda: meters.sent - subscriber.received <= enough,
        60 + meters.count / 20,
        lambda: f"the daemon keeps up with {amount(rate)} readings/s; of {meters.sent} have come {subscriber.received}",
        stage.check,
    )
    return time.monotonic() - begun


def _echoes(stage, broker, rate, size, seconds):
    """How long the broker alone takes for messages like these, in ms."""
    subscriber = stage.subscriber(broker, "echoes")
    publisher = stage.worker("the publisher", publish_echoes, broker.port, "bench", rate, size)
    stage.rest(min(seconds, 10))
    count = publisher.result()
    subscriber.wait_for(count, 10, stage.check)
    return sorted(latency / 1e6 for latency in subscriber.result())


# --- Rows ------------------------------------------------------------------------------------------------------------


def serial(bench, count, rate):
    """Rows cpu, latency and memory."""
    live = Live(bench, "serial", count, rate, bench.seconds, bench.warm_up, echo=count > 1 and bench.wants("latency"))
    add = bench.figures.add
    what = f"{amount(count)} serial {'meter' if count == 1 else 'meters'}, {amount(rate)}/s in all"
    costs, latencies, memories = {
        (METERS, SLOW): (
            Wanted(300, "373–411, no journal"),
            (Wanted(1.2, "0.75, nothing stored"), Wanted(5, "4, nothing stored")),
            (Wanted(40, "14.8"), Wanted(10), Wanted(12, "102")),
        ),
        (METERS, FAST): (Wanted(150, "269, no journal"), (None, None), (None, None, Wanted(12))),
        (1, 1): (None, (None, None), (Wanted(36, "12.5"), Wanted(6), Wanted(12, "4"))),
    }.get((count, rate), (None, (None, None), (None, None, None)))
    if count > 1:
        add("cpu", f"CPU per 1 000 readings: {what}", "ms", live.cost, costs, live.note)
        name = "last byte to subscriber"
        add("latency", f"{name}, median: {what}", "ms", live.latency(0.5), latencies[0], live.distribution)
        add("latency", f"{name}, p99: {what}", "ms", live.latency(0.99), latencies[1])
    if live.broker_latencies:
        for name, share in (("median", 0.5), ("p99", 0.99)):
            value = quantile(live.broker_latencies, share)
            add("latency", f"  of that the broker alone, {name}: {amount(rate)}/s", "ms", value)
    if count > 1:
        _compare(bench, live, count, rate)
    add("memory", f"resident memory: {what}", "MiB", live.memory["resident"], memories[0], live.memory)
    add("memory", f"  of that anonymous: {what}", "MiB", live.memory["anonymous"], memories[1])
    add("memory", f"threads: {what}", "", live.memory["threads"], memories[2])


def _compare(bench, live, count, rate):
    """What the plain program takes for the same work in the same minute."""
    plain = Live(bench, "serial", count, rate, bench.seconds, 2, is_plain=True)
    add, each = bench.figures.add, f"{amount(rate)}/s"
    add("cpu", f"  a plain program, which stores nothing: {each}", "ms", plain.cost, None, plain.note)
    add("cpu", f"  times that: {each}", "", live.cost / plain.cost)
    add("latency", f"  with a plain program, median: {each}", "ms", plain.latency(0.5), None, plain.distribution)
    add("latency", f"  with a plain program, p99: {each}", "ms", plain.latency(0.99))


def further_meter(bench, few, many):
    """Row memory: what one more meter takes."""
    small, large = (_grown(bench, count) for count in (few, many))
    per_meter = (large.memory["anonymous"] - small.memory["anonymous"]) * 1024 / (many - few)
    name = f"memory per further meter: {few} → {amount(many)} TCP meters"
    bench.figures.add("memory", name, "KiB", per_meter, Wanted(24, "~46 and 2 threads"))
    bench.figures.add("memory", f"threads: {amount(many)} TCP meters", "", large.memory["threads"], Wanted(12))


def idle(bench):
    """Row idle."""
    seconds = max(IDLE_SECONDS, bench.seconds)
    live = Live(bench, "serial", 1, 1 / IDLE_INTERVAL, seconds, IDLE_INTERVAL + 2)
    rate = live.interval.wake_ups / live.interval.seconds
    name = f"wake-ups per second: 1 serial meter, 1 reading per {IDLE_INTERVAL} s"
    bench.figures.add("idle", name, "1/s", rate, Wanted(5, "284"), live.note)
    bench.figures.add("idle", "  and CPU", "% of a core", live.load)


def fleet(bench, count):
    """Row fleet."""
    live = Live(bench, "tcp", count, count / FLEET_INTERVAL, bench.seconds, 2 * FLEET_INTERVAL + count / 1000)
    is_full = count == 10_000
    what = f"{amount(count)} TCP meters, 1 reading per {FLEET_INTERVAL} s each"
    add = bench.figures.add
    add("fleet", f"CPU: {what}", "% of a core", live.load, Wanted(60) if is_full else None, live.note)
    add("fleet", "  resident memory", "MiB", live.memory["resident"], Wanted(350) if is_full else None, live.memory)
    add("fleet", "  of that anonymous", "MiB", live.memory["anonymous"])
    add("fleet", "  start to READY", "s", live.start_time)
    add("fleet", "  from the first reading until they arrive as they are sent", "s", live.settling)
    add("fleet", "  threads", "", live.memory["threads"], Wanted(12) if is_full else None)
    add("fleet", "  latency, median", "ms", live.latency(0.5), None, live.distribution)
    add("fleet", "  latency, p99", "ms", live.latency(0.99))


def growth(bench, count):
    """Row growth, by the number of meters."""
    live = _grown(bench, count)
    what = f"{amount(count)} TCP {'meter' if count == 1 else 'meters'}"
    add = bench.figures.add
    add("growth", f"CPU per 1 000 readings, {GROWTH_RATE}/s: {what}", "ms", live.cost, None, live.note)
    add("growth", f"latency at {GROWTH_RATE}/s, median: {what}", "ms", live.latency(0.5), None, live.distribution)
    add("growth", f"latency at {GROWTH_RATE}/s, p99: {what}", "ms", live.latency(0.99))
    add("growth", f"resident memory: {what}", "MiB", live.memory["resident"], None, live.memory)
    add("growth", f"anonymous memory: {what}", "MiB", live.memory["anonymous"])
    add("growth", f"threads: {what}", "", live.memory["threads"])
    add("growth", f"start to READY: {what}", "s", live.start_time)


def _grown(bench, count):
    # The first readings of all meters come at 1 000/s.
    return Live(bench, "tcp", count, GROWTH_RATE, bench.seconds, bench.warm_up + count / 1000)
