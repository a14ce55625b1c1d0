"""The JSON of Audo's dialect, as types."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from munsit_denoise.routes.reference.operation import Model

Uuid = Annotated[str, Field(json_schema_extra={"format": "uuid"})]


class AudoError(Model):
    """Why a request was refused."""

    detail: str = Field(description="A sentence for people")


class AudoJob(Model):
    """A job that has been accepted."""

    jobId: Uuid  # noqa: N815


class AudoFile(Model):
    """A file that waits for a job."""

    fileId: Uuid  # noqa: N815


class AudoForm(Model):
    """A form with a file."""

    model_config = ConfigDict(extra="allow")

    file: str = Field(description="The file", json_schema_extra={"format": "binary"})


class AudoJobRequest(Model):
    """A recording and its options; `fileId` is another name for `input`."""

    model_config = ConfigDict(extra="allow")

    input: str = Field(description="A fileId, or an http(s) URL")
    outputExtension: str | None = Field(None, description="Extension of the result; the source's own if absent")  # noqa: N815
    output: str | None = Field(None, description="URL to which the result is sent by PUT")
    noiseReductionAmount: Annotated[float, Field(ge=1, le=100)] | None = Field(  # noqa: N815
        None, description="How much of the noise is removed; 100 is all"
    )
    autoVolume: bool | Annotated[float, Field(ge=-70, le=0)] | None = Field(  # noqa: N815
        None, description="true: -16 LUFS; a number: that many LUFS"
    )


class Downloading(Model):
    """The recording is fetched from its URL."""

    state: Literal["downloading"]


class Queued(Model):
    """The job waits."""

    state: Literal["queued"]
    jobsAhead: int = Field(ge=0, description="Jobs that run before this one")  # noqa: N815


class InProgress(Model):
    """The job runs."""

    state: Literal["in_progress"]
    percent: float = Field(ge=0, le=100)


class Succeeded(Model):
    """The job succeeded; the path is relative to the base URL, named as the form of the request names it."""

    state: Literal["succeeded"]
    processedPath: str | None = None  # noqa: N815
    downloadPath: str | None = None  # noqa: N815
    output: Literal["delivered", "failed"] | None = None


class AudoFailed(Model):
    """The job failed or was cancelled."""

    state: Literal["failed"]
    reason: str


class AudoSuccess(Model):
    """The request succeeded."""

    status: Literal["success"]
    detail: str
