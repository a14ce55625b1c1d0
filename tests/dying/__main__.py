"""`python -m tests.dying ARGUMENTS` is `munsit-denoise ARGUMENTS` in a process that is killed at a removal.

TEST_DIES_AT_REMOVAL says at the how manieth recording: that one stays, as it does where the power fails.
"""

import os
import runpy
import signal
import sys

_KEPT = ("original", "denoised", "tiles")
_left = int(os.environ["TEST_DIES_AT_REMOVAL"])


def _heard(event: str, arguments: tuple[object, ...]) -> None:
    global _left
    if event == "os.remove" and str(arguments[0]).rpartition("/")[2].startswith(_KEPT):
        _left -= 1
        if _left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


sys.addaudithook(_heard)
runpy.run_module("munsit_denoise", run_name="__main__", alter_sys=True)
