"""Coverage-guided fuzzing. Started by scripts/fuzz, which says how in its help."""

import concurrent.futures
import pathlib
import sys

sys.path.insert(1, str(pathlib.Path(__file__).resolve().parents[1] / "bench"))

import choices
from counts import Counts
from program import Failed, programs
from runs import Run

# Where executions are counted and not the time, a run is recorded after so many seconds.
_SLICE = 120


def main():
    chosen = choices.parse(sys.argv[1:])
    if chosen.table:
        Counts().write_table()
        return 0
    pairs = []
    for program in programs(chosen.release, chosen.targets or ["all"]):
        program.build()
        pairs += [(program, target) for target in program.targets]
    if chosen.list:
        for _, target in pairs:
            print(f"{target.name}  {target.kind}")
        return 0
    pairs = select(pairs, chosen.targets)
    if chosen.input:
        return repeat(pairs, chosen.input)
    with concurrent.futures.ThreadPoolExecutor(chosen.jobs) as pool:
        kept = list(pool.map(lambda pair: fuzz(*pair, chosen), pairs))
    if chosen.record:
        Counts().write_table()
    print(f"Fuzzed targets: {sum(kept)} of {len(kept)}")
    return 0 if all(kept) else 1


def select(pairs, names):
    """Programs and their targets with one of the names, or whose names begin so."""
    found = []
    for name in names:
        fitting = [pair for pair in pairs if name in ("all", pair[1].name) or pair[1].name.startswith(name + ".")]
        if not fitting:
            raise Failed(f"there is no target {name}; scripts/fuzz --list prints them")
        found += [pair for pair in fitting if pair not in found]
    return found


def repeat(pairs, file):
    if len(pairs) != 1:
        raise Failed("an input is for one target")
    done = Run(*pairs[0]).repeat(file)
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
