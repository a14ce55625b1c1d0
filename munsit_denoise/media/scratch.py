"""Files beside a result that live no longer than the work on it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from anyio import to_thread


class Scratch:
    """Names files beside a result."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._paths: set[Path] = set()

    def path(self, name: str) -> Path:
        """Return where a file of this name is to lie."""
        path = self._target.with_name(f"{self._target.name}.{name}")
        self._paths.add(path)
        return path

    def remove(self) -> None:
        """Remove them all."""
        for path in self._paths:
            path.unlink(missing_ok=True)


@asynccontextmanager
async def scratch_beside(target: Path) -> AsyncIterator[Scratch]:
    """Yield names of files beside a result; what lies there is gone when the block ends."""
    scratch = Scratch(target)
    try:
        yield scratch
    finally:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(scratch.remove)
