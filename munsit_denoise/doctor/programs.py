"""Checks of ffmpeg and ffprobe, the model, and its device."""

import anyio
import numpy as np

from munsit_denoise.doctor.findings import Finding, doubtful, fine, wrong
from munsit_denoise.engine.catalogue import OWN, OWN_DRY, NoSuchEnhancer
from munsit_denoise.errors import DenoiseError
from munsit_denoise.media.checkup import Unable, try_programs, unconfined
from munsit_denoise.media.ffmpeg import MissingProgram
from munsit_denoise.settings import Settings
from munsit_denoise.treatment import Quality, Treatment

INSTALL_FFMPEG = "Install FFmpeg, on Debian with: apt-get install ffmpeg; and see that it comes first in PATH."
INSTALL_AGAIN = "Install munsit-denoise again, and its packages with it."
INSTALL_ENHANCER = "docs/enhancers.md tells how a package brings a model."
INSTALL_TORCH = "Install torch and torchaudio of one build; docs/quick-start.md shows how."
CHOOSE_DEVICE = "Set DENOISE_DEVICE=auto or cpu, or install the GPU's driver and a build of PyTorch that fits it."
ELSEWHERE = "Not needed here: DENOISE_JOB_CONCURRENCY is 0, other machines run the jobs."
RATE_HZ = 16_000
TRIAL_FRAMES = RATE_HZ // 2


def look_at_ffmpeg(_: Settings) -> Finding:
    """Check that ffmpeg and ffprobe exist, work, and are confined."""
    try:
        version = anyio.run(try_programs)
    except (MissingProgram, Unable, DenoiseError, OSError) as error:
        return wrong(str(error), INSTALL_FFMPEG)
    open_to = unconfined()
    if open_to:
        return doubtful(f"{version} works.", " ".join(open_to))
    return fine(f"{version} works.")


def look_at_model(settings: Settings) -> Finding:
    """Check that PyTorch can be loaded and that the weights are the packaged ones."""
    if not settings.job_concurrency:
        return fine(ELSEWHERE)
    try:
        from munsit_denoise.engine.open import load_enhancer

        best = (Quality.BEST,) if settings.quality == "best" else ()
        for name in dict.fromkeys((OWN, OWN_DRY, settings.enhancer, *best)):
            load_enhancer(name)
    except NoSuchEnhancer as error:
        return wrong(str(error), INSTALL_ENHANCER)
    except ImportError as error:
        return wrong(f"PyTorch cannot be loaded: {' '.join(str(error).split())}.", INSTALL_TORCH)
    except OSError as error:  # of the weights, or of a library of PyTorch
        return wrong(f"{' '.join(str(error).split())}.", INSTALL_AGAIN)
    return fine("The weights are those of this version.")


def look_at_device(settings: Settings) -> Finding:
    """Check that the model runs on its device, with half a second of noise."""
    if not settings.job_concurrency:
        return fine(ELSEWHERE)
    from munsit_denoise.engine.device import choose_device
    from munsit_denoise.engine.open import open_engine

    noise = np.random.default_rng(0).standard_normal((TRIAL_FRAMES, 1), dtype=np.float32)
    try:
        denoiser = open_engine(settings.device, settings.threads, settings.precision)(RATE_HZ, 1, Treatment())
        out = np.concatenate([denoiser.feed(noise), denoiser.flush()])
    except RuntimeError as error:  # PyTorch raises this for all errors of a device
        return wrong(f"{str(error).partition(chr(10))[0]}.", CHOOSE_DEVICE)
    if out.shape != noise.shape or not np.isfinite(out).all():
        return wrong("The model returns no output on this device.", CHOOSE_DEVICE)
    return fine(f"The model works on {choose_device(settings.device).type}.")
