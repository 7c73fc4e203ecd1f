"""Executions and results over all runs, and the table that is made of them."""

import contextlib
import datetime
import fcntl
import json
import re
import subprocess

from program import ROOT

_FILE = ROOT / "docs/fuzz.json"
_PAGE = ROOT / "docs/robustness.md"
_TABLE = re.compile(r"(<!-- fuzz table: scripts/fuzz --table -->\n).*?(<!-- end -->)", re.DOTALL)


class Counts:
    """Of each target: `debug` and `release` executions, `findings`, `covered`, `rate`, and `last`, its newest run."""

    def __init__(self):
        self.targets = json.loads(_FILE.read_text())["targets"] if _FILE.exists() else {}

    def executions(self, name):
        entry = self.targets.get(name, {})
        return entry.get("debug", 0) + entry.get("release", 0)

    @staticmethod
    def record(target, mode, result):
        """Adds one run. Several processes may do so at once."""
        with _locked():
            counts = Counts()
            entry = counts.targets.setdefault(target.name, {"debug": 0, "release": 0, "findings": 0})
            entry.update(kind=target.kind, wanted=target.wanted)
            entry[mode] += result.executions
            entry["findings"] += 1 if result.finding else 0
            entry.setdefault("rate", {})[mode] = result.rate
            entry["covered"] = max(entry.get("covered", 0), result.covered)
            entry["above_baseline"] = max(entry.get("above_baseline", 0), result.peak - result.baseline)
            entry["last"] = {
                "date": datetime.date.today().isoformat(),
                "commit": _commit(),
                "result": "finding" if result.finding else "ok",
            }
            ordered = {name: counts.targets[name] for name in sorted(counts.targets)}
            _FILE.write_text(json.dumps({"targets": ordered}, indent=1, sort_keys=True) + "\n")

    def write_table(self):
        page = _PAGE.read_text()
        changed = _TABLE.sub(lambda found: found[1] + self._table() + found[2], page)
        if changed != page:
            _PAGE.write_text(changed)

    def _table(self):
        lines = ["| target | kind | executions | wanted | edges | findings | last run | result |"]
        lines += ["|---|---|---|---|---|---|---|---|"]
        for name, entry in self.targets.items():
            executions = entry["debug"] + entry["release"]
            last = entry["last"]
            lines.append(
                f"| `{name}` | {entry['kind']} | {_grouped(executions)} | {_grouped(entry['wanted'])} |"
                f" {entry['covered']} | {entry['findings']} | {last['date']}, {last['commit']} | {last['result']} |"
            )
        reached = sum(entry["debug"] + entry["release"] >= entry["wanted"] for entry in self.targets.values())
        total = sum(entry["debug"] + entry["release"] for entry in self.targets.values())
        words = f"{_grouped(total)} executions in all; {reached} of {len(self.targets)} targets have what is wanted."
        lines += ["", words]
        return "\n".join(lines) + "\n"


def _grouped(number):
    return f"{number:,}".replace(",", " ")


def _commit():
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=ROOT)
    return done.stdout.strip() or "?"


@contextlib.contextmanager
def _locked():
    (ROOT / ".build").mkdir(exist_ok=True)
    with open(ROOT / ".build/fuzz.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
