"""What the C library does with memory that the network gave back, and what of it an idle process keeps."""

import ctypes
import re
import threading
from collections.abc import Iterator
from pathlib import Path

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # of glibc's malloc.h
LARGEST_BLOCK = 256 << 20  # bytes: every layer's output is far smaller
KEPT = 512 << 20  # bytes at the top of the heap that stay with the process
IDLE_S = 10.0  # without a window, after which memory goes back to the system
MAPPINGS = Path("/proc/self/smaps")  # of Linux
MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) r-[x-]p .* /")  # of a file, not to be written to
MADV_DONTNEED = 4  # of mman.h


def keep_freed_memory() -> None:
    """Keep what is freed instead of asking the system again, which hands out every page anew, zeroed, for each layer.

    One arena serves all threads that begin later: glibc gives the others heaps of 64 MiB, too small for a window of
    sound, so a server calls it first of all. Does nothing where the C library is another one.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)
        mallopt(M_MMAP_THRESHOLD, LARGEST_BLOCK)
        mallopt(M_TRIM_THRESHOLD, KEPT)


def give_memory_back() -> None:
    """Give the system what is free, and pages of programs and libraries that can be read again from their files.

    Of a PyTorch for CUDA, most libraries are never used where there is no such device. Does nothing where the system
    is another one.
    """
    library = ctypes.CDLL(None)
    trim = getattr(library, "malloc_trim", None)
    if trim is not None:
        trim(0)
    if MAPPINGS.exists():
        for start, end in _clean_pages(MAPPINGS.read_text()):
            library.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), MADV_DONTNEED)


def _clean_pages(mappings: str) -> Iterator[tuple[int, int]]:
    """Yield the addresses of mapped files' pages that are as they are in their files."""
    bounds = None
    for line in mappings.splitlines():
        if found := MAPPING.match(line):
            bounds = int(found[1], 16), int(found[2], 16)
        elif line.startswith("VmFlags:"):
            bounds = None
        elif line.split() == ["Anonymous:", "0", "kB"] and bounds:
            yield bounds


class Rest:
    """Gives memory back once nothing has been done in a while."""

    def __init__(self, after_s: float = IDLE_S) -> None:
        self._after_s, self._lock = after_s, threading.Lock()
        self._timer: threading.Timer | None = None

    def put_off(self) -> None:
        """Begin the wait anew."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = threading.Timer(self._after_s, give_memory_back)
            self._timer.daemon = True
            self._timer.start()
