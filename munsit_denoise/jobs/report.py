"""The report of a job, measured while its blocks pass through the denoiser."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from importlib import resources
from math import log10
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from munsit_denoise import __version__
from munsit_denoise.engine.catalogue import OWN, OWN_DRY, ModelInfo
from munsit_denoise.errors import Gone, JobNotFound
from munsit_denoise.jobs.intake import track_of
from munsit_denoise.jobs.parts import Parts
from munsit_denoise.jobs.pipeline import Denoiser, Outcome, Stoppable
from munsit_denoise.logs import get_logger
from munsit_denoise.media.decode import Block
from munsit_denoise.media.loudness import Levelled
from munsit_denoise.media.meter import Meter, Reading, speech_frames
from munsit_denoise.media.pack import pack
from munsit_denoise.media.probe import AudioTrack
from munsit_denoise.media.tiles import Picture, fineness_for, room_bytes
from munsit_denoise.records import DenoiseRecord, Options, Status
from munsit_denoise.treatment import Keep, Quality

log = get_logger()
DIGESTS = {OWN: "weights/denoiser.sha256", OWN_DRY: "weights/dry_voice.sha256"}
QUIETEST_LUFS, QUIETEST_DBTP = -70.0, -119.0  # what the meter of a levelled file reports for silence
MORE_MODELS = ("second_model", "third_model")
UNTOLD = Reading(None, None, None, None, 0)
LEAST_SHARE = 1e-9  # of the energy: if less was removed, it is rounding error


@runtime_checkable
class Named(Protocol):
    """A denoiser that names its models."""

    models: tuple[ModelInfo, ...]


@dataclass
class Metered:
    """A denoiser with meters before and after it. If a meter fails, the report is lost, but not the job."""

    denoiser: Denoiser
    track: AudioTrack
    original_bytes: int
    works: bool = True
    _pictures: list[Picture] = field(init=False)
    _meters: list[Meter] = field(init=False)

    def __post_init__(self) -> None:
        rate_hz, size = self.track.sample_rate_hz, Meter(self.track).size
        fineness = fineness_for(self.original_bytes, self.track.duration_s)
        self._pictures = [Picture(size, rate_hz, fineness) for _ in range(2)]
        self._meters = [Meter(self.track, picture.take) for picture in self._pictures]

    def feed(self, block: Block) -> Block:
        """Take frames and return those that are ready."""
        self._measure(0, block)
        return self._measure(1, self.denoiser.feed(block))

    def flush(self) -> Block:
        """Return the remaining frames."""
        return self._measure(1, self.denoiser.flush())

    def report(self, outcome: Outcome, options: Options, digests: tuple[str | None, str | None]) -> dict[str, Any]:
        """Return the report of a result after all of its blocks have passed."""
        self._guarded(self._end)
        before, after = (meter.reading() if self.works else UNTOLD for meter in self._meters)
        told = {
            "before": asdict(before),
            "after": asdict(_levelled(after, outcome.levelled)),
            **(self._changes(outcome.levelled.gain_db) if self.works else {}),
            **told_models(self.denoiser),
            "options": told_options(options),
            "sha256": {"original": digests[0], "result": digests[1]},
        }
        return ({"notes": outcome.notes} if outcome.notes else {}) | told

    def tiles(self) -> bytes | None:
        """Return the pictures as a file, or None if there are none."""
        return pack(self._pictures, self.track, room_bytes(self.original_bytes)) if self.works else None

    def _measure(self, which: int, block: Block) -> Block:
        if len(block):
            self._guarded(lambda: self._meters[which].feed(block))
        return block

    def _guarded(self, act: Callable[[], None]) -> None:
        try:
            if self.works:
                act()
        except Exception:  # boundary: the sound matters more than its report
            log.exception("a sound could not be measured")
            self.works = False

    def _end(self) -> None:
        for meter, picture in zip(self._meters, self._pictures, strict=True):
            meter.end()
            picture.end()

    def _changes(self, gain_db: float) -> dict[str, float | None]:
        before, after = (meter.power for meter in self._meters)
        frames = min(len(before), len(after))
        before, after = before[:frames], after[:frames]
        speech, whole = speech_frames(after), float(before.sum())
        removed = whole - float(after.sum())
        change = _ratio_db(float(after[speech].sum()), float(before[speech].sum()))
        return {
            "removed_energy_db": _ratio_db(removed, whole) if removed > LEAST_SHARE * whole else None,
            "speech_level_change_db": None if change is None else change + gain_db,
        }


class StoppableMetered(Metered):
    """A metered denoiser that can be stopped."""

    def stop(self) -> None:
        """Make a call in another thread end soon, and return when it has ended."""
        assert isinstance(self.denoiser, Stoppable)  # `metered` checks it
        self.denoiser.stop()


def metered(denoiser: Denoiser, track: AudioTrack, original_bytes: int) -> Metered:
    """Return a denoiser with meters before and after it."""
    kind = StoppableMetered if isinstance(denoiser, Stoppable) else Metered
    return kind(denoiser, track, original_bytes)


def _levelled(after: Reading, levelled: Levelled) -> Reading:
    """Return the figures of a sound after its loudness was set; the limiter prevents clipping."""
    found = levelled.found
    if found is None:
        return after
    floor_db = None if after.noise_floor_db is None else after.noise_floor_db + levelled.gain_db
    loudness = found.integrated_lufs if found.integrated_lufs > QUIETEST_LUFS else None
    peak = found.true_peak_dbtp if found.true_peak_dbtp > QUIETEST_DBTP else None
    return replace(after, loudness_lufs=loudness, true_peak_dbtp=peak, noise_floor_db=floor_db, clipped_samples=0)


def _ratio_db(power: float, other: float) -> float | None:
    return 10 * log10(power / other) if power > 0 and other > 0 else None


def told_options(options: Options) -> dict[str, Any]:
    """Return the options of a job by their names in the API."""
    return {
        "strength": options.strength,
        "output_format": options.extension,
        "loudness": options.level_lufs,
        "audio_track": options.audio_track,
    } | _unusual(options)


def _unusual(options: Options) -> dict[str, str]:
    """Return the options that appear only if they differ from the default."""
    quality = {"quality": options.quality.value} if options.quality is Quality.BEST else {}
    return quality | ({"keep": options.keep.value} if options.keep is not Keep.VOICE else {})


@cache
def model(name: str = OWN) -> dict[str, str | None]:
    """Return a model of this version, with the digest of its weights."""
    digest = resources.files("munsit_denoise.engine").joinpath(DIGESTS[name]).read_text("ascii").split()
    return {"name": name, "version": __version__, "sha256": digest[0] if digest else None}


def told_models(denoiser: Denoiser) -> dict[str, Any]:
    """Return the model of a result, and the second and last one if there were several."""
    models = denoiser.models if isinstance(denoiser, Named) else ()
    told = [model(one.name) if one.name in DIGESTS else asdict(one) for one in models] or [model()]
    told = [*told[: len(MORE_MODELS)], *told[-1:]] if len(told) > len(MORE_MODELS) else told
    return dict(zip(("model", *MORE_MODELS), told, strict=False))


def digest_of(path: Path, kind: Callable[[], Any] = hashlib.sha256) -> str | None:
    """Return a file's SHA-256, or its digest of another kind, None where it cannot be read."""
    try:
        with path.open("rb") as file:
            return str(hashlib.file_digest(file, kind).hexdigest())
    except OSError:
        return None


