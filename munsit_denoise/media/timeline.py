"""Where sound lies in time: what a file's time stamps leave out is silence, what they merely say inexactly is not.

Stamps are rounded to milliseconds in many containers, and drift against the samples that they stamp. Samples are
therefore laid one after the other, and silence comes between them only where a stretch of time is missing.
"""

from dataclasses import dataclass

LATE_START_S = 0.05  # a recording without a picture that begins sooner begins at once: that is its encoder's delay
HOLE_S = 0.03  # of missing time, below which stamps are inexact
STEP_S = 0.01  # by which a hole shows between two neighbours; stamps that drift have none
DRIFT_S = 0.1  # by which sound may come to precede its picture
JUMP_S = 10.0  # above, a clock that counts nothing was set anew
# Containers whose stamps tell time. In the others they are worked out from sizes, or are set anew on the way.
CLOCKED = frozenset({"asf", "avi", "flv", "gxf", "matroska", "mov", "mxf", "nut", "ogg", "rm", "wtv"})
FROM_ZERO = CLOCKED - {"flv"}  # of these, a film's clock begins at zero
LATE_ALONE = frozenset({"matroska", "mov", "nut"})  # sound alone may begin late in these, others merely count so
NO_ZERO_S = 60.0  # a film of which nothing begins sooner was cut out of something longer


@dataclass
class TimeLine:
    """Lays stretches of samples one after the other, on a time line whose zero is that of the track."""

    rate_hz: int
    container: str
    has_picture: bool
    position: int = 0  # samples until the end of what lies there
    silence: int = 0  # of them between stretches and before them
    _end: int | None = None  # of the last stretch, by its stamp
    _shift: int = 0  # from stamps to the time line

    def place(self, start: int, count: int) -> int:
        """Lay a stretch that is stamped as beginning `start` samples after zero; return the silence before it."""
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
    """Return the time on a file's own clock at which the time line of a track begins."""
    if picture_start_s is None:
        late = container in LATE_ALONE and sound_start_s >= LATE_START_S
        return 0.0 if late else sound_start_s
    first_s = min(picture_start_s, sound_start_s)
    return min(first_s, 0.0) if container in FROM_ZERO and first_s < NO_ZERO_S else first_s
