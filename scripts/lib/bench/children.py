"""Programs and processes that a measurement starts, and their end: each is stopped by its id, whatever happens."""

import ctypes
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import time
import traceback

_fork = multiprocessing.get_context("fork")
_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1

# So long something may take to end that was asked to.
PATIENCE = 15.0
# A busy machine lets processes wait, but not that long.
_LONGEST_STANDSTILL = 5.0


class Failed(Exception):
    """A measurement cannot go on; the text says why."""


def _end_with_parent():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def raise_file_limit(wanted=65536):
    """Thousands of meters are thousands of descriptors, here and in what is started from here."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limit in ((wanted, max(wanted, hard)), (hard, hard)):
        try:
            return resource.setrlimit(resource.RLIMIT_NOFILE, limit)
        except (ValueError, OSError):
            continue


class Program:
    """A program with a log of its own."""

    def __init__(self, name, command, log, environment=None):
        self.name = name
        self.log = log
        with open(log, "wb") as output:
            # A session of its own: Ctrl-C is for the measurement, which then ends its programs in order.
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=os.environ | (environment or {}),
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )
        self.id = self.process.pid

    def check(self):
        if self.process.poll() is not None:
            raise Failed(f"{self.name} has ended with {self.process.returncode}; its log:\n{self.tail()}")

    def tail(self, lines=20, width=200):
        with open(self.log, errors="replace") as log:
            return "\n".join(f"    {line.rstrip()[:width]}" for line in log.readlines()[-lines:])

    def stop(self):
        """Asks it to end, and insists. Returns its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode


class Worker:
    """A process that runs a function of this program: `function(pipe, stop, *arguments)`.

    What it returns is given by `result()`. It ends soon after `stop` is true.
    """

    def __init__(self, name, function, *arguments):
        self.name = name
        self._pipe, far = _fork.Pipe()
        self._stop = flag()
        self._is_done = False
        self._process = _fork.Process(target=_run, args=(function, far, self._stop, arguments), daemon=True)
        self._process.start()
        far.close()
        self.id = self._process.pid

    def send(self, *message):
        self._pipe.send(message)

    def receive(self, patience):
        """The worker's next message, or the exception that ended it."""
        if not self._pipe.poll(patience):
            raise Failed(f"{self.name}: no answer within {patience:g} s")
        try:
            message = self._pipe.recv()
        except EOFError:
            raise Failed(f"{self.name} has ended") from None
        if isinstance(message, Failed):
            raise Failed(f"{self.name}: {message}")
        return message

    def check(self):
        if not self._is_done and not self._process.is_alive():
            while self._pipe.poll(0):
                self.receive(0)
            raise Failed(f"{self.name} has ended")

    def result(self, patience=60.0):
        self._stop.value = 1
        message = self.receive(patience)
        self._is_done = True
        return message

    def stop(self):
        self._stop.value = 1
        self._process.join(0.5)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._pipe.close()


class WithWorker:
    """What has a worker, in `_worker`, and is watched and ended as that is."""

    id = property(lambda self: self._worker.id)
    name = property(lambda self: self._worker.name)

    def check(self):
        self._worker.check()

    def result(self):
        """What the worker's function returns."""
        return self._worker.result()

    def stop(self):
        self._worker.stop()


def _run(function, pipe, stop, arguments):
    _end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        pipe.send(function(pipe, stop, *arguments))
    except Failed as failure:
        pipe.send(failure)
    except (EOFError, BrokenPipeError):
        pass
    except Exception:  # its place is known here alone
        pipe.send(Failed(traceback.format_exc()))
    sys.stdout.flush()
    os._exit(0)


def flag():
    """A number that processes share; one of them writes it."""
    return _fork.Value("q", 0, lock=False)


def until(condition, patience, what, check=lambda: None, pause=0.05):
    """Waits for what no event tells; where it does not come, `what()` is the sentence that says so."""
    end = time.monotonic() + patience
    while not condition():
        check()
        if time.monotonic() > end:
            raise Failed(f"not within {patience:g} s: {what()}")
        rest(pause)


def rest(seconds):
    """Sleeps. What was measured while somebody stopped the process, or the machine slept, says nothing."""
    begun = time.monotonic()
    time.sleep(seconds)
    excess = time.monotonic() - begun - seconds
    if excess > _LONGEST_STANDSTILL:
        raise Failed(f"the measurement was stopped for {excess:.0f} s")
