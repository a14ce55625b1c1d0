"""What the C library does with memory that the network gave back."""

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # of glibc's malloc.h
LARGEST_BLOCK = 256 << 20  # bytes: every layer's output is far smaller
KEPT = 512 << 20  # bytes at the top of the heap that stay with the process


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
