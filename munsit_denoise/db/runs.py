"""What a run of a job holds, makes and tells, between whoever runs jobs and their rows."""

import secrets
from dataclasses import dataclass

from munsit_denoise.records import DenoiseRecord


@dataclass(frozen=True)
class Lease:
    """The right to run a job: void as soon as somebody else holds a newer one."""

    record: DenoiseRecord
    number: int


def new_claim() -> str:
    """Return a name for a claim that no other one has."""
    return secrets.token_hex(16)


@dataclass(frozen=True)
class RunResult:
    """What a run has made: where it lies, and what there is to say of it, as JSON."""

    key: str
    report: str | None = None
    tiles_key: str | None = None  # where the pictures of both sounds lie
    size_bytes: int = 0
    tiles_bytes: int = 0

    @property
    def keys(self) -> tuple[str, ...]:
        """Where everything of it lies."""
        return (self.key, self.tiles_key) if self.tiles_key else (self.key,)


@dataclass(frozen=True)
class Beat:
    """A sign of life of a run, and how far it has come."""

    lease: Lease
    percent: int
    message: str | None


@dataclass(frozen=True)
class PendingJob:
    """A job that has not ended."""

    id: str
    user_id: str
    attempts: int
    source_url: str | None  # set where the original is not here yet
    created_at_us: int
