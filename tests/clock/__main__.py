"""`python -m tests.clock ARGUMENTS` is `munsit-denoise ARGUMENTS` with a wall clock that is set by TEST_CLOCK.

That file holds how many nanoseconds the clock is off, and may change at any time. Nothing else of time is touched: a
clock that somebody sets moves what tells the date, not what measures how long something takes.
"""

import mmap
import os
import runpy
import struct
import sys
import time

_REAL_NS, _REAL = time.time_ns, time.time
_DESCRIPTOR = os.open(os.environ["TEST_CLOCK"], os.O_RDWR)
_OFF = mmap.mmap(_DESCRIPTOR, 8)
os.close(_DESCRIPTOR)


def _time_ns() -> int:
    return _REAL_NS() + int(struct.unpack("<q", _OFF[:8])[0])


def _time() -> float:
    return _time_ns() / 1e9


_OURS = {_REAL_NS: _time_ns, _REAL: _time}
for _module in list(sys.modules.values()):  # whoever has taken them from `time` already
    for _name, _value in list(vars(_module).items()):
        if _module.__name__ != __name__ and (_value is _REAL_NS or _value is _REAL):
            setattr(_module, _name, _OURS[_value])

runpy.run_module("munsit_denoise", run_name="__main__", alter_sys=True)
