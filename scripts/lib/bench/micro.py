"""Figures of single parts (decoders, rules, …), which a program of its own measures and prints as JSON lines:

    {"name": "decode sml", "unit": "frames", "per_second": [812345.0, …]}
"""

import json
import subprocess

from children import Failed
from figures import Wanted

_PROGRAM = ["swift", "run", "-c", "release", "Costs", "measure"]
_PATIENCE = 3600


def measure(root, figures, is_quick):
    command = _PROGRAM + (["0.1"] if is_quick else [])
    try:
        ended = subprocess.run(
            command, cwd=root, stdout=subprocess.PIPE, text=True, timeout=_PATIENCE
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