class Reports:
    """The stored reports of jobs."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def report(self, user_id: str, job_id: str) -> dict[str, Any]:
        """Return the report of a user's successful job. Raises JobNotFound, Gone."""
        record = await self._parts.records.get_own(user_id, job_id)
        if record.status is not Status.SUCCESS:
            raise JobNotFound
        if record.result_went:
            raise Gone
        return _told(record, json.loads(record.report) if record.report else {})


def _told(record: DenoiseRecord, measured: dict[str, Any]) -> dict[str, Any]:
    """Return the complete report; what an older version did not measure is null."""
    track, nothing = track_of(record.track), dict.fromkeys(asdict(UNTOLD))
    return {
        "duration_s": record.audio_duration_s,
        "sample_rate_hz": track.sample_rate_hz if track else None,
        "channels": track.channels if track else None,
        "before": measured.get("before") or nothing,
        "after": measured.get("after") or nothing,
        "removed_energy_db": measured.get("removed_energy_db"),
        "speech_level_change_db": measured.get("speech_level_change_db"),
        "model": measured.get("model") or dict.fromkeys(("name", "version", "sha256")),
        **{name: measured[name] for name in MORE_MODELS if name in measured},
        "options": told_options(record.options),
        "sha256": measured.get("sha256") or dict.fromkeys(("original", "result")),
    }
