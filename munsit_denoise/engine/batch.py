"""Windows of several recordings through the network together: on a GPU one call of many channels costs little more
than one of a few.

No window waits for company. Whoever finds the network free takes it, with the windows of the same length that came
while it was in use. The filters are those of windows that go through it alone, up to rounding: within 1e-5 of full
scale in single precision.
"""

from collections.abc import Callable
from threading import Condition

import torch
from torch import Tensor

from munsit_denoise.engine.filter import Filter, joined
from munsit_denoise.engine.masking import MaskEnhancer
from munsit_denoise.engine.model import MaskNetwork
from munsit_denoise.engine.stop import Stopped, never

MOST_CHANNELS = 16  # in one call of the network: bounds memory
LOOK_S = 0.1  # between two looks of a window that waits: whether its recording is still wanted


class _Request:
    """Channels of one window that wait for their filters."""

    def __init__(self, spectrogram: Tensor) -> None:
        self.spectrogram = spectrogram  # [channels, frames, bins]
        self.filters: Filter | None = None
        self.error: Exception | None = None

    @property
    def settled(self) -> bool:
        return self.filters is not None or self.error is not None

    def result(self) -> Filter:
        if self.error is not None:
            raise self.error
        assert self.filters is not None
        return self.filters


class BatchingEnhancer(MaskEnhancer):
    """An enhancer that many threads ask at the same time, each for a window of its own recording."""

    def __init__(self, network: MaskNetwork, device: torch.device, precision: torch.dtype = torch.float32) -> None:
        super().__init__(network, device, precision)
        self.batch_channels = MOST_CHANNELS
        self._waiting: list[_Request] = []
        self._changed, self._in_use = Condition(), False

    @torch.inference_mode()
    def find_filters(self, spectrogram: Tensor, should_stop: Callable[[], bool] = never) -> Filter:
        """Return the filters of [channels, frames, bins], as MaskEnhancer does, and those of others beside them.

        Raises Stopped while the window waits, and what the network raises for this window alone.
        """
        return joined([self._found(part, should_stop) for part in torch.split(spectrogram, self.batch_channels)])

    def _found(self, spectrogram: Tensor, should_stop: Callable[[], bool]) -> Filter:
        request = _Request(spectrogram)
        with self._changed:
            self._waiting.append(request)
        while (batch := self._turn(request, should_stop)) is not None:
            try:
                self._settle(batch)
            finally:
                with self._changed:
                    self._in_use = False
                    self._changed.notify_all()
        return request.result()

    def _turn(self, request: _Request, should_stop: Callable[[], bool]) -> list[_Request] | None:
        """Wait until a request is settled, and return None, or until the network is free, and return what goes in."""
        with self._changed:
            while not request.settled:
                if request in self._waiting:
                    if should_stop():
                        self._waiting.remove(request)
                        raise Stopped
                    if not self._in_use:
                        self._in_use = True
                        return self._batch_with(request)
                self._changed.wait(LOOK_S)
        return None

    def _batch_with(self, request: _Request) -> list[_Request]:
        """Take a request, and those that can go with it, out of those that wait."""
        batch, channels, frames = [request], len(request.spectrogram), request.spectrogram.shape[1]
        for other in self._waiting:
            fits = channels + len(other.spectrogram) <= self.batch_channels
            if other is not request and other.spectrogram.shape[1] == frames and fits:
                batch.append(other)
                channels += len(other.spectrogram)
        self._waiting = [other for other in self._waiting if other not in batch]
        return batch

    def _settle(self, batch: list[_Request]) -> None:
        """Find the filters of a batch; what breaks it is told to the request that breaks alone as well."""
        try:
            found = super().find_filters(torch.cat([request.spectrogram for request in batch]))
            if self.device.type == "cuda":
                torch.cuda.synchronize(self.device)  # the next batch collects meanwhile
        except Exception as error:
            if len(batch) == 1:
                batch[0].error = error
            else:
                for request in batch:
                    self._settle([request])
            return
        sizes = [len(request.spectrogram) for request in batch]
        apart = (torch.split(part, sizes) for part in found)
        for request, *parts in zip(batch, *apart, strict=True):
            request.filters = Filter(*parts)
