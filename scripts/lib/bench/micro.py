"""Figures of single parts (decoders, rules, …), which a program of its own measures and prints as JSON lines:

    {"name": "decode sml", "unit": "frames", "per_second": [812345.0, …]}
"""

import json
import subprocess

import figures
import machine
import plain
from children import Failed
from figures import Wanted, median

_PATIENCE = 3600

# Frames per second, on one core.
_WANTED = {
    "decode sml": Wanted(600_000, "311 000", at_least=True),
    "decode mbus": Wanted(500_000, "156 000", at_least=True),
    "decode dlms-push": Wanted(400_000, "159 000", at_least=True),
    "decode dlms-push 30": Wanted(200_000, "21 000", at_least=True),
    "decode dlms-push 20": Wanted(250_000, "58 000", at_least=True),
    "decode iec62056-21": Wanted(300_000, "5 600", at_least=True),
    "decode dsmr-p1": Wanted(150_000, "2 100", at_least=True),
}


# The same of the C library for SML, by the figures that stand above.
_WANTED_RATIO = Wanted(600_000 / 311_000, at_least=True)


def measure(bench, root, is_quick):
    program = machine.built(root, "Costs")
    if not add(_printed(program, 0.1 if is_quick else 1), bench.figures):
        raise Failed("the program that measures single parts printed no figures")
    _compare(bench, program, is_quick)


def _printed(program, duration, *name):
    """What the program prints of all parts, or of those with this in their names."""
    command = [program, "measure", str(duration), *name]
    try:
        ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=_PATIENCE)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(f"the single parts could not be measured: {error}") from None
    if ended.returncode != 0:
        raise Failed(f"the program that measures single parts ended with {ended.returncode}")
    return ended.stdout


def _compare(bench, program, is_quick):
    """The C library for SML on the same machine with a frame like that of ours, in turns: a machine changes its speed."""
    duration = 0.02 if is_quick else 0.2
    for _ in range(5):
        theirs = median(plain.parse(bench.plain, bench.directory, duration))
        turn = figures.Figures()
        add(_printed(program, duration, "decode sml"), turn)
        bench.figures.add("micro", "decode sml, by libsml", "frames/s", theirs)
        ours = turn.median("micro", "decode sml")
        bench.figures.add("micro", "decode sml, times that", "", ours / theirs, _WANTED_RATIO)


def add(text, found):
    """Takes the lines that are figures. Returns their number."""
    count = 0
    for line in text.splitlines():
        if not line.startswith("{"):
            continue
        figure = json.loads(line)
        for sample in figure["per_second"]:
            wanted = _WANTED.get(figure["name"], Wanted(at_least=True))
            found.add("micro", figure["name"], f"{figure['unit']}/s", sample, wanted)
        count += 1
    return count
