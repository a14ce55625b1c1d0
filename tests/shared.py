"""What there is once for all pytest workers of a run, begun when the first of them asks for it.

The process that starts the workers, or the only one, keeps it and ends it: whoever asks may end before others.
"""

import os
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, suppress
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path

ADDRESS = "TEST_SHARED"  # the variable that tells workers where to ask
Service = Callable[[], AbstractContextManager[str]]  # runs while the block lasts; yields its address


class Keeper:
    """Begins services at the first question for them, and ends all of them with `close`."""

    def __init__(self, services: Mapping[str, Service]) -> None:
        self._services, self._begun = services, dict[str, str]()
        self._stack, self._lock = ExitStack(), threading.Lock()
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="denoise-shared-"))
        self.address = str(Path(folder) / "ask")
        self._listener = self._stack.enter_context(Listener(self.address, "AF_UNIX"))
        threading.Thread(target=self._answer_all, daemon=True).start()

    def close(self) -> None:
        """End what has begun."""
        with self._lock:
            self._stack.close()

    def _answer_all(self) -> None:
        with suppress(OSError):  # the listener is closed
            while True:
                asked = self._listener.accept()
                threading.Thread(target=self._answer, args=(asked,), daemon=True).start()

    def _answer(self, asked: "Connection[str, str | Exception]") -> None:
        with asked:
            try:
                asked.send(self._address_of(asked.recv()))
            except Exception as error:  # is raised where it was asked for
                asked.send(error)

    def _address_of(self, name: str) -> str:
        with self._lock:
            if name not in self._begun:
                self._begun[name] = self._stack.enter_context(self._services[name]())
            return self._begun[name]


def address_of(name: str) -> str:
    """Return the address of a service of this run. Raises what beginning it raised."""
    with Client(os.environ[ADDRESS], "AF_UNIX") as keeper:
        keeper.send(name)
        answer = keeper.recv()
    if isinstance(answer, Exception):
        raise answer
    return str(answer)
