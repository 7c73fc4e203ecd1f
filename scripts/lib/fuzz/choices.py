"""What a person can ask for."""

import argparse
import pathlib

from options import positive

_DESCRIPTION = """\
Gives bytes that nobody expects to every framer, decoder, session and stored state, and lets libFuzzer find those that
reach something new. Fails where one of them traps, hangs, leaks, is slow or takes much memory, and says how to do it
again."""

_MORE = """\
what is a finding:
  a trap, a failed precondition of the target or a report of the address sanitizer;
  memory that nobody frees, but for what Tests/Fuzz/leaks.txt names with its reason;
  an input that takes more than 100 ms of processor time, twice (10 s without --release);
  an allocation of more than 256 MiB, or a process that grows by more than 256 MiB beyond what it has at its start.

  A finding becomes a file in Tests/Fuzz/Corpus/<target>, which FuzzTests gives to its target from then on, and a test
  that says by its name what was wrong.

where things are:
  .build/fuzz                          the program without optimisation
  .build/fuzz-release-…                those with it: protocols, daemon
  .build/fuzz-corpus/<target>          inputs that reached something new; later runs go on from them
  .build/fuzz-findings                 what was found
  docs/fuzz.json                       executions and results of all runs with --record
  docs/robustness.md                   the table that is made of it"""


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="scripts/fuzz",
        description=_DESCRIPTION,
        epilog=_MORE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("targets", nargs="*", metavar="TARGET", help="as sml.framer, or the beginning of names as sml; all for all")
    long = parser.add_mutually_exclusive_group()
    long.add_argument("--minutes", type=positive, metavar="N", help="for each target; 1 where nothing is said")
    long.add_argument("--seconds", type=positive, metavar="N", help="for each target")
    long.add_argument("--runs", type=positive, metavar="N", help="executions of each target, however long that takes")
    long.add_argument("--wanted", action="store_true", help="until each target has as many executions as are wanted")
    add("--seed", type=positive, metavar="N", help="equal seeds begin with the same inputs (chance)")
    add("--release", action="store_true", help="the code as it is released")
    add("--jobs", type=positive, metavar="N", default=1, help="targets at once")
    add("--record", action="store_true", help="add the executions to docs/fuzz.json, and write the table")
    add("--list", action="store_true", help="print the targets, and do nothing")
    add("--table", action="store_true", help="write the table of docs/robustness.md, and do nothing")
    add("--input", type=pathlib.Path, metavar="FILE", help="give this file to the one target, and nothing else")
    chosen = parser.parse_args(arguments)
    if not chosen.targets and not chosen.list and not chosen.table:
        parser.error("name a target, or all")
    return chosen
