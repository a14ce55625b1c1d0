"""DeepFilterNet3 as a ChannelNetwork."""

import torch

from munsit_denoise.engine.catalogue import ModelInfo
from munsit_denoise.engine.channels import Channels
from munsit_denoise.engine.deepfilternet.features import SAMPLE_RATE_HZ, Spectra
from munsit_denoise.engine.deepfilternet.stream import RecurrentStream
from munsit_denoise.engine.deepfilternet.weights import SHA256, VERSION, load_network


class DeepFilterNet3:
    """The network on a device."""

    model = ModelInfo("DeepFilterNet3", VERSION, SHA256)
    sample_rate_hz = SAMPLE_RATE_HZ

    def __init__(self, device: torch.device) -> None:
        """Load the weights. Raises BrokenWeights."""
        self._device = device
        self._network, self._spectra = load_network().to(device), Spectra().to(device)

    def listen(self, channels: int) -> "_Channels":
        """Start a stream of some channels of a recording."""
        return _Channels(RecurrentStream(self._network, self._spectra), self._device)


class _Channels:
    def __init__(self, stream: RecurrentStream, device: torch.device) -> None:
        self._stream, self._device = stream, device

    def feed(self, samples: Channels) -> Channels:
        """Take [channels, samples], whole seconds; return the samples that are ready, delayed by LAG samples."""
        found: Channels = self._stream.feed(torch.from_numpy(samples).to(self._device)).cpu().numpy()
        return found
