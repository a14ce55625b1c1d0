"""Keeps freed memory in the process while the network works, and returns it to the system when it is idle."""

import ctypes
import re
import threading
from collections.abc import Iterator
from pathlib import Path

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # from glibc's malloc.h
LARGEST_BLOCK = 256 << 20  # bytes; larger than the output of any layer
KEPT = 512 << 20  # bytes; free memory at the top of the heap that is not returned to the system
IDLE_S = 10.0  # after the last window, before memory is returned to the system
MAPPINGS = Path("/proc/self/smaps")  # Linux only
MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) r-[x-]p .* /")  # a mapped file that is not writable
MADV_DONTNEED = 4  # from mman.h


def keep_freed_memory() -> None:
    """Keep freed memory in the process; the system would zero every page again for each layer.

    All threads that start later share one arena, because glibc's per-thread heaps of 64 MiB are too small for a window.
    Call it before any thread starts. Does nothing if the C library has no `mallopt`.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)
        mallopt(M_MMAP_THRESHOLD, LARGEST_BLOCK)
        mallopt(M_TRIM_THRESHOLD, KEPT)


def give_memory_back() -> None:
    """Return free memory to the system, and unmodified pages of programs and libraries, which can be read again.

    Most libraries of a PyTorch built for CUDA are never used on a machine without CUDA. Does nothing where the system
    or the C library has no such calls.
    """
    library = ctypes.CDLL(None)
    trim = getattr(library, "malloc_trim", None)
    if trim is not None:
        trim(0)
    if MAPPINGS.exists():
        for start, end in _clean_pages(MAPPINGS.read_text()):
            library.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), MADV_DONTNEED)


def _clean_pages(mappings: str) -> Iterator[tuple[int, int]]:
    """Yield the address ranges of file mappings whose pages were never modified."""
    bounds = None
    for line in mappings.splitlines():
        if found := MAPPING.match(line):
            bounds = int(found[1], 16), int(found[2], 16)
        elif line.startswith("VmFlags:"):
            bounds = None
        elif line.split() == ["Anonymous:", "0", "kB"] and bounds:
            yield bounds


class Rest:
    """Returns memory to the system after a while without work."""

    def __init__(self, after_s: float = IDLE_S) -> None:
        self._after_s, self._lock = after_s, threading.Lock()
        self._timer: threading.Timer | None = None

    def put_off(self) -> None:
        """Start the wait again."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = threading.Timer(self._after_s, give_memory_back)
            self._timer.daemon = True
            self._timer.start()
