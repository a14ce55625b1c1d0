"""The JSON of what keys of the scope `admin` may see, as types."""

from typing import Literal

from pydantic import Field

from munsit_denoise.routes.munsit.models import Time, Uuid
from munsit_denoise.routes.reference.operation import Model


class User(Model):
    """A user."""

    id: Uuid
    name: str
    created_at: Time
    priority: int = Field(description="Jobs of users with a higher one run first")


class KeyInfo(Model):
    """What is known of a key; never the key itself."""

    id: str = Field(description="Its first digits")
    user_id: Uuid
    user: str
    name: str | None
    scope: Literal["full", "read", "admin"]
    created_at: Time
    last_used_at: Time | None
    expires_at: Time | None
    revoked_at: Time | None


class NewKeyInfo(KeyInfo):
    """A new key, shown only in this answer."""

    key: str


class Balance(Model):
    """The minutes that a user has left."""

    user_id: Uuid
    user: str
    minutes_available: float


class QueuedJob(Model):
    """A job that has not ended."""

    denoise_id: Uuid
    user_id: Uuid
    user: str
    state: Literal["waiting", "downloading", "running"]
    percent: float
    attempts: int
    age_s: float


class Disk(Model):
    """Free disk space and stored data, bytes."""

    free_bytes: int
    originals_bytes: int
    results_bytes: int
    uploads_bytes: int


class Rates(Model):
    """Work done in a window of time."""

    window_s: float
    jobs: int
    success: int
    failed: int
    sound_s: float = Field(description="Seconds of sound in successful jobs")
    real_time_factor: float | None = Field(description="Seconds of sound per second")
