"""How much memory this process holds, and how the C library handles what was freed."""

import contextlib
import ctypes
from pathlib import Path

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3  # of glibc's mallopt


def keep_memory() -> None:
    """Have the C library keep freed memory for the next step, for the rest of the process: page faults cost time.

    Does nothing where the C library is not glibc; before 2.35 that takes no threshold beyond 32 MiB.
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL("libc.so.6").mallopt
        if mallopt(_M_MMAP_THRESHOLD, 2**30) or mallopt(_M_MMAP_THRESHOLD, 2**25):
            mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
            mallopt(_M_TOP_PAD, 2**26)


def resident() -> float:
    """MiB that this process holds; where the system does not tell, the most it ever held, or 0 on Windows."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().split("VmRSS:")[1].split()[0]) / 1024
    try:
        import resource
    except ImportError:
        return 0.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # bytes on macOS
