"""Mixing: pairs are a function of seed and index, damage and augmentation are what they say."""

from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from munsit_denoise.engine.resample import resample_window
from munsit_denoise.engine.stft import SAMPLE_RATE_HZ
from tests.audio import hiss, voice
from training.data.corpus import Corpus, bandwidth_hz, open_corpus
from training.mix.mixer import CREST, MixConfig, Mixer, Pair
from training.mix.signals import active_rms, clipped, companded, low_pass, phrase, rms, stretched, with_gaps

CONFIG = MixConfig(seconds=0.8)


def test_the_cache_holds_every_recording_at_the_models_rate(corpus: Corpus, pack: Path) -> None:
    again = open_corpus([pack], pack / "cache")
    for kind, count in (("speech", 2), ("noise", 2), ("rir", 1)):
        assert len(corpus.clips[kind]) == len(again.clips[kind]) == count
    for clip in corpus.clips["speech"]:
        assert clip.samples == pytest.approx(1.5 * SAMPLE_RATE_HZ, abs=2)
        assert corpus.waveform(clip).std() == pytest.approx(voice(1.5).std(), rel=0.1)


def test_pairs_are_a_function_of_seed_and_index(corpus: Corpus) -> None:
    one, two = Mixer(corpus, CONFIG, 3, 20), Mixer(corpus, CONFIG, 3, 20)
    for index in (0, 7, 19):
        assert torch.equal(one[index][0], two[index][0])
        assert torch.equal(one[index][1], two[index][1])
    assert not torch.equal(one[0][0], Mixer(corpus, CONFIG, 4, 20)[0][0])


def test_pairs_are_finite_levelled_and_aligned(corpus: Corpus) -> None:
    mixer = Mixer(corpus, replace(CONFIG, clipping=0, clean_only=0, noise_only=0), 1, 30)
    for index in range(30):
        noisy, clean, band_hz = mixer[index]
        assert noisy.shape == clean.shape == (int(0.8 * SAMPLE_RATE_HZ),)
        assert torch.isfinite(noisy).all()
        assert 0.005 < rms(noisy.numpy()) < 0.3
        assert 2_500 < band_hz <= SAMPLE_RATE_HZ / 2


def test_the_mixture_has_the_ratio_it_was_drawn_with(corpus: Corpus) -> None:
    undamaged = replace(CONFIG, clipping=0, companding=0, dropout=0, band_limit=0)
    mixer = Mixer(corpus, replace(undamaged, snr_db=(7, 7), clean_only=0, noise_only=0), 1, 10)
    for index in range(10):
        noisy, clean, _ = mixer[index]
        noise = (noisy - clean).numpy()
        loudness = max(rms(noise), np.abs(noise).max() / CREST)
        assert 20 * np.log10(active_rms(clean.numpy()) / loudness) == pytest.approx(7, abs=0.1)


@pytest.mark.parametrize("special", ["events", "reversed_noise", "codec", "synthetic_noise", "rumble", "rests"])
def test_every_special_case_gives_an_aligned_pair(corpus: Corpus, special: str) -> None:
    case: dict[str, Any] = {special: 1.0}
    mixer = Mixer(corpus, replace(CONFIG, seconds=1.0, clean_only=0, noise_only=0, **case), 5, 6)
    for index in range(6):
        noisy, clean, band_hz = mixer[index]
        assert noisy.shape == clean.shape == (SAMPLE_RATE_HZ,)
        assert torch.isfinite(noisy).all()
        assert 2_500 < band_hz <= SAMPLE_RATE_HZ / 2
        assert not torch.equal(noisy, clean)


def still_and_slow(corpus: Corpus, case: str) -> Iterator[tuple[Pair, Pair]]:
    """Yield pairs without and with a case that adds something below hearing."""
    still = replace(
        CONFIG, clean_only=0, noise_only=0, noise_eq=0, room=0, band_limit=0, clipping=0, companding=0, dropout=0
    )
    with_case: dict[str, Any] = {case: 1.0}
    without, slow = (Mixer(corpus, config, 1, 4) for config in (still, replace(still, **with_case)))
    return zip((without[index] for index in range(4)), (slow[index] for index in range(4)), strict=True)


def test_clean_speech_alone_may_drift(corpus: Corpus) -> None:
    config = replace(CONFIG, clean_only=1, clipping=0, companding=0, dropout=0)
    pairs = [Mixer(corpus, replace(config, clean_drift=1), 1, 8)[index] for index in range(8)]
    still = [Mixer(corpus, config, 1, 8)[index] for index in range(8)]
    assert all(torch.equal(noisy, clean) for noisy, clean, _ in pairs)
    drifting, without = (np.mean([below_40_hz(x) / float(x.std()) for _, x, _ in made]) for made in (pairs, still))
    assert drifting > 4 * without


def test_rumble_is_the_noises_own(corpus: Corpus) -> None:
    pairs = list(still_and_slow(corpus, "rumble"))
    slow, still = (
        [below_40_hz(noisy - clean) / float((noisy - clean).std()) for noisy, clean, _ in made]
        for made in ([slow for _, slow in pairs], [still for still, _ in pairs])
    )
    assert np.mean(slow) > 2 * np.mean(still)
    assert all(torch.allclose(a[1] / a[1].std(), b[1] / b[1].std(), atol=1e-3) for a, b in pairs)


