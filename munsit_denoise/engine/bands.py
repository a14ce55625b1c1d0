"""The frequency axis of the network: single bins below 4 kHz, mel bands above.

Below 4 kHz, the harmonics of speech need the full resolution of the transform; above it, the resolution of the ear is
enough. Neighbouring bins or bands form groups. The network has one feature vector for each group and frame, as in
band-split models (Luo and Yu, "Music Source Separation with Band-Split RNN", 2023).
"""

from dataclasses import dataclass

import torchaudio
from torch import Tensor

from munsit_denoise.engine.stft import BIN_HZ, N_BINS, SAMPLE_RATE_HZ

LOW_BINS = 128  # bins below 4 kHz, each with its own complex filter
HIGH_BANDS = 32  # mel bands from 4 kHz to 24 kHz, each with a real gain
NEIGHBOURS = ((-1, 0), (1, 0), (0, -1), (0, 1))  # offsets in frames and bins that the filter of a low bin also reads
FILTER_TAPS = 1 + len(NEIGHBOURS)


@dataclass(frozen=True)
class Section:
    """A run of groups of equal width on the band axis; each band has either a complex filter or a gain."""

    start: int
    groups: int
    width: int
    complex_filter: bool

    @property
    def stop(self) -> int:
        """The first band after the section."""
        return self.start + self.groups * self.width

    @property
    def features(self) -> int:
        """Input features of a group: compressed real part, imaginary part and magnitude, or only the magnitude."""
        return self.width * (3 if self.complex_filter else 1)

    @property
    def outputs(self) -> int:
        """Values of a group: a gain for each band, or complex filter taps and one gain for all of them."""
        return self.width * 2 * FILTER_TAPS + 1 if self.complex_filter else self.width


SECTIONS = (
    Section(0, 16, 4, complex_filter=True),  # 0 to 2 kHz
    Section(64, 8, 8, complex_filter=True),  # 2 to 4 kHz
    Section(LOW_BINS, 8, 4, complex_filter=False),  # 4 to 24 kHz, mel bands
)
N_GROUPS = sum(section.groups for section in SECTIONS)


def high_band_matrix() -> Tensor:
    """Return triangular mel bands over the bins above 4 kHz; the weights of each bin add up to one.

    Shape [N_BINS - LOW_BINS, HIGH_BANDS]. The first and the last band keep full weight up to their edge, so the
    transposed matrix spreads gains over all bins without gaps.
    """
    weights: Tensor = torchaudio.functional.melscale_fbanks(
        N_BINS, LOW_BINS * BIN_HZ, SAMPLE_RATE_HZ / 2, HIGH_BANDS, SAMPLE_RATE_HZ, norm=None, mel_scale="htk"
    )[LOW_BINS:]
    peaks = weights.argmax(dim=0)
    weights[: peaks[0], 0] = 1.0
    weights[peaks[-1] :, -1] = 1.0
    return weights / weights.sum(dim=1, keepdim=True)
