"""Endurance of the whole daemon. Started by scripts/soak, which says how in its help."""

import contextlib
import getpass
import json
import os
import pathlib
import shutil
import signal
import statistics
import sys
import tempfile
import time

sys.path.insert(1, str(pathlib.Path(__file__).resolve().parents[1] / "bench"))

import account
import children
import choices
import machine
import usage
from account import Account
from broker import Broker
from children import Failed, until
from daemon import Daemon
from faults import Faults
from figures import amount, table
from fleet import Fleet

ROOT = pathlib.Path(__file__).resolve().parents[3]
NODE = "soak"
# From here on a tenth of the readings is no longer part of the beginning.
_LONG = 1_000_000
# Threads that the runtime's pools start and end as work comes.
_POOL = 2
# So long nothing may arrive while nothing is wrong.
_PATIENCE = 120


def say(text):
    print(text, file=sys.stderr, flush=True)


class House:
    """Meters, daemon, broker and account in a folder. Leaving the block ends and removes everything."""

    def __init__(self, chosen, binary, folder):
        self._chosen, self.binary, self.folder = chosen, binary, pathlib.Path(folder)
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        chosen, stack = self._chosen, self._stack
        try:
            self._port = None
            self.start_broker()
            stack.callback(lambda: self.broker.stop())
            self.account = Account(self._port, NODE)
            stack.callback(self.account.stop)
            self.fleet = Fleet(self.binary, self.folder, chosen.meters, chosen.rate, chosen.seed)
            stack.callback(self.fleet.stop)
            self.start_daemon()
            stack.callback(lambda: self.daemon.process.poll() is None and self.daemon.process.kill())
            # Those that call need a daemon that listens.
            self.fleet.plug_all()
        except BaseException:
            stack.close()
            raise
        return self

    def __exit__(self, *exception):
        return self._stack.__exit__(*exception)

    def start_broker(self):
        self.broker = Broker(self.folder, getpass.getuser(), self._port, keeps=True)
        self._port = self.broker.port

    def start_daemon(self):
        self.daemon = Daemon(self.binary, self.folder, self.fleet.stanzas, self._port, node=NODE)

    @contextlib.contextmanager
    def paused(self, program):
        os.kill(program.id, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(program.id, signal.SIGCONT)

    def rest(self, seconds):
        """Lets it run, and sees that what has to run does."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.25))
            self.check()

    def check(self):
        self.daemon.check()
        self.account.check()
        self.fleet.check()

    def calm(self):
        """Waits until nothing waits, and all lines are read again."""
        until(
            lambda: self._status()["broker"]["connected"] and self._status()["journal"]["backlog"] < 200,
            600,
            lambda: f"the backlog drains: {self._status()['journal']['backlog']} wait",
            self.check,
            0.5,
        )
        until(
            lambda: not self._offline(),
            120,
            lambda: "all meters are online again; these are not: " + "; ".join(self._offline()),
            self.check,
            0.5,
        )

    def _status(self):
        return self.daemon.status()

    def _offline(self):
        """Stanzas of the meters that do not answer or push, or whose line is not open, with what the daemon says."""
        stanzas = {stanza.split(",")[0].removeprefix("id: "): stanza for stanza in self.fleet.stanzas}
        meters = [meter for meter in self._status()["meters"] if not meter["online"] or meter["link_error"]]
        return [f"{stanzas[meter['id']]} ({meter.get('link_error') or 'no error'})" for meter in meters]


# --- Endurance -------------------------------------------------------------------------------------------------------


def look(house, started, is_short):
    """What the daemon takes of the machine at a calm moment: the median of some looks; of memory the lowest.

    Once a minute the daemon gives back what its heap holds free, so that the lowest of more than a minute is what it
    needs, and what is above comes and goes.
    """
    house.calm()
    looks = []
    for _ in range(5 if is_short else 150):
        house.rest(0.2 if is_short else 0.5)
        kinds = usage.descriptors(house.daemon.id)
        looks.append(house.daemon.memory() | {"descriptors": sum(kinds.values())})
    point = {name: statistics.median_low(look[name] for look in looks) for name in looks[0]}
    point["anonymous"], point["highest"] = (pick(look["anonymous"] for look in looks) for pick in (min, max))
    point |= {"readings": house.account.readings, "seconds": round(time.monotonic() - started)}
    point |= {"descriptor_kinds": dict(kinds), "thread_names": dict(usage.thread_names(house.daemon.id))}
    say(
        f"  {amount(point['readings'])} readings, {point['seconds']} s: {point['anonymous']:.2f} to "
        f"{point['highest']:.2f} MiB anonymous, {point['descriptors']:.0f} descriptors, {point['threads']:.0f} threads"
    )
    return point


def endure(house, chosen, faults):
    """Faults until there are enough readings, and ten looks on the way."""
    started, points = time.monotonic(), []
    last, moved = -1, started
    for tenth in range(1, 11):
        wanted = chosen.readings * tenth // 10
        until_time = started + 3600 * chosen.hours * tenth / 10
        # The first look is behind one fault of each kind at least.
        while house.account.readings < wanted or time.monotonic() < until_time or 0 in faults.counts.values():
            faults.next()
            if house.account.readings > last:
                last, moved = house.account.readings, time.monotonic()
            if time.monotonic() - moved > _PATIENCE:
                raise Failed(f"no reading has come for {_PATIENCE} s; the daemon's log:\n{house.daemon.tail()}")
        points.append(look(house, started, chosen.short))
    return points


def settle(house, result):
    """Ends the meters, then the daemon, and waits until the account has what the journal has."""
    house.fleet.stop()
    until(lambda: house.daemon.status()["journal"]["backlog"] == 0, 600, lambda: "the last readings leave", house.check)
    result["stream"] = house.daemon.status()["stream"]
    house.daemon.stop()
    whole = sum(account.newest(house.daemon.journal).values())
    with contextlib.suppress(Failed):
        until(lambda: house.account.readings >= whole, 60, lambda: "all have come", house.account.check)
    known, repeated, problems = house.account.result()
    problems += account.compare(house.daemon.journal, known)
    result |= {"journaled": whole, "arrived": sum(map(len, known.values())), "repeated": repeated}
    result["meters_heard"] = len(known)
    return problems


# --- Promises --------------------------------------------------------------------------------------------------------


def promises(chosen, points, result, problems):
    """(sentence, wanted, found, whether it is kept)."""
    first, last = points[0], points[-1]
    growth = last["anonymous"] - first["anonymous"]
    limit = 1 if chosen.readings >= _LONG else 8
    rows = [
        (
            f"anonymous memory after {amount(last['readings'])} readings above that after {amount(first['readings'])}",
            f"≤ {limit} MiB",
            f"{growth:+.2f} MiB",
            growth <= limit,
        )
    ]
    for name, slack in (("descriptors", 0), ("threads", _POOL)):
        # A line can be between two attempts just then, and a pool short of a thread.
        before, after = (max(point[name] for point in half) for half in (points[:5], points[5:]))
        wanted = f"≤ {before + slack}" if slack else str(before)
        rows.append((f"{name}, most of the later five looks", wanted, str(after), after - before <= slack))
    heard = result["meters_heard"]
    rows.append(("meters of which readings came", str(chosen.meters), str(heard), heard == chosen.meters))
    rows.append(
        (
            "readings of the journal that arrived",
            amount(result["journaled"]),
            amount(result["arrived"]),
            result["arrived"] == result["journaled"],
        )
    )
    rows.append(("holes, wrong order, other bytes, gaps", "0", str(len(problems)), not problems))
    return rows


def report(chosen, faults, points, result, rows):
    looks = [("readings", "s", "anonymous MiB, lowest", "highest", "resident MiB", "descriptors", "threads")]
    for point in points:
        looks.append(
            (
                amount(point["readings"]),
                str(point["seconds"]),
                f"{point['anonymous']:.2f}",
                f"{point['highest']:.2f}",
                f"{point['resident']:.1f}",
                str(point["descriptors"]),
                f"{point['threads']:.0f}",
            )
        )
    happened = [("fault", "times", "s")]
    happened += [(kind, str(count), f"{faults.seconds[kind]:.0f}") for kind, count in faults.counts.items()]
    happened.append(("daemon killed", str(chosen.kills), ""))
    verdicts = [("promise", "wanted", "found", "")]
    verdicts += [(name, wanted, found, "kept" if is_kept else "BROKEN") for name, wanted, found, is_kept in rows]
    for lines in (table(looks, range(7)), table(happened, (1, 2)), table(verdicts, (1, 2))):
        print("\n".join(lines) + "\n")
    print(f"{amount(result['repeated'])} came again; each was the same.")


# --- One run ---------------------------------------------------------------------------------------------------------


def main(arguments):
    chosen = choices.parse(arguments)
    # Ends as Ctrl-C does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    children.raise_file_limit(4096)
    try:
        return soak(chosen)
    except Failed as failure:
        say(f"soak: {failure}")
        print("Endurance: 0 of 1")
        return 1


def soak(chosen):
    binary = chosen.binary.resolve() if chosen.binary else machine.built(ROOT, "obisd")
    if not binary.is_file():
        raise Failed(f"there is no file {binary}")
    directory = (chosen.directory or ROOT / ".build" / "soak").resolve()
    directory.mkdir(parents=True, exist_ok=True)
    head = machine.describe(ROOT, directory, binary)
    result = {}
    folder = tempfile.mkdtemp(prefix="run-", dir=directory)
    try:
        with House(chosen, binary, folder) as house:
            say(f"{chosen.meters} meters: " + ", ".join(f"{count} {name}" for name, count in house.fleet.protocols.items()))
            faults = Faults(house, chosen.seed, chosen.short)
            points = endure(house, chosen, faults)
            say(f"  the daemon is killed {chosen.kills} times")
            for _ in range(chosen.kills):
                faults.kill()
            house.calm()
            problems = settle(house, result)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    rows = promises(chosen, points, result, problems)
    report(chosen, faults, points, result, rows)
    for sentence in problems[:20]:
        print(f"not so: {sentence}")
    kept = sum(is_kept for *_, is_kept in rows)
    print(f"Endurance: {kept} of {len(rows)}")
    if chosen.output:
        write(chosen, head, faults, points, result, rows, problems)
    return 0 if kept == len(rows) else 1


def write(chosen, head, faults, points, result, rows, problems):
    names = ("short", "meters", "readings", "hours", "rate", "kills", "seed")
    document = head | {
        "options": {name: getattr(chosen, name) for name in names},
        "looks": points,
        "faults": faults.counts,
        "fault_seconds": {kind: round(seconds, 1) for kind, seconds in faults.seconds.items()},
        "result": result,
        "promises": [dict(zip(("promise", "wanted", "found", "kept"), row)) for row in rows],
        "problems": problems,
    }
    chosen.output.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
