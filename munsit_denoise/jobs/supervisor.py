"""Supervises background loops: a loop that fails is logged and restarted, or stops the server if it cannot continue."""

import time
from collections.abc import Awaitable, Callable

import anyio
from anyio.abc import TaskGroup

from munsit_denoise.errors import CannotGoOn, Unavailable
from munsit_denoise.logs import get_logger

log = get_logger()
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
LONG_ENOUGH_S = 60.0  # after such a run, the pauses start again at the first

Loop = Callable[[], Awaitable[None]]
GiveUp = Callable[[CannotGoOn], None]


class Supervisor:
    """Starts and restarts loops, and knows which of them are down."""

    def __init__(self, give_up: GiveUp) -> None:
        self._give_up = give_up
        self._down: dict[str, str] = {}  # names of loops that do not run at present, with the reason

    @property
    def down(self) -> tuple[str, ...]:
        """The names of loops that should run but do not."""
        return tuple(self._down)

    def start(self, tasks: TaskGroup, name: str, loop: Loop) -> None:
        """Run a loop; it may end when its work is done."""
        tasks.start_soon(self._keep, name, loop, name=name)

    async def _keep(self, name: str, loop: Loop) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            began_s = time.monotonic()
            try:
                await loop()
                return
            except CannotGoOn as error:
                self._down[name] = str(error)
                log.error("the server cannot continue", part=name, reason=str(error))
                self._give_up(error)
                return
            except Exception as error:  # the one boundary of all loops
                if time.monotonic() - began_s > LONG_ENOUGH_S:
                    pause_s = FIRST_PAUSE_S
                self._tell(name, error, pause_s)
            await anyio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            del self._down[name]

    def _tell(self, name: str, error: Exception, pause_s: float) -> None:
        self._down[name] = str(error)
        if isinstance(error, Unavailable):
            log.warning("a background loop is restarted", part=name, reason=error.message, seconds=pause_s)
        else:
            log.error(
                "a background loop broke and is restarted",
                part=name,
                reason=repr(error),
                seconds=pause_s,
                exc_info=error,
            )
