"""PyTorch and the model, loaded when the first recording is processed."""

import errno
import threading
from collections.abc import Callable

import anyio
from anyio import to_thread

from munsit_denoise.batch.metered import MeteredDenoiser
from munsit_denoise.engine.threads import cores
from munsit_denoise.jobs.pipeline import Denoiser
from munsit_denoise.media.probe import AudioTrack
from munsit_denoise.settings import Settings
from munsit_denoise.treatment import Treatment

TRIAL_HZ = 48_000


class EngineUnusable(OSError):
    """The model cannot run on this machine, whatever the file."""


class Engine:
    """Makes a denoiser for each file."""

    def __init__(self, settings: Settings, treatment: Treatment, jobs: int, stop: threading.Event) -> None:
        self._settings, self._treatment, self._jobs, self._stop = settings, treatment, jobs, stop
        self._loading = anyio.Lock()
        self._make: Callable[[int, int, Treatment], Denoiser] | None = None

    async def denoiser(self, track: AudioTrack) -> MeteredDenoiser:
        """Return a denoiser for a track. Raises EngineUnusable."""
        async with self._loading:
            if self._make is None:
                self._make = await to_thread.run_sync(self._load, abandon_on_cancel=True)
        make = self._make
        inner = await to_thread.run_sync(make, track.sample_rate_hz, track.channels, self._treatment)
        return MeteredDenoiser(inner, self._stop)

    def _load(self) -> Callable[[int, int, Treatment], Denoiser]:
        try:
            from munsit_denoise.engine.open import open_engine

            settings = self._settings
            make = open_engine(settings.device, self._threads(), settings.precision, self._jobs, settings.enhancer)
            make(TRIAL_HZ, 1, self._treatment)  # loads what the treatment needs besides the default model
            return make
        except Exception as error:  # an error of PyTorch, its libraries or the weights: no file can be processed
            raise EngineUnusable(errno.ENODEV, str(error), "the model cannot be loaded") from None

    def _threads(self) -> int:
        """Return the cores for each of the files that run at the same time; 0 means all."""
        if self._settings.threads or self._jobs == 1:
            return self._settings.threads
        return max(cores() // self._jobs, 1)
