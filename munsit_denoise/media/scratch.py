"""Temporary files next to a result."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from anyio import to_thread


class Scratch:
    """Names temporary files next to a result."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._paths: set[Path] = set()

    def path(self, name: str) -> Path:
        """Return the path of a temporary file with this name."""
        path = self._target.with_name(f"{self._target.name}.{name}")
        self._paths.add(path)
        return path

    def remove(self) -> None:
        """Remove all of them."""
        for path in self._paths:
            path.unlink(missing_ok=True)


@asynccontextmanager
async def scratch_beside(target: Path) -> AsyncIterator[Scratch]:
    """Yield names for temporary files next to a result, which are removed at the end of the block."""
    scratch = Scratch(target)
    try:
        yield scratch
    finally:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(scratch.remove)
