"""The progress of a run, in files and in seconds of sound."""

import time
from collections import Counter
from dataclasses import dataclass, field

from munsit_denoise.batch.one import THERE
from munsit_denoise.batch.order import FileResult


@dataclass
class Tally:
    """Counts the files that have ended."""

    files: int  # of the whole run
    ignored: int = 0  # hidden files and links, which are not counted as files
    counts: Counter[str] = field(default_factory=Counter)
    sound_s: float = 0.0
    began_s: float = field(default_factory=time.monotonic)

    def add(self, result: FileResult) -> None:
        """Count a file."""
        there = result.state == "skipped" and THERE in result.notes
        self.counts["there" if there else result.state] += 1
        if result.state == "done":
            self.sound_s += result.duration_s or 0

    @property
    def ended(self) -> int:
        """Files that succeeded, failed or were skipped."""
        return self.counts.total()

    @property
    def failed(self) -> int:
        """Files that failed."""
        return self.counts["failed"]

    @property
    def speed(self) -> str:
        """Seconds of sound per second."""
        return f"{self.sound_s / max(time.monotonic() - self.began_s, 1e-3):.1f}x real time"

    def summary(self, *, stopped: bool) -> str:
        """Return the final sentence."""
        left = self.files - self.ended
        parts = [
            f"{self.counts['planned']} would be done" if self.counts["planned"] else f"{self.counts['done']} done",
            self._skipped(),
            f"{self.failed} failed" if self.failed else "",
            f"{left} not done" if left else "",
            f"{self.ignored} hidden files and links ignored" if self.ignored else "",
        ]
        sound = f"; {self.sound_s:.1f} s of sound in {time.monotonic() - self.began_s:.1f} s ({self.speed})"
        told = ", ".join(filter(None, parts))
        return f"{'Stopped' if stopped else 'Finished'}: {told}{sound if self.sound_s else ''}."

    def _skipped(self) -> str:
        there, silent = self.counts["there"], self.counts["skipped"]
        exist = "exists already" if there == 1 else "exist already"
        reasons = [f"{there} {exist}"] * bool(there) + [f"{silent} without sound"] * bool(silent)
        return f"{there + silent} skipped ({', '.join(reasons)})" if reasons else ""
