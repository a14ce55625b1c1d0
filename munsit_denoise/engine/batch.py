"""Runs windows of several recordings through the network in one batch, which is cheaper on a GPU.

No window waits for others. The first thread that finds the network free takes its own window and those of equal length
that arrived meanwhile. The filters equal those of a window alone up to rounding: 1e-5 of full scale in single
precision.
"""

from collections.abc import Callable
from threading import Condition

import torch
from torch import Tensor

from munsit_denoise.engine.catalogue import OWN
from munsit_denoise.engine.filter import Filter, joined
from munsit_denoise.engine.masking import MaskEnhancer
from munsit_denoise.engine.model import MaskNetwork
from munsit_denoise.engine.stop import Stopped, never

MOST_CHANNELS = 16  # in one call of the network: limits memory
LOOK_S = 0.1  # between two checks of a waiting window whether its recording is still wanted


class _Request:
    """The channels of one window, waiting for their filters."""

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
    """An enhancer for many threads, each with a window of its own recording."""

    def __init__(
        self, network: MaskNetwork, device: torch.device, precision: torch.dtype = torch.float32, name: str = OWN
    ) -> None:
        super().__init__(network, device, precision, name)
        self.batch_channels = MOST_CHANNELS
        self._waiting: list[_Request] = []
        self._changed, self._in_use = Condition(), False

    @torch.inference_mode()
    def find_filters(self, spectrogram: Tensor, should_stop: Callable[[], bool] = never) -> Filter:
        """Return the filters of [channels, frames, bins], as MaskEnhancer does, together with those of waiting windows.

        Raises Stopped while the window waits, and whatever the network raises for this window alone.
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
        """Wait until the request is settled and return None, or until the network is free and return the next batch."""
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
        """Remove a request, and those that fit into a batch with it, from the waiting list."""
        batch, channels, frames = [request], len(request.spectrogram), request.spectrogram.shape[1]
        for other in self._waiting:
            fits = channels + len(other.spectrogram) <= self.batch_channels
            if other is not request and other.spectrogram.shape[1] == frames and fits:
                batch.append(other)
                channels += len(other.spectrogram)
        self._waiting = [other for other in self._waiting if other not in batch]
        return batch

    def _settle(self, batch: list[_Request]) -> None:
        """Compute the filters of a batch; if it fails, try each request alone, so that only the faulty one fails."""
        try:
            found = super().find_filters(torch.cat([request.spectrogram for request in batch]))
            if self.device.type == "cuda":
                torch.cuda.synchronize(self.device)  # wait here, so that the next batch can fill up
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
