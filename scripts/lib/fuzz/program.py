"""The program that libFuzzer drives: how it is built, what targets it has, how it is run."""

import dataclasses
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
# The fuzzer looks at all edges that it is led by after each input, which takes longer than most inputs do. So it is led
# by the modules under test alone, and a program for many executions by those of its targets.
_PROTOCOLS = ["OBIS", "Wire", "IEC62056", "COSEM", "MBus", "SML"]
_DAEMON = ["OBIS", "Metering", "Configuration", "Rules", "Transport", "Journal", "MQTT", "Discovery", "Redaction", "Daemon"]
_COVERED = {"protocols": _PROTOCOLS, "daemon": _DAEMON, "all": _PROTOCOLS + _DAEMON[1:]}
# What the names of targets for protocols begin with.
_OF_PROTOCOLS = {"values", "sml", "p1", "readout", "push", "mbus", "client"}


def programs(is_release, names):
    """Those that these names of targets need: without optimisation one has them all."""
    if not is_release:
        return [Program("debug", "all")]
    parts = [_part(name) for name in names]
    return [Program("release", part) for part in ("protocols", "daemon") if part in parts or "all" in parts]


def _part(name):
    if name == "all":
        return name
    return "protocols" if name.split(".")[0] in _OF_PROTOCOLS else "daemon"


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
    def __init__(self, mode, part):
        self.mode, self.part = mode, part
        # In ms; without optimisation a whole conversation takes a second and more.
        self.slow = 100 if mode == "release" else 10_000
        place = ".build/fuzz" if mode == "debug" else f".build/fuzz-release-{part}"
        self._options = ["--package-path", str(ROOT / "Tests/Fuzz/Program"), "--scratch-path", str(ROOT / place)]
        # The covered modules and the program name the fuzzer themselves; a second --sanitize would not be heard.
        self._options += ["-c", mode, "--sanitize", "address"]

    def build(self):
        print(f"Building the {self.mode} program for fuzzing, {self.part}", file=sys.stderr, flush=True)
        done = self._swift_build()
        # The linker tells of each hidden symbol of the sanitizer.
        lines = [line for line in done.stdout.splitlines() if "Cannot export local symbol" not in line]
        if done.returncode != 0:
            raise Failed("\n".join(lines[-60:]) + "\nThe program for fuzzing cannot be built")
        print(lines[-1] if lines else "", file=sys.stderr, flush=True)
        self.path = pathlib.Path(self._swift_build("--show-bin-path").stdout.splitlines()[-1], "Fuzz")
        targets = [self._target(line) for line in self.run([], OBISD_FUZZ_LIST="1").stdout.splitlines()]
        self.targets = [target for target in targets if self.part in ("all", _part(target.name))]

    def _swift_build(self, *more):
        return subprocess.run(
            ["swift", "build", *self._options, *more],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "OBISD_COVERED": ",".join(_COVERED[self.part])},
        )

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
