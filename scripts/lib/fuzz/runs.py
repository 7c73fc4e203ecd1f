"""One run of one target."""

import dataclasses
import re
import shutil

from program import ROOT, Failed

_FINDINGS = ROOT / ".build/fuzz-findings"
# MiB, as docs/robustness.md promises.
_MEMORY = 256
# A hang, in seconds of the clock: what is slow is found by the time of the processor, in the program.
_HANG = 20


@dataclasses.dataclass
class Result:
    target: str
    executions: int = 0
    rate: int = 0
    # MiB at the start, and at most.
    baseline: int = 0
    peak: int = 0
    # Edges of the program that were reached.
    covered: int = 0
    # What is wrong, for a person; None where nothing is.
    finding: str = None


class Run:
    def __init__(self, program, target):
        self._program, self._target = program, target
        self._corpus = ROOT / ".build/fuzz-corpus" / target.name
        self._seeds = ROOT / ".build/fuzz-seeds" / target.name
        self._stored = ROOT / "Tests/Fuzz/Corpus" / target.name
        self._environment = {"OBISD_FUZZ_TARGET": target.name, "OBISD_FUZZ_SLOW": str(program.slow)}

    def fuzz(self, seconds=None, runs=None, seed=None):
        self._prepare()
        result = Result(self._target.name, baseline=self._baseline())
        limit = [f"-max_total_time={seconds}"] if seconds else [f"-runs={runs}"]
        if seed:
            limit.append(f"-seed={seed}")
        folders = [self._corpus, self._seeds] + ([self._stored] if self._stored.is_dir() else [])
        done = self._program.run(
            [
                *limit,
                f"-max_len={self._target.longest}",
                f"-rss_limit_mb={result.baseline + _MEMORY}",
                f"-malloc_limit_mb={_MEMORY}",
                f"-timeout={_HANG}",
                "-report_slow_units=3600",
                "-print_final_stats=1",
                "-reload=0",
                f"-artifact_prefix={_FINDINGS}/{self._target.name}-",
                *folders,
            ],
            **self._environment,
        )
        self._read(done, result)
        return result

    def repeat(self, file):
        """Gives one file to the target."""
        return self._program.run([file], **self._environment)

    # Preparing

    def _prepare(self):
        shutil.rmtree(self._seeds, ignore_errors=True)
        for folder in (self._corpus, self._seeds, _FINDINGS):
            folder.mkdir(parents=True, exist_ok=True)
        done = self._program.run([], OBISD_FUZZ_SEEDS=str(self._seeds), **self._environment)
        if done.returncode != 0 or not any(self._seeds.iterdir()):
            raise Failed(f"{self._target.name} gives no seeds:\n{done.stdout[-2000:]}")

    def _baseline(self):
        """Of the address sanitizer, the program and the tables that the first input of its kind builds."""
        seed = sorted(self._seeds.iterdir())[0]
        done = self._program.run(["-runs=1", "-print_final_stats=1", seed], **self._environment)
        found = re.search(r"peak_rss_mb:\s+(\d+)", done.stdout)
        # A single file is executed without statistics.
        return int(found[1]) if found else self._peak_of(done.stdout)

    @staticmethod
    def _peak_of(output):
        found = re.findall(r"rss: (\d+)Mb", output)
        return int(found[-1]) if found else 256

    # Reading

    def _read(self, done, result):
        output = done.stdout
        result.executions = self._number(r"stat::number_of_executed_units:\s+(\d+)", output) or self._last_count(output)
        result.rate = self._number(r"stat::average_exec_per_sec:\s+(\d+)", output)
        result.peak = self._number(r"stat::peak_rss_mb:\s+(\d+)", output)
        covered = re.findall(r"\bcov: (\d+)", output)
        result.covered = int(covered[-1]) if covered else 0
        if done.returncode != 0:
            result.finding = self._told(output)
        elif not covered:
            result.finding = f"{self._target.name}: nothing was led by coverage: `cov:` is missing:\n{output[-1500:]}"

    @staticmethod
    def _number(pattern, text):
        found = re.search(pattern, text)
        return int(found[1]) if found else 0

    @staticmethod
    def _last_count(output):
        found = re.findall(r"^#(\d+)\s", output, re.MULTILINE)
        return int(found[-1]) if found else 0

    def _told(self, output):
        """The fuzzer's last words without the frames of its own, and how to do it again."""
        written = re.search(r"Test unit written to (\S+)", output)
        lines = output.splitlines()
        first = next((place for place, line in enumerate(lines) if _BEGINS.search(line)), max(0, len(lines) - 20))
        words = "\n".join(lines[max(0, first - 3) : first + 25])
        if not written:
            return f"{self._target.name}: {words}"
        release = " --release" if self._program.mode == "release" else ""
        again = f"scripts/fuzz {self._target.name}{release} --input {written[1]}"
        return f"{self._target.name}: {words}\nAgain: {again}"


_BEGINS = re.compile(r"==\d+==\s?ERROR|Fatal error|^Fuzz: |SUMMARY|ERROR: libFuzzer")
