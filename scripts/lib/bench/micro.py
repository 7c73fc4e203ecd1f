"""Figures of single parts (decoders, rules, …), which a program of its own measures and prints as JSON lines:

    {"name": "sml: decode", "unit": "frames", "per_second": [812345.0, …]}
"""

import json
import os
import subprocess

from children import Failed
from figures import Wanted

# Builds and runs the program, and prints its lines on standard output. With a first argument `quick`, a short form.
_PROGRAM = "scripts/lib/micro-benchmarks"
# Until that script is there.
_PACKAGE = ["swift", "run", "-c", "release", "--package-path", "Tests/Benchmarks", "Benchmarks"]
_PATIENCE = 3600


def measure(root, figures, is_quick):
    program = os.path.join(root, _PROGRAM)
    command = [program] if os.access(program, os.X_OK) else _PACKAGE
    try:
        ended = subprocess.run(
            command + (["quick"] if is_quick else []), cwd=root, stdout=subprocess.PIPE, text=True, timeout=_PATIENCE
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(f"the micro benchmarks could not be run: {error}") from None
    if ended.returncode != 0:
        raise Failed(f"`{' '.join(command)}` ended with {ended.returncode}")
    count = add(ended.stdout, figures)
    if not count:
        raise Failed(f"`{' '.join(command)}` printed no figures")


def add(text, figures):
    """Takes the lines that are figures. Returns their number."""
    count = 0
    for line in text.splitlines():
        if not line.startswith("{"):
            continue
        figure = json.loads(line)
        for sample in figure["per_second"]:
            figures.add("micro", figure["name"], f"{figure['unit']}/s", sample, Wanted(at_least=True))
        count += 1
    return count
