"""Where a run took place."""

import ctypes
import datetime
import hashlib
import os
import pathlib
import platform
import subprocess
import tempfile
import time

import broker
from children import Failed
from figures import quantile


def built(root, product):
    """Builds a product as it is released, and says where it is."""
    try:
        done = subprocess.run([root / "scripts" / "build-release", product], check=True, stdout=subprocess.PIPE, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Failed(f"{product} cannot be built: {error}") from None
    return pathlib.Path(done.stdout.splitlines()[-1])


def describe(root, directory, binary):
    """A dictionary for the head of the JSON."""
    return {
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20,
            "kernel": platform.release(),
            "file_system": _file_system(directory),
            "fsync_us": sync_times(directory),
        },
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": _commit(root),
        "binary": _binary(binary),
        "versions": {"mosquitto": broker.version(), "python": platform.python_version()},
    }


def _processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(("model name", "Model")):
            return line.partition(":")[2].strip()
    return platform.machine()


def _file_system(directory):
    """Of the mount with the longest path in front of the folder."""
    path = os.path.realpath(directory)
    best = ("", "unknown")
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        mount, kind = fields[4], fields[fields.index("-") + 1]
        is_above = mount == "/" or path == mount or path.startswith(mount + "/")
        if is_above and len(mount) >= len(best[0]):
            best = (mount, kind)
    return best[1]


def sync_times(directory, count=200):
    """How long it takes to append 4 KiB to a file and have it on the disk, in µs."""
    block, times = bytes(4096), []
    with tempfile.TemporaryFile(dir=directory, buffering=0) as file:
        for _ in range(count):
            file.write(block)
            start = time.monotonic_ns()
            os.fdatasync(file.fileno())
            times.append((time.monotonic_ns() - start) / 1000)
    times.sort()
    return {name: round(quantile(times, share)) for name, share in (("p10", 0.1), ("median", 0.5), ("p99", 0.99))}


def _commit(root):
    """Of the source; a binary that is given may be another one's."""
    try:
        text = subprocess.run(
            ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12"], capture_output=True, text=True
        ).stdout.strip()
    except OSError:
        return None
    return text or None


def _binary(path):
    data = pathlib.Path(path).read_bytes()
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def sqlite_version(library):
    """Of the library that the daemon has loaded."""
    if not library:
        return None
    function = ctypes.CDLL(library).sqlite3_libversion
    function.restype = ctypes.c_char_p
    return function().decode()