def below_40_hz(x: torch.Tensor) -> float:
    spectrum = torch.fft.rfft(x * torch.hann_window(len(x)))
    return float(spectrum[: 40 * len(x) // SAMPLE_RATE_HZ].norm() / len(x))


def test_clean_only_and_noise_only_are_what_they_say(corpus: Corpus) -> None:
    noisy, clean, _ = Mixer(corpus, replace(CONFIG, clean_only=1, clipping=0), 1, 1)[0]
    assert torch.equal(noisy, clean)
    noisy, clean, band_hz = Mixer(corpus, replace(CONFIG, clean_only=0, noise_only=1, band_limit=0), 1, 1)[0]
    assert not clean.any()
    assert noisy.any()
    assert band_hz == SAMPLE_RATE_HZ / 2


@pytest.mark.parametrize("early_s", [None, 0.01])
def test_late_reverberation_is_noise_if_the_recipe_says_so(corpus: Corpus, early_s: float | None) -> None:
    undamaged = replace(CONFIG, clipping=0, companding=0, dropout=0, band_limit=0)
    in_rooms = replace(undamaged, room=1, early_s=early_s, clean_only=1)
    for index in range(5):
        noisy, clean, _ = (np.asarray(part) for part in Mixer(corpus, in_rooms, 1, 5)[index])
        late = noisy - clean
        if early_s is None:
            assert not late.any()
        else:  # the room of the corpus has an echo of 0.3 after 900 samples
            assert np.abs(late[900:] - 0.3 * clean[:-900]).max() < 1e-4 * np.abs(clean).max()
            assert np.abs(late[:900]).max() < 1e-4 * np.abs(clean).max()
    noisy, clean, _ = Mixer(corpus, replace(undamaged, room=1, early_s=early_s, clean_only=0, noise_only=1), 1, 1)[0]
    assert noisy.any()
    assert not clean.any()


def test_bandwidth_is_found_and_cut() -> None:
    x = hiss(48_000)
    assert bandwidth_hz(x, 48_000) > 23_000
    assert bandwidth_hz(low_pass(x, 8_000), 48_000) == pytest.approx(8_000, rel=0.05)
    assert bandwidth_hz(np.zeros(4_800, np.float32), 48_000) >= 0


def test_damage_is_what_it_says() -> None:
    x = voice(1, 48_000)
    cut = clipped(x, 0.5)
    assert np.abs(cut).max() == pytest.approx(np.abs(x).max() / 2)
    telephone = companded(x)
    assert 20 < 10 * np.log10(np.var(x) / np.var(telephone - x)) < 50
    assert len(np.unique(telephone)) <= 255
    gaps = with_gaps(np.ones(48_000, np.float32), np.random.default_rng(1), (0.01, 0.01))
    assert 480 <= (gaps == 0).sum() <= 5 * 480


def test_other_playback_rates_change_the_pitch_and_keep_the_length(corpus: Corpus) -> None:
    config = replace(CONFIG, playback_rate=1, speech_rate=(1.1, 1.1), noise_rate=(0.7, 0.7))
    for index in range(5):
        noisy, clean, band_hz = Mixer(corpus, config, 2, 5)[index]
        assert noisy.shape == clean.shape == (int(0.8 * SAMPLE_RATE_HZ),)
        assert band_hz <= SAMPLE_RATE_HZ / 2


@pytest.mark.parametrize("kind", ["speech", "noise"])
def test_a_corpus_without_speech_or_noise_is_refused(corpus: Corpus, kind: str) -> None:
    lacking = copy(corpus)
    lacking.clips = corpus.clips | {kind: []}
    with pytest.raises(ValueError, match="no speech or no noise"):
        Mixer(lacking, CONFIG, 1, 1)


@pytest.mark.parametrize("band_hz", [8_000.0, 20_000.0])
def test_a_corpus_of_one_bandwidth_is_enough(corpus: Corpus, band_hz: float) -> None:
    alike = copy(corpus)
    alike.clips = corpus.clips | {"speech": [replace(clip, band_hz=band_hz) for clip in corpus.clips["speech"]]}
    noisy, clean, _ = Mixer(alike, replace(CONFIG, clean_only=0, noise_only=0), 1, 1)[0]
    assert clean.any()
    assert not torch.equal(noisy, clean)


def test_speech_in_phrases_rests_between_them(corpus: Corpus) -> None:
    config = replace(CONFIG, seconds=3.0, clean_only=1, room=0, band_limit=0, speech_eq=0)
    flowing, silent = (
        [float((Mixer(corpus, replace(config, rests=rests), 1, 6)[index][1] == 0).float().mean()) for index in range(6)]
        for rests in (0, 1)
    )
    assert 0.1 < np.mean(silent) < 0.6
    assert np.mean(silent) > np.mean(flowing) + 0.1


@pytest.mark.parametrize("seed", range(4))
def test_a_phrase_begins_and_ends_softly(seed: int) -> None:
    rng = np.random.default_rng(seed)
    said = voice(4.0, SAMPLE_RATE_HZ)
    part = phrase(said, rng)
    assert 0.1 * len(said) < len(part) < 0.6 * len(said)
    assert max(rms(part[:480]), rms(part[-480:])) < 0.5 * rms(part)
    np.testing.assert_array_equal(phrase(said[: SAMPLE_RATE_HZ // 2], rng), said[: SAMPLE_RATE_HZ // 2])


@pytest.mark.parametrize(("length", "samples"), [(4_800, 3_200), (3_200, 4_800), (4_801, 3_333), (4_000, 4_000)])
def test_a_rate_changes_as_the_enhancer_changes_it(length: int, samples: int) -> None:
    x = np.random.default_rng(0).standard_normal(length, np.float32)
    expected = resample_window(torch.from_numpy(x), samples).numpy()
    np.testing.assert_allclose(stretched(x, samples), expected, rtol=0, atol=1e-5)
