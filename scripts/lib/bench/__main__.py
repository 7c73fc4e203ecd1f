"""Measures the daemon. Started by scripts/bench, which says how in its help."""

import json
import pathlib
import signal
import sys
import time

import children
import figures
import live
import machine
import micro
import options
import plain
import stored
import usage
from children import Failed

ROOT = pathlib.Path(__file__).resolve().parents[3]


class Bench:
    """What all measurements share."""

    def __init__(self, chosen, binary, directory):
        self.only, self.seconds, self.sizes = chosen.only, chosen.seconds, chosen.rows
        self.warm_up = min(10, max(2, chosen.seconds / 2))
        self.discovery = chosen.discovery
        self.binary, self.directory = binary, directory
        self.figures = figures.Figures()
        self.complaints = []
        self.disturbances = []
        self.sqlite = None
        self._plain = None

    @property
    def plain(self):
        """The program that does the same work without a promise, compiled when it is first asked for."""
        self._plain = self._plain or plain.built(self.directory)
        return self._plain

    def wants(self, row):
        return row in self.only

    def saw(self, daemon, interval):
        """Called with each daemon while it runs."""
        self.disturbances.append(interval.disturbance)
        self.sqlite = self.sqlite or machine.sqlite_version(usage.library(daemon.id, "libsqlite3.so"))

    def complain(self, sentence):
        self.complaints.append(sentence)
        say(f"!! {sentence}")


def say(text):
    print(text, file=sys.stderr, flush=True)


def main(arguments):
    chosen = options.parse(arguments)
    try:
        if chosen.compare:
            return compare(*chosen.compare)
        return measure(chosen)
    except Failed as failure:
        say(f"bench: {failure}")
        return 1


def compare(*paths):
    before, after = (json.loads(path.read_text()) for path in paths)
    for name, run in (("A", before), ("B", after)):
        print(f"{name}: {run['date']}, {run['commit']}, {run['machine']['processor']}, {run['machine']['cores']} cores")
    print()
    print("\n".join(figures.comparison(before["figures"], after["figures"])))
    return 0


# --- Measuring -------------------------------------------------------------------------------------------------------


def measure(chosen):
    # Ends as Ctrl-C does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    children.raise_file_limit()
    binary = chosen.binary.resolve() if chosen.binary else machine.built(ROOT, "obisd")
    directory = (chosen.directory or ROOT / ".build" / "bench").resolve()
    directory.mkdir(parents=True, exist_ok=True)
    if not binary.is_file():
        raise Failed(f"there is no file {binary}")
    bench = Bench(chosen, binary, directory)
    head = machine.describe(ROOT, directory, binary)
    if head["machine"]["file_system"] in ("tmpfs", "ramfs"):
        bench.complain(f"{directory} lies in memory, where a sync costs nothing; name a folder on a disk")
    journals = stored.Journals(bench, chosen.rows, chosen.meters)
    try:
        run(bench, chosen, journals)
    except KeyboardInterrupt:
        say("Ended before everything was measured.")
        bench.complaints.append("ended before everything was measured")
    finally:
        journals.remove()
    head["versions"]["sqlite"] = bench.sqlite
    return finish(bench, chosen, head)


def plan(bench, chosen, journals):
    """What is measured in each repeat, as (sentence, function, arguments)."""
    steps, count = [], chosen.meters
    if bench.wants("memory"):
        steps.append(("1 serial meter", live.serial, 1, 1))
    if bench.wants("cpu") or bench.wants("latency") or bench.wants("memory"):
        rates = chosen.rates if bench.wants("cpu") or bench.wants("latency") else chosen.rates[:1]
        steps += [(f"{count} serial meters, {rate}/s in all", live.serial, count, rate) for rate in rates]
    if bench.wants("memory"):
        many = 200 if chosen.quick else 1000
        steps.append((f"{count} and {many} TCP meters", live.further_meter, count, many))
    if bench.wants("throughput"):
        for has_subscriber in (False, True):
            who = f"{'one' if has_subscriber else 'no'} subscriber"
            steps.append((f"{count} TCP meters without pause, {who}", stored.throughput, count, has_subscriber))
    if bench.wants("idle"):
        steps.append(("1 serial meter every 10 s", live.idle))
    if bench.wants("fleet"):
        steps.append((f"{chosen.fleet} TCP meters, each every 10 s", live.fleet, chosen.fleet))
    if bench.wants("growth"):
        steps += [(f"growth: {meters} TCP meters", live.growth, meters) for meters in chosen.growth]
    if bench.wants("growth") or bench.wants("backlog") or bench.wants("start"):
        sizes = sorted(chosen.rows) if bench.wants("growth") else [max(chosen.rows)]
        steps += [(f"a journal of {size} rows", stored.journal, journals, size) for size in sizes]
    if bench.wants("micro"):
        steps.append(("single parts", lambda bench: micro.measure(bench, ROOT, chosen.quick)))
    return steps


def run(bench, chosen, journals):
    """In turns, so that what disturbs a machine for a while disturbs one sample of many figures."""
    steps = plan(bench, chosen, journals)
    for repeat in range(chosen.repeat):
        for index, (sentence, function, *arguments) in enumerate(steps):
            say(f"[{repeat + 1}/{chosen.repeat}, {index + 1}/{len(steps)}] {sentence}")
            started = time.monotonic()
            try:
                function(bench, *arguments)
            except Failed as failure:
                bench.complain(f"{sentence}: {failure}")
            say(f"    {time.monotonic() - started:.0f} s")


def finish(bench, chosen, head):
    found = [figure.json() for figure in bench.figures.of(options.ROWS) if bench.wants(figure.row)]
    print("\n".join(figures.report(found)))
    place = head["machine"]
    print(
        f"\n{place['processor']}, {place['cores']} cores, Linux {place['kernel']}, {place['file_system']}: "
        f"a sync takes {place['fsync_us']['median']} µs (p99 {place['fsync_us']['p99']})"
    )
    worst = max(bench.disturbances, default=0)
    if worst > 0.2:
        print(f"Other programs kept up to {worst:.1f} cores busy meanwhile: take the figures for provisional.")
    for sentence in bench.complaints:
        print(f"Not measured, or not as it should be: {sentence}")
    if chosen.output:
        document = head | {"options": describe(chosen), "complaints": bench.complaints, "figures": found}
        chosen.output.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    return 1 if bench.complaints else 0


def describe(chosen):
    """The options, without the places of files."""
    names = ("only", "quick", "repeat", "seconds", "meters", "rates", "fleet", "growth", "rows", "discovery")
    return {name: getattr(chosen, name) for name in names}


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
