"""Settings: the only reader of the environment. `DENOISE_` and the upper-case field name, or a line in `.env`."""

from ipaddress import ip_network
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """How this server runs; every field documented with its unit. 0 means no limit where a field says so."""

    model_config = SettingsConfigDict(env_prefix="DENOISE_", env_file=".env", extra="ignore", frozen=True)

    data_dir: Path = Field(
        Path("data"), description="Folder of the database and the files unless the URLs say otherwise"
    )
    database_url: str = Field("", description="SQLAlchemy URL; empty: SQLite in DATA_DIR")
    storage_url: str = Field("", description="Where recordings lie, file:///path; empty: a folder in DATA_DIR")
    public_url: str = Field("", description="Base of the URLs in answers; empty: taken from each request")
    host: str = Field("127.0.0.1", description="Address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 picks a free one")
    trusted_proxies: str = Field(
        "127.0.0.1", description="Addresses whose X-Forwarded-* headers count, comma-separated"
    )
    max_upload_mb: int = Field(200, ge=0, description="Largest file, MiB; 0: any")
    max_duration_minutes: float = Field(15, ge=0, description="Longest recording, minutes; 0: any")
    max_pending_jobs: int = Field(1000, ge=0, description="Jobs that may wait before uploads get a 503; 0: any")
    max_pending_jobs_per_user: int = Field(100, ge=0, description="The same for one user, who gets a 429; 0: any")
    max_uploads_per_user: int = Field(
        1000, ge=0, description="Files of one user that may wait for a job before uploads get a 429; 0: any"
    )
    max_uploads_mb_per_user: int = Field(20_000, ge=0, description="The same in MiB; 0: any")
    max_idle_connections_per_address: int = Field(
        1000, ge=1, description="Connections of one address that ask for nothing; trusted proxies may have any"
    )
    disk_reserve_mb: int = Field(500, ge=0, description="Free space below which uploads get a 503, MiB")
    upload_hours: float = Field(
        24, ge=0, description="An upload that waits for a job is deleted after, hours; 0: never"
    )
    transfer_timeout_s: float = Field(600, gt=0, description="Longest download from a URL or upload to one, s")
    allowed_networks: str = Field("", description="Private networks that URLs may lead to, CIDR, comma-separated")
    sse_idle_timeout_s: float = Field(900, gt=0, description="A progress stream without an event is closed after, s")
    sse_ping_s: float = Field(15, gt=0, description="Interval of keep-alive comments, s")
    sse_recheck_s: float = Field(5, gt=0, description="A stream looks at its record again after, s")
    job_concurrency: int = Field(1, ge=1, le=64, description="Jobs that run at the same time")
    job_max_attempts: int = Field(3, ge=1, description="Runs of a job before it is given up")
    job_retry_delay_s: float = Field(15, ge=0, description="Wait before a job runs that was cut off twice or more, s")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where the model runs")
    threads: int = Field(0, ge=0, le=1024, description="Cores the model uses; 0: all")
    precision: Literal["float32", "bfloat16"] = Field("float32", description="Of the model's products")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="What is logged")
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="Of a line of the log; auto: for people on a terminal, JSON elsewhere"
    )
    metrics_networks: str = Field(
        "", description="Networks besides this machine that may read /metrics, CIDR, comma-separated"
    )

    @field_validator("public_url")
    @classmethod
    def _check_public_url(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return value.rstrip("/")

    @field_validator("allowed_networks", "metrics_networks")
    @classmethod
    def _check_networks(cls, value: str) -> str:
        for network in _listed(value):
            try:
                ip_network(network)
            except ValueError:
                raise ValueError(f"{network!r} is no network; one is written like 10.0.0.0/8") from None
        return value

    @field_validator("database_url")
    @classmethod
    def _check_database_url(cls, value: str) -> str:
        if value and not value.startswith("sqlite"):
            raise ValueError("must start with sqlite:/// (this version keeps its records in SQLite)")
        if value and ("memory" in value or value.rstrip("/").endswith(":")):
            raise ValueError("must name a file: a database in memory forgets accepted jobs")
        return value

    @field_validator("storage_url")
    @classmethod
    def _check_storage_url(cls, value: str) -> str:
        if value and not value.startswith("file:///"):
            raise ValueError("must start with file:/// (this version keeps recordings in a local folder)")
        return value

    @property
    def networks(self) -> tuple[str, ...]:
        """The private networks that URLs may lead to."""
        return tuple(_listed(self.allowed_networks))

    @property
    def metrics_from(self) -> tuple[str, ...]:
        """The networks besides this machine that may read /metrics."""
        return tuple(_listed(self.metrics_networks))

    @property
    def database(self) -> str:
        """The database URL in force, without a driver."""
        url = self.database_url or f"sqlite:///{self.data_dir.absolute() / 'denoise.db'}"
        return "sqlite:" + url.partition(":")[2]

    @property
    def storage_root(self) -> Path:
        """The folder in force for recordings and results."""
        return (
            Path(self.storage_url.removeprefix("file://")) if self.storage_url else self.data_dir.absolute() / "files"
        )


def _listed(value: str) -> list[str]:
    return [item.strip() for item in value.split(",") if item.strip()]


class SettingsError(Exception):
    """A setting is wrong; the message is a sentence that names it."""


def read_settings(**overrides: object) -> Settings:
    """Read the environment and `.env`.

    Raises SettingsError with one line a wrong setting.
    """
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        lines = [f"DENOISE_{str(e['loc'][0]).upper()}={e['input']!r} is wrong: {e['msg']}" for e in error.errors()]
        raise SettingsError("\n".join(lines)) from None
