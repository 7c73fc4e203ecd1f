"""The program that libFuzzer drives: how it is built, what targets it has, how it is run."""

import dataclasses
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
# A second --sanitize would take the place of the first, and leave the fuzzer without coverage.
_SANITIZERS = ["--sanitize", "fuzzer", "-Xswiftc", "-sanitize=fuzzer,address"]


class Failed(Exception):
    """What went wrong, for a person."""


@dataclasses.dataclass(frozen=True)
class Target:
    name: str
    kind: str
    # Executions, over all runs.
    wanted: int
    longest: int


class Program:
    def __init__(self, is_release):
        self.mode = "release" if is_release else "debug"
        # In ms; without optimisation a whole conversation takes a second and more.
        self.slow = 100 if is_release else 10_000
        self._options = ["--package-path", str(ROOT / "Tests/Fuzz/Program")]
        self._options += ["--scratch-path", str(ROOT / (".build/fuzz-release" if is_release else ".build/fuzz"))]
        self._options += (["-c", "release"] if is_release else []) + _SANITIZERS

    def build(self):
        print(f"Building the {self.mode} program for fuzzing", file=sys.stderr, flush=True)
        command = ["swift", "build", *self._options]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        # The linker tells of each hidden symbol of the sanitizer.
        lines = [line for line in done.stdout.splitlines() if "Cannot export local symbol" not in line]
        if done.returncode != 0:
            raise Failed("\n".join(lines[-60:]) + "\nThe program for fuzzing cannot be built")
        print(lines[-1] if lines else "", file=sys.stderr, flush=True)
        folder = subprocess.run(
            ["swift", "build", *self._options, "--show-bin-path"], capture_output=True, text=True, check=True
        ).stdout.strip()
        self.path = pathlib.Path(folder, "Fuzz")
        self.targets = [self._target(line) for line in self.run([], OBISD_FUZZ_LIST="1").stdout.splitlines()]

    @staticmethod
    def _target(line):
        name, kind, wanted, longest = line.split()
        return Target(name, kind, int(wanted), int(longest))

    def environment(self, **more):
        """Traps end the process at once, and freed memory does not pile up."""
        return {
            **os.environ,
            "SWIFT_BACKTRACE": "enable=no",
            "ASAN_OPTIONS": "quarantine_size_mb=8:detect_stack_use_after_return=0",
            "LSAN_OPTIONS": f"suppressions={ROOT / 'Tests/Fuzz/leaks.txt'}:print_suppressions=0",
            **more,
        }

    def run(self, arguments, timeout=None, **environment):
        done = subprocess.run(
            [str(self.path), *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=self.environment(**environment),
            timeout=timeout,
        )
        return done
