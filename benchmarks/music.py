"""`python -m benchmarks.music`: what `keep=voice+music` keeps and removes, on speech over music with noise.

Each recording has a voice, then only the music, after a second and a half of noise alone. Some noises of the training
pack are steady, three are not.
"""

import argparse
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from benchmarks.hard_material import Material
from benchmarks.kept import Samples, pauses_db, speech_kept
from benchmarks.quality import run_peer
from munsit_denoise.api import enhance
from munsit_denoise.engine.resample import resample_window
from munsit_denoise.engine.stft import SAMPLE_RATE_HZ
from training.data.corpus import Waveform
from training.evaluate import si_sdr_db
from training.mix.signals import active_rms, unit

NOISES = {
    "steady": (
        "moodist/things_ceiling-fan.ogg",
        "moodist/nature_waterfall.ogg",
        "moodist/rain_heavy-rain.ogg",
        "home16k/washing_machine.flac",
    ),
    "unsteady": ("moodist/urban_road.ogg", "moodist/transport_submarine.ogg", "home16k/boiler.flac"),
}
LEAD_S = 1.5
LEVEL = 0.1
MUSIC_DB, SNR_DB = -6.0, 10.0  # relative to the voice
OURS: dict[str, Callable[[Waveform], Waveform]] = {
    "none": lambda x: x,
    "keep=voice": lambda x: enhance(x, SAMPLE_RATE_HZ),
    "keep=voice+music": lambda x: enhance(x, SAMPLE_RATE_HZ, keep="voice+music"),
}


@dataclass(frozen=True)
class Mixture:
    """The parts of one recording."""

    voice: Waveform
    music: Waveform
    noise: Waveform

    @property
    def wanted(self) -> Waveform:
        """What should remain."""
        return self.voice + self.music

    @property
    def noisy(self) -> Waveform:
        """The denoiser's input."""
        return self.wanted + self.noise


def main() -> None:
    """Mix, denoise, measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.music", description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--peers", default=".venv-bench/bin/python", help="Python with the peers")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    material = Material(arguments.shared / "audio" / "dev")
    table = {}
    for group, files in NOISES.items():
        paths = [arguments.shared / "audio" / "train" / "noise" / name for name in files]
        mixtures = [mixed(material, turn, read(path)) for turn, path in enumerate(paths)]
        outputs = {name: [treat(m.noisy) for m in mixtures] for name, treat in OURS.items()}
        outputs["DeepFilterNet3"] = peers_output(arguments, mixtures)
        table[group] = {name: measured(mixtures, of) for name, of in outputs.items()}
    print_table(table)
    if arguments.json:
        arguments.json.write_text(json.dumps(table, indent=1) + "\n")


def read(path: Path) -> Waveform:
    """Return a noise at the model's rate."""
    x, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    seconds = len(x) // rate_hz
    whole = torch.from_numpy(x.mean(axis=1)[: seconds * rate_hz])
    out: Waveform = resample_window(whole, seconds * SAMPLE_RATE_HZ).numpy()
    return out


def mixed(material: Material, turn: int, noise: Waveform) -> Mixture:
    """Return one recording."""
    voice, lead = material.voice(turn), np.zeros(int(LEAD_S * SAMPLE_RATE_HZ), np.float32)
    song = unit(material.song(turn, 2 * len(voice)))
    samples = len(lead) + len(song)
    return Mixture(
        np.concatenate([lead, voice * np.float32(LEVEL / active_rms(voice)), np.zeros(len(voice), np.float32)]),
        np.concatenate([lead, song * np.float32(LEVEL * 10 ** (MUSIC_DB / 20))]),
        unit(np.resize(noise, samples)) * np.float32(LEVEL * 10 ** (-SNR_DB / 20)),
    )


def peers_output(arguments: argparse.Namespace, mixtures: list[Mixture]) -> list[Waveform]:
    """Return DeepFilterNet3's results for the recordings."""
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder, "before"), Path(folder, "after")
        before.mkdir()
        for number, mixture in enumerate(mixtures):
            soundfile.write(before / f"{number}.wav", mixture.noisy, SAMPLE_RATE_HZ, subtype="FLOAT")
        run_peer(arguments, "dfn3", before, after)
        return [soundfile.read(after / f"{n}.wav", dtype="float32")[0] for n in range(len(mixtures))]


def measured(mixtures: list[Mixture], outputs: list[Waveform]) -> dict[str, float]:
    """Return means over the recordings."""
    pairs = list(zip(mixtures, outputs, strict=True))
    return {
        "music_db": mean([gain_db(m.music, out) for m, out in pairs]),
        "music_lost_percent": mean([speech_kept(m.music, out, SAMPLE_RATE_HZ).lost_percent for m, out in pairs]),
        "voice_db": mean([gain_db(m.voice, out) for m, out in pairs]),
        "voice_lost_percent": mean([speech_kept(m.voice, out, SAMPLE_RATE_HZ).lost_percent for m, out in pairs]),
        "noise_alone_db": mean([pauses_db(m.wanted, m.noisy, out, SAMPLE_RATE_HZ) for m, out in pairs]),
        "si_sdr_db": mean([si_sdr_db(out, m.wanted) for m, out in pairs]),
    }


def mean(values: list[float]) -> float:
    return round(float(np.mean(values)), 1)


def gain_db(part: Samples | Waveform, out: Samples | Waveform) -> float:
    """Return the level of a part in the output; uncorrelated sound does not count."""
    return 20 * float(np.log10(max(float(part @ out / (part @ part)), 1e-3)))


def print_table(table: dict[str, dict[str, dict[str, Any]]]) -> None:
    """Print the figures of each kind of noise."""
    names = list(next(iter(next(iter(table.values())).values())))
    print(f"\nvoice over music {-MUSIC_DB:g} dB softer, noise {SNR_DB:g} dB softer; SI-SDR of voice and music together")
    print(f"{'':30}" + "".join(f"{name:>20}" for name in names))
    for group, rows in table.items():
        for who, row in rows.items():
            print(f"{group:10}{who:20}" + "".join(f"{row[name]:20.1f}" for name in names))


if __name__ == "__main__":
    main()
