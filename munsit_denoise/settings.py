"""Settings, the only reader of the environment: `DENOISE_` and the upper-case field name, or a line in `.env`."""

import difflib
import os
import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote, unquote, urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, DotEnvSettingsSource, SettingsConfigDict

from munsit_denoise.redaction import host_of
from munsit_denoise.setting_values import is_address, is_network, is_server_url, requirement

PREFIX = "DENOISE_"
ENV_FILE = ".env"
LONGEST_S = 1e9  # of any time: 30 years, so that sums stay within the range of integers
SHORTEST_S = 0.01  # of an interval; a shorter one would keep a core busy
DEFAULT_PORTS = {"http": ":80", "https": ":443"}
OF_COMMANDS = ("URL", "API_KEY")  # variables of `remote`, which are not settings of a server
LOCALE_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")  # the first that is set counts
WITH_PASSWORDS = ("database_url", "storage_url", "s3_endpoint", "rate_limit_url", "public_url")  # shown as their host
MOST = 10**9  # of anything counted, or a size in MiB

Count = Annotated[int, Field(ge=0, le=MOST)]
Wait = Annotated[float, Field(ge=SHORTEST_S, le=LONGEST_S)]  # seconds


class Settings(BaseSettings):
    """The configuration of a server; each field is documented with its unit. 0 means no limit where a field says so."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=ENV_FILE, extra="ignore", frozen=True, allow_inf_nan=False
    )

    data_dir: Path = Field(
        Path("data"), description="Folder for database and recordings, unless their URLs name other places"
    )
    database_url: str = Field(
        "", description="sqlite:///path, or for several machines postgresql://user@host/name; empty: SQLite in DATA_DIR"
    )
    storage_url: str = Field(
        "", description="Where recordings are stored: file:///path or s3://bucket/prefix; empty: a folder in DATA_DIR"
    )
    s3_endpoint: str = Field(
        "", description="URL of an S3-compatible store; empty: Amazon S3. Credentials come from the AWS_* variables"
    )
    downloads: Literal["proxied", "presigned"] = Field(
        "proxied",
        description="proxied: the server sends what an object store holds; presigned: it redirects clients there",
    )
    public_url: str = Field("", description="Base URL of the links in answers; empty: taken from each request")
    host: str = Field("127.0.0.1", description="Address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0: any free port")
    trusted_proxies: str = Field(
        "127.0.0.1", description="Addresses whose X-Forwarded-* headers are trusted, comma-separated; *: all"
    )
    max_upload_mb: Count = Field(200, description="Largest upload, MiB; 0: no limit")
    max_duration_minutes: float = Field(
        15, ge=0, le=LONGEST_S / 60, description="Longest recording, minutes; 0: no limit"
    )
    max_pending_jobs: Count = Field(
        1000, description="Jobs that may wait before uploads are refused with a 503; 0: no limit"
    )
    max_pending_jobs_per_user: Count = Field(
        100, description="Jobs of one user that may wait before uploads are refused with a 429; 0: no limit"
    )
    max_uploads_per_user: Count = Field(
        1000, description="Uploads of one user that may wait for a job before more are refused with a 429; 0: no limit"
    )
    max_uploads_mb_per_user: Count = Field(
        20_000, description="Total size of one user's uploads that wait for a job, MiB; 0: no limit"
    )
    max_idle_connections_per_address: int = Field(
        1000, ge=1, le=MOST, description="Idle connections allowed from one address; trusted proxies have no limit"
    )
    max_result_mb_per_user: Count = Field(
        20_000, description="Disk space that the results of one user's waiting jobs may need, MiB; 0: no limit"
    )
    disk_reserve_mb: Count = Field(500, description="Free disk space below which uploads are refused with a 503, MiB")
    adopt_storage: bool = Field(
        False, description="Start with a storage that belongs to another database; unknown recordings are set aside"
    )
    upload_hours: float = Field(
        24, ge=0, le=LONGEST_S / 3600, description="Hours until an upload without a job is deleted; 0: never"
    )
    keep_originals_days: float = Field(
        0, ge=0, le=LONGEST_S / 86400, description="Days from the end of a job until its original is deleted; 0: never"
    )
    keep_results_days: float = Field(
        0, ge=0, le=LONGEST_S / 86400, description="Days from the end of a job until its result is deleted; 0: never"
    )
    keep_records_days: float = Field(
        0,
        ge=0,
        le=LONGEST_S / 86400,
        description="Days from the end of a job until its record and files are deleted; 0: never",
    )
    balance: Literal["off", "on"] = Field(
        "off", description="on: each job takes minutes from its user's balance, to which `users credit` adds"
    )
    rate_limit: Count = Field(0, description="Requests of one key per minute before the answer is a 429; 0: no limit")
    rate_limit_url: str = Field(
        "memory://",
        description="Where requests are counted: a storage URL of the limits package; memory:// counts in this process",
    )
    max_streams_per_key: Count = Field(
        200, description="Progress streams and WebSockets that one key may have open; 0: no limit"
    )
    cors_origins: str = Field(
        "", description="Origins whose pages may call this server, comma-separated; *: all; empty: none"
    )
    transfer_timeout_s: Wait = Field(600, description="Longest time for a download from a URL or an upload to one, s")
    allowed_networks: str = Field(
        "", description="Private networks that URLs may point to, in CIDR notation, comma-separated"
    )
    sse_idle_timeout_s: Wait = Field(900, description="Time without an event until a progress stream is closed, s")
    sse_ping_s: Wait = Field(15, description="Interval of keep-alive comments on progress streams, s")
    sse_recheck_s: Wait = Field(
        5, description="Interval at which a progress stream reads its record even without an event, s"
    )
    job_concurrency: int = Field(
        1, ge=0, le=64, description="Jobs that run at the same time; 0: none here, workers run them (PostgreSQL)"
    )
    job_max_attempts: int = Field(3, ge=1, le=MOST, description="Attempts before a job fails")
    job_retry_delay_s: float = Field(
        15, ge=0, le=LONGEST_S, description="Wait before a job that was cut off twice or more runs again, s"
    )
    heartbeat_s: Wait = Field(10, description="Interval of a running job's heartbeat, s (PostgreSQL)")
    lease_s: Wait = Field(30, description="Time without a heartbeat until another worker takes the job, s (PostgreSQL)")
    sweep_interval_s: Wait = Field(600, description="Interval of the search for files that no record names, s")
    sweep_age_s: float = Field(
        3600, ge=0, le=LONGEST_S, description="Age from which files that no record names are deleted, s (PostgreSQL)"
    )
    database_listen: bool = Field(
        True, description="Receive events with LISTEN; false: poll, for PgBouncer in transaction mode (PostgreSQL)"
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where the model runs; auto: the GPU, if any")
    threads: int = Field(0, ge=0, le=1024, description="CPU cores that the model uses; 0: all")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="Number format of the model's products; auto: bfloat16 where the device computes in it"
    )
    quality: Literal["standard", "best"] = Field(
        "standard", description="Quality of jobs that ask for none; best runs two models, needs munsit-denoise[best]"
    )
    enhancer: str = Field(
        "munsit-denoise",
        description="Model of the standard quality: munsit-denoise, munsit-denoise-dry (without reverberation), "
        "deepfilternet3, or a package's",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe level logged")
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="Format of log lines; auto: console on a terminal, JSON elsewhere"
    )
    metrics_networks: str = Field(
        "", description="Networks, besides this machine, that may read /metrics, in CIDR notation, comma-separated"
    )

    @field_validator("data_dir")
    @classmethod
    def _check_data_dir(cls, value: Path) -> Path:
        if os.path.normpath(value.absolute()).strip("/") == "" or value == Path():
            raise ValueError("must name a folder of its own, like /var/lib/munsit-denoise")
        return value

    @field_validator("host")
    @classmethod
    def _check_host(cls, value: str) -> str:
        if not (is_address(value) or re.fullmatch(r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9])?", value)):
            raise ValueError("must be an address or the name of a host, like 127.0.0.1, 0.0.0.0 or ::")
        return value

    @field_validator("public_url")
    @classmethod
    def _check_public_url(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        if value and not _is_base_url(value):
            raise ValueError("must be a URL with a host and without spaces, query or user, like https://example.org")
        return value.rstrip("/")

    @field_validator("trusted_proxies")
    @classmethod
    def _check_trusted_proxies(cls, value: str) -> str:
        for proxy in _listed(value):
            if proxy != "*" and not is_network(proxy):
                raise ValueError(f"{proxy!r} is no address; one is written like 10.0.0.7 or 10.0.0.0/8, and * is any")
        return value

    @field_validator("allowed_networks", "metrics_networks")
    @classmethod
    def _check_networks(cls, value: str) -> str:
        for network in _listed(value):
            if not is_network(network):
                raise ValueError(f"{network!r} is no network; one is written like 10.0.0.0/8")
        return value

    @field_validator("cors_origins")
    @classmethod
    def _check_cors_origins(cls, value: str) -> str:
        for origin in _listed(value):
            if origin != "*" and not _is_origin(origin):
                raise ValueError(f"{origin!r} is no origin; one is written like https://example.org:8443, and * is any")
        return value

    @field_validator("rate_limit_url")
    @classmethod
    def _check_rate_limit_url(cls, value: str) -> str:
        if not re.match(r"[a-z][a-z0-9+]*://", value):
            raise ValueError("must be a URL of the limits package, like memory:// or redis://localhost:6379")
        return value

    @field_validator("database_url")
    @classmethod
    def _check_database_url(cls, value: str) -> str:
        if re.match(r"postgres(ql)?:", value):
            if not is_server_url(value):
                raise ValueError("must be a URL like postgresql://user@host:5432/name")
            return value
        if value and not re.match(r"sqlite(\+aiosqlite)?:", value):
            raise ValueError("must start with sqlite:/// or postgresql://")
        path, _, query = value.partition(":///")[2].partition("?")
        if value and (path in ("", "/") or ":memory:" in path or "mode=memory" in query):
            raise ValueError("must name a file: a database in memory forgets accepted jobs")
        if query:
            raise ValueError("must end with the path, without parameters; a question mark in a name is %3F")
        return value

    @field_validator("storage_url")
    @classmethod
    def _check_storage_url(cls, value: str) -> str:
        if re.fullmatch(r"s3://[A-Za-z0-9][A-Za-z0-9._-]+(/[^?#\s]*)?", value):
            return value.rstrip("/")
        if value and not value.startswith("file:///"):
            raise ValueError("must start with file:/// or be an s3://bucket/prefix")
        if value and os.path.normpath(value.removeprefix("file://")).strip("/") == "":
            raise ValueError("must name a folder of its own, like file:///var/lib/munsit-denoise/files")
        return value

    @field_validator("s3_endpoint")
    @classmethod
    def _check_s3_endpoint(cls, value: str) -> str:
        if value and not (value.startswith(("http://", "https://")) and _is_base_url(value)):
            raise ValueError("must be a URL like http://store.example:9000")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _check_deployment(self) -> "Settings":
        if not self.is_cluster and not self.job_concurrency:
            raise ValueError(
                "DENOISE_JOB_CONCURRENCY=0 needs workers on other machines, which share a PostgreSQL database: "
                "set DENOISE_DATABASE_URL=postgresql://..., or DENOISE_JOB_CONCURRENCY to 1 or more."
            )
        if self.is_cluster and self.lease_s < 2 * self.heartbeat_s:
            raise ValueError(
                "DENOISE_LEASE_S must be at least twice DENOISE_HEARTBEAT_S: a job whose worker lives would be "
                "given to another one."
            )
        return self

    @model_validator(mode="after")
    def _check_places(self) -> "Settings":
        if (
            self.database_url
            and not self.is_cluster
            and not self.storage_url
            and "data_dir" not in self.model_fields_set
        ):
            raise ValueError(
                "DENOISE_DATABASE_URL is set but DENOISE_DATA_DIR is not, so recordings would lie in "
                f"{self.data_dir.absolute()}, away from their database. Set DENOISE_DATA_DIR as well."
            )
        return self

    @property
    def networks(self) -> tuple[str, ...]:
        """The private networks that URLs may refer to."""
        return tuple(_listed(self.allowed_networks))

    @property
    def metrics_from(self) -> tuple[str, ...]:
        """The networks besides this machine that may read /metrics."""
        return tuple(_listed(self.metrics_networks))

    @property
    def is_cluster(self) -> bool:
        """Whether several processes share the database, and so the queue and the events."""
        return self.database_url.startswith("postgres")

    @property
    def cors_from(self) -> tuple[str, ...]:
        """The origins whose pages may call this server, in the form that browsers send."""
        return tuple(_as_browsers_write(origin) for origin in _listed(self.cors_origins))

    @property
    def database(self) -> str:
        """The effective database URL, without a driver."""
        if self.is_cluster:
            return "postgresql:" + self.database_url.partition(":")[2]
        url = self.database_url or f"sqlite:///{quote(str(self.data_dir.absolute() / 'denoise.db'))}"
        return "sqlite:" + url.partition(":")[2]

    @property
    def database_path(self) -> Path:
        """The file of the effective database."""
        return Path(unquote(self.database.partition(":///")[2].partition("?")[0])).absolute()

    @property
    def storage_root(self) -> Path:
        """The effective folder for recordings and results; with an object store, the one for temporary files."""
        local = self.storage_url.startswith("file://")
        return Path(self.storage_url.removeprefix("file://")) if local else self.data_dir.absolute() / "files"


def _listed(value: str) -> list[str]:
    return [item.strip() for item in value.split(",") if item.strip()]


def _is_origin(value: str) -> bool:
    scheme, _, host = value.partition("://")
    try:
        named = bool(urlsplit(value).hostname) and urlsplit(value).port != 0
    except ValueError:
        return False
    plain = re.fullmatch(r"[A-Za-z0-9._-]+(:\d+)?|\[[0-9A-Fa-f:.]+\](:\d+)?", host, re.ASCII)
    return named and plain is not None and re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme, re.ASCII) is not None


def _as_browsers_write(origin: str) -> str:
    """Return an origin in lower case and without a default port."""
    scheme, _, host = origin.lower().partition("://")
    port = DEFAULT_PORTS.get(scheme)
    return f"{scheme}://{host.removesuffix(port)}" if port else origin.lower()


def _is_base_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
        named = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
    plain = re.fullmatch(r"[!-~]+", value) is not None and "\\" not in value
    return named and plain and not (parts.query or parts.fragment or "@" in parts.netloc or value.endswith(("?", "#")))


class SettingsError(Exception):
    """A setting is wrong; the message names it."""


def read_settings(**overrides: object) -> Settings:
    """Read the environment and `.env`.

    Raises SettingsError with one line for each wrong setting.
    """
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        lines = [_sentence(wrong["loc"], wrong["input"], wrong["msg"]) for wrong in error.errors()]
        raise SettingsError("\n".join(lines)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"The file {ENV_FILE} cannot be read: {error}") from None


def _sentence(location: tuple[int | str, ...], value: object, message: str) -> str:
    message = message.removeprefix("Value error, ")
    for name in map(str, location[:1]):  # a rule about several settings has no location
        shown = value
        if name in WITH_PASSWORDS and isinstance(value, str) and ("//" in value or "@" in value):
            shown = host_of(value)
        return f"{PREFIX}{name.upper()}={shown!r} is wrong: {requirement(Settings.model_fields[name], message)}"
    return message


def read_locale() -> str:
    """Return the locale for messages, by the rules of POSIX: `ar_EG.UTF-8`, or empty if none is set."""
    return next((value for name in LOCALE_VARIABLES if (value := os.environ.get(name))), "")


def unknown_variables() -> list[str]:
    """Return a sentence for each `DENOISE_` variable in the environment or `.env` that is not a setting."""
    known = [*OF_COMMANDS, *(name.upper() for name in Settings.model_fields)]
    given = {name.upper() for name in (*os.environ, *DotEnvSettingsSource(Settings).env_vars)}
    unknown = sorted(name.removeprefix(PREFIX) for name in given if name.startswith(PREFIX))
    return [
        f"{PREFIX}{name} is no setting and has no effect{_nearest(name, known)}"
        for name in unknown
        if name not in known
    ]


def _nearest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return f"; did you mean {PREFIX}{near[0]}?" if near else ""
