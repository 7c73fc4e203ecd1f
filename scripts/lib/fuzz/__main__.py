"""Coverage-guided fuzzing. Started by scripts/fuzz, which says how in its help."""

import concurrent.futures
import pathlib
import sys

sys.path.insert(1, str(pathlib.Path(__file__).resolve().parents[1] / "bench"))

import choices
from counts import Counts
from program import Failed, Program
from runs import Run

# Where executions are counted and not the time, a run is recorded after so many seconds.
_SLICE = 120


def main():
    chosen = choices.parse(sys.argv[1:])
    if chosen.table:
        Counts().write_table()
        return 0
    program = Program(chosen.release)
    program.build()
    if chosen.list:
        for target in program.targets:
            print(f"{target.name}  {target.kind}")
        return 0
    targets = select(program.targets, chosen.targets)
    if chosen.input:
        return repeat(program, targets, chosen.input)
    with concurrent.futures.ThreadPoolExecutor(chosen.jobs) as pool:
        kept = list(pool.map(lambda target: fuzz(program, target, chosen), targets))
    if chosen.record:
        Counts().write_table()
    print(f"Fuzzed targets: {sum(kept)} of {len(kept)}")
    return 0 if all(kept) else 1


def select(targets, names):
    """Those with one of the names, or whose names begin so."""
    found = []
    for name in names:
        fitting = [target for target in targets if name in ("all", target.name) or target.name.startswith(name + ".")]
        if not fitting:
            raise Failed(f"there is no target {name}; scripts/fuzz --list prints them")
        found += [target for target in fitting if target not in found]
    return found


def repeat(program, targets, file):
    if len(targets) != 1:
        raise Failed("an input is for one target")
    done = Run(program, targets[0]).repeat(file)
    print(done.stdout)
    return done.returncode


def fuzz(program, target, chosen):
    """- Returns: whether nothing was found."""
    for seconds, runs in parts(target, chosen):
        result = Run(program, target).fuzz(seconds, runs, chosen.seed)
        if chosen.record:
            Counts.record(target, program.mode, result)
        tell(result)
        if result.finding:
            return False
    return True


def parts(target, chosen):
    """How long, or how often, one run after the other."""
    if chosen.wanted:
        while Counts().executions(target.name) < target.wanted:
            yield _SLICE, None
    elif chosen.runs:
        yield None, chosen.runs
    else:
        yield chosen.seconds or 60 * (chosen.minutes or 1), None


def tell(result):
    word = "FAILED" if result.finding else "ok    "
    print(
        f"{word} {result.target}: {result.executions} executions, {result.rate} a second, {result.covered} edges,"
        f" memory {result.baseline} to {result.peak} MiB",
        flush=True,
    )
    if result.finding:
        print(result.finding, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as error:
        print(f"fuzz: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
