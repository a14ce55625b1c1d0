"""The report of a result, measured while the blocks of its job pass."""

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
from munsit_denoise.engine.catalogue import OWN, ModelInfo
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
DIGEST = "weights/denoiser.sha256"
QUIETEST_LUFS, QUIETEST_DBTP = -70.0, -119.0  # what the meter of a levelled file says of silence
UNTOLD = Reading(None, None, None, None, 0)
LEAST_SHARE = 1e-9  # of the energy, below which what was removed is rounding


@runtime_checkable
class Named(Protocol):
    """A denoiser that says which models it is made of."""

    models: tuple[ModelInfo, ...]


@dataclass
class Metered:
    """A denoiser whose blocks are measured, before and after. What breaks a meter costs the report, not the job."""

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
        """Take frames, return those that are ready."""
        self._measure(0, block)
        return self._measure(1, self.denoiser.feed(block))

    def flush(self) -> Block:
        """Return the rest."""
        return self._measure(1, self.denoiser.flush())

    def report(self, outcome: Outcome, options: Options, digests: tuple[str | None, str | None]) -> dict[str, Any]:
        """Return what there is to say of a result, all of whose blocks have passed."""
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
        """Return the pictures as a file, None where there are none."""
        return pack(self._pictures, self.track, room_bytes(self.original_bytes)) if self.works else None

    def _measure(self, which: int, block: Block) -> Block:
        if len(block):
            self._guarded(lambda: self._meters[which].feed(block))
        return block

    def _guarded(self, act: Callable[[], None]) -> None:
        try:
            if self.works:
                act()
        except Exception:  # a boundary: the sound matters more than what is said of it
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
    """One whose denoiser can be stopped."""

    def stop(self) -> None:
        """End what another thread is in soon, and return when it has ended."""
        assert isinstance(self.denoiser, Stoppable)  # `metered` sees to it
        self.denoiser.stop()


def metered(denoiser: Denoiser, track: AudioTrack, original_bytes: int) -> Metered:
    """Return a denoiser whose blocks are measured."""
    kind = StoppableMetered if isinstance(denoiser, Stoppable) else Metered
    return kind(denoiser, track, original_bytes)


def _levelled(after: Reading, levelled: Levelled) -> Reading:
    """Return what a sound measures after its loudness was set; the limiter lets nothing clip."""
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
    """Return the options of a job by the names that clients give them."""
    return {
        "strength": options.strength,
        "output_format": options.extension,
        "loudness": options.level_lufs,
        "audio_track": options.audio_track,
    } | _unusual(options)


def _unusual(options: Options) -> dict[str, str]:
    """Return what is told only of who asked for it."""
    quality = {"quality": options.quality.value} if options.quality is Quality.BEST else {}
    return quality | ({"keep": options.keep.value} if options.keep is not Keep.VOICE else {})


@cache
def model() -> dict[str, str | None]:
    """Return which model this version has: the digest is of its weights' file."""
    digest = resources.files("munsit_denoise.engine").joinpath(DIGEST).read_text("ascii").split()
    return {"name": OWN, "version": __version__, "sha256": digest[0] if digest else None}


def told_models(denoiser: Denoiser) -> dict[str, Any]:
    """Return which model made a result, and which one beside it where there were two."""
    models = denoiser.models if isinstance(denoiser, Named) else ()
    told = [model() if one.name == OWN else asdict(one) for one in models] or [model()]
    return dict(zip(("model", "second_model"), told, strict=False))


def digest_of(path: Path) -> str | None:
    """Return a file's SHA-256, None where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


class Reports:
    """What was measured of jobs."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def report(self, user_id: str, job_id: str) -> dict[str, Any]:
        """Return the report of a user's job that has succeeded. Raises JobNotFound, Gone."""
        record = await self._parts.records.get_own(user_id, job_id)
        if record.status is not Status.SUCCESS:
            raise JobNotFound
        if record.result_went:
            raise Gone
        return _told(record, json.loads(record.report) if record.report else {})


def _told(record: DenoiseRecord, measured: dict[str, Any]) -> dict[str, Any]:
    """Return all there is to say; what was not measured, by a version before this one, is null."""
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
        **({"second_model": measured["second_model"]} if "second_model" in measured else {}),
        "options": told_options(record.options),
        "sha256": measured.get("sha256") or dict.fromkeys(("original", "result")),
    }
