"""Pauses the runners while the machine lacks disk space, memory or descriptors."""

import anyio

from munsit_denoise.errors import Unavailable
from munsit_denoise.logs import get_logger

log = get_logger()
FIRST_S, LONGEST_S = 1.0, 30.0


class Pause:
    """A pause that grows with repeated trouble and ends with the first success."""

    def __init__(self) -> None:
        self._next_s, self._until_s = FIRST_S, float("-inf")
        self.reason: str | None = None

    def begin(self, error: Unavailable) -> None:
        """Start no work for a while."""
        now_s = anyio.current_time()
        if now_s < self._until_s:
            return  # several jobs met the same trouble
        if self.reason != error.message:
            log.warning("jobs wait", reason=error.message)
        self.reason = error.message
        self._until_s = now_s + self._next_s
        self._next_s = min(2 * self._next_s, LONGEST_S)

    def over(self) -> None:
        """End the pause after a success."""
        if self.reason is not None:
            log.info("jobs continue")
        self.reason, self._next_s, self._until_s = None, FIRST_S, float("-inf")

    async def wait(self) -> None:
        """Return when it is time to try again."""
        await anyio.sleep_until(self._until_s)
