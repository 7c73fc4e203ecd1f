"""What a person can ask for."""

import argparse
import pathlib

from options import positive

_DESCRIPTION = """\
Lets the daemon run between simulated meters of all protocols and a private broker while things fail at random, and
accounts for every reading. Prints what happened as tables; exit code 1, with the reason, where a promise is broken."""

_MORE = """\
what happens:
  Endurance: one daemon, while the broker is stopped and started again, or frozen (SIGSTOP); lines are unplugged, five
  meters at a time; the daemon itself is stopped and goes on (SIGSTOP, SIGCONT); and half of the meters that push send
  damaged messages now and then. Ten times on the way nothing fails for 75 s, and memory, descriptors and threads
  are looked at: of memory the lowest counts, since the daemon gives back once a minute what its heap holds free.
  Kills: afterwards the daemon is killed (SIGKILL) and started again, at times with the broker down.
  Account: everything the journal has came to the subscriber, with the same bytes, in order and without a hole.

what is promised:
  anonymous memory of the one process, its lowest of 75 s, after all readings at most 1 MiB above that after a tenth of
  them (of at least 1 000 000 readings; 8 MiB in shorter runs, whose tenth is still part of the beginning); no more
  descriptors in the second half of the looks than in the first, and no more threads but for two that the runtime's pools
  start and end as work comes; the daemon never ends by itself; every seq is accounted for.

how:
  Meters are `obisd simulate` of the same program, ten processes of up to five meters; those that push do so many times
  a second, which is the only way in which time is accelerated: the daemon's own clocks and retry times are those of
  life. The broker keeps the subscriber's session over its (orderly) restarts; it is not killed, since what it loses
  with that is not the daemon's to keep. Faults, their order and their lengths follow from the seed."""


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="scripts/soak",
        description=_DESCRIPTION,
        epilog=_MORE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--short", action="store_true", help="the form of scripts/test, about a minute")
    add("--meters", type=positive, default=50, metavar="N", help="simulated meters (50)")
    add("--readings", type=positive, metavar="N", help="so many readings, without those of the kills (1000000)")
    add("--hours", type=float, default=0, metavar="H", help="go on at least so long")
    add("--rate", type=positive, metavar="N", help="readings per second in all that meters push (600)")
    add("--kills", type=int, metavar="N", help="how often the daemon is killed (20)")
    add("--seed", type=int, default=1, metavar="S", help="equal seeds make equal faults (1)")
    add("--binary", type=pathlib.Path, metavar="FILE", help="this obisd (default: built as it is released)")
    add("--directory", type=pathlib.Path, help="where the journal lies (default: .build/soak)")
    add("--output", type=pathlib.Path, metavar="FILE", help="write everything as JSON")
    chosen = parser.parse_args(arguments)
    for name, value in (_SHORT if chosen.short else _FULL).items():
        if getattr(chosen, name) is None:
            setattr(chosen, name, value)
    return chosen


_FULL = {"readings": 1_000_000, "rate": 600, "kills": 20}
_SHORT = {"readings": 5_000, "rate": 150, "kills": 3}
