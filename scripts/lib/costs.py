"""Counts what one reading costs, in instructions and allocations, and compares it with what it may cost.

The program Costs does each piece of work so often and twice as often: the difference is the work alone. Counts repeat
where times do not, so that they may decide. Called by scripts/check-costs.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

# How much more than was stored something may cost: another processor has other copies of the C library's functions.
MARGIN = 0.10
# What a count may differ by when it is taken again, of what it is.
NOISE = 0.02
# Where allocations are few, one more is no matter.
SLACK = 0.5


def main():
    parser = argparse.ArgumentParser(prog="scripts/check-costs")
    parser.add_argument("program", type=pathlib.Path, help="Costs, without debugging information")
    parser.add_argument("preload", type=pathlib.Path, help="the library that counts allocations")
    parser.add_argument("limits", type=pathlib.Path, help="what each piece of work may cost")
    parser.add_argument("--update", action="store_true", help="store what is counted as what is allowed")
    arguments = parser.parse_args()
    counter = Counter(arguments.program.resolve(), arguments.preload.resolve())
    allowed = {} if arguments.update else json.loads(arguments.limits.read_text())
    names = counter.names()
    repeats = all([repeat(counter, name) for name in names[:1]])
    counted = {name: counter.cost(name) for name in names}
    if arguments.update:
        arguments.limits.write_text(json.dumps(counted, indent=2) + "\n")
        return 0
    kept = [compare(name, counted[name], allowed.get(name)) for name in names]
    gone = [name for name in allowed if name not in counted]
    for name in gone:
        print(f"FAILED  {name}: is not counted any more")
    print(f"Costs: {sum(kept)} of {len(kept)}")
    return 0 if repeats and all(kept) and not gone else 1


def repeat(counter, name):
    """Counts are worth something only where they are the same again."""
    first, second = counter.cost(name), counter.cost(name)
    same = all(abs(first[what] - second[what]) <= NOISE * max(first[what], 1) for what in first)
    print(f"{'ok     ' if same else 'FAILED '} counts repeat: {describe(first)}, {describe(second)}")
    return same


def compare(name, counted, allowed):
    if allowed is None:
        print(f"FAILED  {name}: {describe(counted)}; nothing is stored for it")
        return False
    fits = (
        counted["instructions"] <= allowed["instructions"] * (1 + MARGIN)
        and counted["allocations"] <= allowed["allocations"] * (1 + MARGIN) + SLACK
    )
    more = counted["instructions"] / allowed["instructions"] - 1
    print(f"{'ok     ' if fits else 'FAILED '} {name}: {describe(counted)} ({more:+.1%}; stored {describe(allowed)})")
    return fits


def describe(cost):
    return f"{cost['instructions']:.0f} instructions, {cost['allocations']:.1f} allocations"


class Counter:
    def __init__(self, program, preload):
        self._program = program
        self._preload = preload
        # Dictionaries are hashed with another seed in each process otherwise.
        self._environment = {**os.environ, "SWIFT_DETERMINISTIC_HASHING": "1"}

    def names(self):
        listed = subprocess.run([self._program, "list"], capture_output=True, text=True, check=True)
        return listed.stdout.splitlines()

    def cost(self, name):
        """Of one time, by so many more times of it."""
        few, many = 128, 384
        with tempfile.TemporaryDirectory() as folder:
            instructions = [self._instructions(name, times, folder) for times in (few, many)]
            allocations = [self._allocations(name, times, folder) for times in (few, many)]
        return {
            "instructions": round((instructions[1] - instructions[0]) / (many - few), 1),
            "allocations": round((allocations[1] - allocations[0]) / (many - few), 2),
        }

    def _instructions(self, name, times, folder):
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out"]
        self._run(command + [self._program, "run", name, str(times)], folder, {})
        return int(re.search(r"^totals: (\d+)", pathlib.Path(folder, "out").read_text(), re.MULTILINE)[1])

    def _allocations(self, name, times, folder):
        file = pathlib.Path(folder, "allocations")
        more = {"LD_PRELOAD": str(self._preload), "OBISD_ALLOCATIONS": str(file)}
        self._run([self._program, "run", name, str(times)], folder, more)
        return int(file.read_text())

    def _run(self, command, folder, more):
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env={**self._environment, **more})
        if done.returncode != 0:
            sys.exit(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}{done.stderr[-2000:]}")


if __name__ == "__main__":
    sys.exit(main())
