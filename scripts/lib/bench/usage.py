"""What the kernel says of a process, and of the machine as a whole."""

import collections
import os
import pathlib


def _lines(path):
    """Of a file of `Name: value` lines."""
    pairs = (line.split(":", 1) for line in pathlib.Path(path).read_text().splitlines())
    return {name: value.strip() for name, value in pairs}


def _threads(process):
    return [f"/proc/{process}/task/{thread}" for thread in os.listdir(f"/proc/{process}/task")]


def _of_each_thread(process, read):
    """Sums what is read of each thread; one may end while it is asked."""
    total = 0
    for thread in _threads(process):
        try:
            total += read(thread)
        except FileNotFoundError:
            continue
    return total


def cpu_seconds(process):
    """Time on a processor of all threads, to the nanosecond. What ended threads used is missing: the daemon's stay."""
    return _of_each_thread(process, lambda thread: int(pathlib.Path(thread, "schedstat").read_text().split()[0])) / 1e9


def cpu_ticks(process):
    """The same in the kernel's own sum, user and system, in s; its resolution is 10 ms."""
    fields = pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wake_ups(process):
    """How often threads went to sleep and were woken."""
    return _of_each_thread(process, lambda thread: int(_lines(f"{thread}/status")["voluntary_ctxt_switches"]))


def memory(process):
    """MiB resident, of that anonymous (its own) and of files, and the most there was; threads."""
    status = _lines(f"/proc/{process}/status")

    def mebibytes(name):
        return int(status[name].split()[0]) / 1024

    return {
        "resident": mebibytes("VmRSS"),
        "anonymous": mebibytes("RssAnon"),
        "files": mebibytes("RssFile"),
        "peak": mebibytes("VmHWM"),
        "threads": int(status["Threads"]),
    }


def descriptors(process):
    """How many it has open of each kind: files by their path, sockets and the like without their number."""
    kinds = collections.Counter()
    for number in os.listdir(f"/proc/{process}/fd"):
        try:
            target = os.readlink(f"/proc/{process}/fd/{number}")
        except FileNotFoundError:
            continue
        kinds[target.partition(":")[0]] += 1
    return kinds


def thread_names(process):
    """How many threads there are of each name."""
    names = collections.Counter()
    for thread in _threads(process):
        try:
            names[pathlib.Path(thread, "comm").read_text().strip()] += 1
        except FileNotFoundError:
            continue
    return names


def machine_seconds():
    """How long all processors together have been at work for anybody, in s."""
    fields = [int(field) for field in pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    idle = fields[3] + fields[4]
    return (sum(fields) - idle) / os.sysconf("SC_CLK_TCK")


def library(process, name):
    """The file of a library that a process has loaded, or nothing."""
    for line in pathlib.Path(f"/proc/{process}/maps").read_text().splitlines():
        path = line.split(maxsplit=5)[-1]
        if pathlib.Path(path).name.startswith(name):
            return path
    return None
