"""What a person can ask for."""

import argparse
import pathlib

ROWS = ["cpu", "latency", "memory", "throughput", "backlog", "start", "idle", "fleet", "growth", "micro"]

_DESCRIPTION = """\
Measures the whole daemon, in a release build, between generated meters and a private broker. Prints one table; exit
code 0 whatever the figures are, 1 where something could not be measured."""

_MORE = """\
rows:
  cpu         processor time of the daemon per 1 000 readings: serial meters (pseudo-terminals) to the broker at QoS 1
  latency     from the last byte of a reading to the subscriber; and what the broker alone takes for such messages
  memory      resident and anonymous memory, threads; what one more meter takes
  throughput  readings per second that the broker has acknowledged, each synced to the disk before
  backlog     the largest journal, which filled while the broker was down: how fast it drains, in order, and what memory
              that takes
  start       from exec to READY=1 with the largest journal
  idle        wake-ups per second with one meter that sends every 10 s
  fleet       thousands of TCP meters, one reading every 10 s each
  growth      the same things for 1 to 10 000 meters, and for journals of 10 000 to 1 000 000 rows
  micro       single parts, by a program of its own

how:
  Meters send SML files of 232 bytes, whose counters rise with every reading: made by this program, in a process of
  its own. TCP meters are addresses of 127.0.0.0/8 behind one listening socket; serial ones are pseudo-terminals.
  The broker is a mosquitto on a free loopback port with its default settings, but for `persistence false`,
  `set_tcp_nodelay true`, and queues without a limit, so that it drops nothing for a slow subscriber.
  The daemon has its default settings, but for `drain_rate: unlimited`, a journal that may become large and no Home
  Assistant discovery (see --discovery). Its journal lies on a disk: on a file system in memory a sync costs nothing.
  Latency begins before the write of a whole file and ends when the subscriber, again a process of its own, has it.
  The plain program (plain.c, with libsml) does the same work and promises nothing: what it takes says how fast this
  machine is.
  Processor time is that of all threads, from /proc. What other programs used of the processors meanwhile is in the
  JSON: figures of a machine that does something else at the same time are too high.

The full form takes about 20 minutes for each repeat, and needs 8 GiB on the disk."""


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description=_DESCRIPTION,
        epilog=_MORE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--only", type=_rows, metavar="ROW,…", help="these rows only")
    add("--quick", action="store_true", help="a short form of all: few seconds, small sizes, one repeat")
    add("--repeat", type=positive, metavar="N", help="how often everything is measured, in turns (3)")
    add("--seconds", type=positive, metavar="N", help="how long each thing is measured (30)")
    add("--meters", type=positive, metavar="N", help="of cpu, latency, memory, throughput and backlog (50)")
    add("--rates", type=_numbers, metavar="N,…", help="readings per second in all, of cpu and latency (50,1000)")
    add("--fleet", type=positive, metavar="N", help="meters of fleet (10000)")
    add("--growth", type=_numbers, metavar="N,…", help="meters of growth (1,10,100,1000,10000)")
    add("--rows", type=_numbers, metavar="N,…", help="rows of journals (10000,100000,1000000)")
    add("--discovery", choices=["off", "device", "entity"], default="off", help="Home Assistant discovery (off)")
    add("--binary", type=pathlib.Path, metavar="FILE", help="the obisd to measure (default: build one for release)")
    add("--directory", type=pathlib.Path, help="where journals lie (default: .build/bench)")
    add("--output", type=pathlib.Path, metavar="FILE", help="write all samples as JSON")
    add("--compare", nargs=2, type=pathlib.Path, metavar=("A", "B"), help="compare two such files, and measure nothing")
    options = parser.parse_args(arguments)
    _complete(options)
    return options


_FULL = {
    "repeat": 3,
    "seconds": 30,
    "meters": 50,
    "rates": [50, 1000],
    "fleet": 10_000,
    "growth": [1, 10, 100, 1000, 10_000],
    "rows": [10_000, 100_000, 1_000_000],
}
_QUICK = _FULL | {"repeat": 1, "seconds": 5, "fleet": 500, "growth": [1, 10, 100], "rows": [2000, 20_000]}


def _complete(options):
    for name, value in (_QUICK if options.quick else _FULL).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    if options.only is None:
        options.only = ROWS


def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not positive")
    return value


def _numbers(text):
    return [positive(part) for part in text.split(",")]


def _rows(text):
    names = text.split(",")
    for name in names:
        if name not in ROWS:
            raise argparse.ArgumentTypeError(f"there is no row {name}; there are {', '.join(ROWS)}")
    return [row for row in ROWS if row in names]
