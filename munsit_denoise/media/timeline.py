"""Places sound in time: gaps between time stamps become silence, inexact time stamps do not.

Many containers round time stamps to milliseconds, and stamps drift against the samples. So samples are placed one after
the other, with silence between them only where time is missing.
"""

from dataclasses import dataclass

LATE_START_S = 0.05  # without a picture, a smaller delay is that of the encoder
HOLE_S = 0.03  # of missing time; below it, time stamps are inexact
STEP_S = 0.01  # between two neighbours; drifting time stamps have no such step
DRIFT_S = 0.1  # by which sound may come to precede its picture
JUMP_S = 10.0  # above it, a clock without absolute time was reset
# Containers with absolute time stamps. In the others, they are computed from sizes or may be reset.
CLOCKED = frozenset({"asf", "avi", "flv", "gxf", "matroska", "mov", "mxf", "nut", "ogg", "rm", "wtv"})
FROM_ZERO = CLOCKED - {"flv"}  # in these, the clock of a video starts at zero
LATE_ALONE = frozenset({"matroska", "mov", "nut"})  # sound without a picture may start late only in these
NO_ZERO_S = 60.0  # if nothing in a video starts earlier, it was cut out of a longer one


@dataclass
class TimeLine:
    """Places stretches of samples on a time line that starts with the track."""

    rate_hz: int
    container: str
    has_picture: bool
    position: int = 0  # samples up to the end of the last stretch
    silence: int = 0  # samples of silence before and between stretches
    _end: int | None = None  # of the last stretch, by its time stamp
    _shift: int = 0  # from time stamps to the time line

    def place(self, start: int, count: int) -> int:
        """Place a stretch whose time stamp is `start` samples after zero; return the silence before it."""
        late = start + self._shift - self.position
        silence = self._lead(late) if self._end is None else self._hole(late, start - self._end)
        self._end = start + count
        self.position += silence + count
        self.silence += silence
        return silence

    def _lead(self, late: int) -> int:
        if late > 0 and (self.has_picture or late >= LATE_START_S * self.rate_hz):
            return late
        self._shift = -late
        return 0

    def _hole(self, late: int, step: int) -> int:
        if step > JUMP_S * self.rate_hz and self.container not in CLOCKED:
            self._shift -= late
            return 0
        is_hole = late >= HOLE_S * self.rate_hz and step >= STEP_S * self.rate_hz
        has_drifted = self.has_picture and late >= DRIFT_S * self.rate_hz
        return late if is_hole or has_drifted else 0


def origin_s(container: str, sound_start_s: float, picture_start_s: float | None) -> float:
    """Return the time on the file's own clock at which the track's time line starts."""
    if picture_start_s is None:
        late = container in LATE_ALONE and sound_start_s >= LATE_START_S
        return 0.0 if late else sound_start_s
    first_s = min(picture_start_s, sound_start_s)
    return min(first_s, 0.0) if container in FROM_ZERO and first_s < NO_ZERO_S else first_s
