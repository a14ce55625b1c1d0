"""Values that runners of jobs and the database exchange."""

import secrets
from dataclasses import dataclass

from munsit_denoise.records import DenoiseRecord


@dataclass(frozen=True)
class Lease:
    """The right to run a job; void as soon as there is a newer one."""

    record: DenoiseRecord
    number: int


def new_claim() -> str:
    """Return a name for a claim that no other one has."""
    return secrets.token_hex(16)


@dataclass(frozen=True)
class RunResult:
    """The result of a run: its files, and information on it as JSON."""

    key: str
    report: str | None = None
    tiles_key: str | None = None  # storage key of the pictures of both sounds
    size_bytes: int = 0
    tiles_bytes: int = 0

    @property
    def keys(self) -> tuple[str, ...]:
        """The storage keys of the result's files."""
        return (self.key, self.tiles_key) if self.tiles_key else (self.key,)


@dataclass(frozen=True)
class Beat:
    """A heartbeat of a run, with its progress."""

    lease: Lease
    percent: int
    message: str | None


@dataclass(frozen=True)
class PendingJob:
    """A job that has not ended."""

    id: str
    user_id: str
    attempts: int
    source_url: str | None  # set while the original has not been downloaded
    created_at_us: int
