"""`python -m training.train CONFIG`: train the mask network, resuming from its checkpoint where there is one.

On every core: `OMP_NUM_THREADS=1 torchrun --nproc-per-node 2 -m training.train CONFIG`.
"""

import argparse
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset

from munsit_denoise.engine.model import MaskNetwork
from munsit_denoise.engine.stft import Stft
from munsit_denoise.engine.weights import save_weights
from training.adversary import Adversary
from training.corpus import open_corpus
from training.distillation import goal, open_teacher
from training.evaluate import evaluate, summary
from training.loss import DenoisingLoss
from training.mix import Mixer
from training.muon import ADAMW_WEIGHT_DECAY, MuonAdamW
from training.parallel import ALONE, Group, join_group
from training.recipe import TrainConfig, learning_rate, read_config
from training.remix import remixed


class Trainer:
    """Model, optimiser, averaged weights and where the run stands."""

    def __init__(self, config: TrainConfig, group: Group = ALONE) -> None:
        torch.manual_seed(config.seed)
        self.config, self.group = config, group
        self.device = torch.device(config.device)
        self.stft = Stft().to(self.device)
        self.denoising_loss = DenoisingLoss(config).to(self.device)
        self.model = MaskNetwork(config.model).to(self.device)
        if config.start:
            self.model.load_state_dict(load_file(config.start))
        if config.only:
            self._freeze_others()
        self.optimiser = self._optimiser()
        shares = config.verdict_share, config.feature_share
        judge = *shares, self.device, config.mixed_precision, config.adversary_fades_db
        self.adversary = Adversary(*judge) if any(shares) else None
        taught = config, config.model, self.device, config.mixed_precision
        self.teacher = open_teacher(*taught) if config.teacher_share else None
        self.average = {name: p.detach().clone() for name, p in self.model.state_dict().items()}
        self.discriminator_losses = list[float]()  # since the log's last line
        self.step, self.elapsed_s = 0, 0.0
        self.started = time.monotonic()
        self.out = Path(config.out)
        self.out.mkdir(parents=True, exist_ok=True)
        if (self.out / "last.pt").exists():
            self._resume()

    def _freeze_others(self) -> None:
        """Let nothing but the configured parameters learn, and normalise as in use."""
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_(name.startswith(self.config.only))
        for module in self.model.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.eval()

    def _optimiser(self) -> torch.optim.Optimizer:
        """Return what the configuration names. Raises ValueError for a name of none."""
        rate, group = self.config.learning_rate, self.group
        if self.config.optimiser == "muon":
            precision = torch.bfloat16 if self.config.mixed_precision else torch.float32
            return MuonAdamW(self.model, rate, group.rank, group.world, group.sum, precision)
        if self.config.optimiser == "adamw":
            learning = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
            return torch.optim.AdamW(learning, lr=rate, weight_decay=ADAMW_WEIGHT_DECAY)
        raise ValueError(f"no optimiser is called {self.config.optimiser}")

    def _resume(self) -> None:
        state = torch.load(self.out / "last.pt", weights_only=True, map_location=self.device)
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.average, self.step, self.elapsed_s = state["average"], state["step"], state["elapsed_s"]
        if self.adversary and "adversary" in state:
            self.adversary.load_state_dict(state["adversary"])

    @property
    def done(self) -> float:
        """Return what share of the run lies behind, 1 at its end."""
        if self.config.minutes:
            return (time.monotonic() - self.started) / (60 * self.config.minutes)
        return self.step / self.config.steps

    def save(self) -> None:
        """Write the checkpoint to resume from, and the averaged weights as the package wants them."""
        state: dict[str, Any] = {"model": self.model.state_dict(), "optimiser": self.optimiser.state_dict()}
        state |= {"average": self.average, "step": self.step, "elapsed_s": self.elapsed_s}
        state |= {"adversary": self.adversary.state_dict()} if self.adversary else {}
        torch.save(state, self.out / "last.tmp")
        (self.out / "last.tmp").replace(self.out / "last.pt")
        metadata = {"model": json.dumps(asdict(self.config.model)), "step": str(self.step)}
        save_weights(self.average, self.out / "model.safetensors", metadata)

    def spectra(self, noisy: Tensor, clean: Tensor, band_hz: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return estimate, target and noisy input [batch, frames, bins] of waveforms [batch, samples]; and the band."""
        noisy, clean = noisy.to(self.device), clean.to(self.device)
        spectrum, target = self.stft.analyse(noisy), self.stft.analyse(clean)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.mixed_precision):
            found = self.model(spectrum)
        return found.apply(spectrum), target, spectrum, band_hz.to(self.device)

    def loss(self, noisy: Tensor, clean: Tensor, band_hz: Tensor) -> Tensor:
        """Return the loss of a batch of waveforms [batch, samples], without what the adversary adds."""
        loss: Tensor = self.denoising_loss(*self.spectra(noisy, clean, band_hz))
        return loss

    def train_batch(self, noisy: Tensor, clean: Tensor, band_hz: Tensor) -> Tensor:
        """Take one step with this process's part of a batch and return the loss of the whole."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.config, self.step, self.done)
        noisy, clean, band_hz = (part.to(self.device, non_blocking=True) for part in (noisy, clean, band_hz))
        if self.config.copies:
            mix = self.config.mix
            noisy, clean, band_hz = remixed(noisy, clean, band_hz, self.config.copies, mix.snr_db, mix.clean_only)
        estimate, truth, reference, band_hz = self.spectra(noisy, clean, band_hz)
        wanted = truth
        if self.teacher:
            wanted = self.stft.analyse(goal(self.teacher, self.config, noisy, clean))
        loss: Tensor = self.denoising_loss(estimate, wanted, reference, band_hz)
        if self.adversary and self.done >= self.config.adversary_from:
            voice = wanted if self.config.adversary_knows == "goal" else truth
            found = self.adversary.learn(estimate, voice, reference, band_hz, self.group)
            self.discriminator_losses.append(found)
            loss = loss + self.adversary.loss(estimate, voice, reference, band_hz)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        loss = self.group.average_gradients(self.model.parameters(), loss)
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip_norm)
        self.optimiser.step()
        decay = min(self.config.ema_decay, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for name, value in self.model.state_dict().items():
                if value.is_floating_point():
                    self.average[name].lerp_(value, 1 - decay)
        self.step += 1
        return loss.detach()

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Put the averaged weights in the place of the others while the block lasts."""
        weights = {name: p.clone() for name, p in self.model.state_dict().items()}
        self.model.load_state_dict(self.average)
        self.model.eval()
        try:
            with torch.inference_mode():
                yield
        finally:
            self.model.load_state_dict(weights)
            self.model.train()
            if self.config.only:
                self._freeze_others()

    def validate(self, batches: list[list[Tensor]]) -> dict[str, float]:
        """Return the mean loss of the averaged weights over fixed items and, now and then, their scores on pairs."""
        with self.averaged():
            losses = [self.loss(*batch).item() for batch in batches]
            found = {"validation_loss": round(sum(losses) / len(losses), 5)}
            due = self.step % self.config.pairs_every_steps == 0 or self.done >= 1
            if self.config.pairs and due:
                found |= summary(evaluate(self.model, Path(self.config.pairs)))
        return found


def run(config: TrainConfig, group: Group = ALONE) -> None:
    """Train until the configured step or time, logging one JSON line an interval.

    Raises ValueError for a run of several processes by the clock: theirs do not agree on the last step.
    """
    if config.minutes and group.world > 1:
        raise ValueError("a run of several processes ends at a step, not by the clock")
    torch.set_num_threads(config.threads)
    torch.backends.cudnn.benchmark = True  # batches are all of one shape
    trainer = Trainer(config, group)
    corpus = open_corpus([Path(root) for root in config.corpus], Path(config.cache))
    held = Mixer(corpus, config.mix, config.seed + 1_000_003, config.validation_items)
    validation: list[list[Tensor]] = list(DataLoader(held, batch_size=config.batch))
    items = Mixer(corpus, config.mix, config.seed, config.steps * config.batch)
    rest = Subset(items, group.share(trainer.step * config.batch, len(items), config.batch))
    on_gpu = trainer.device.type == "cuda"
    loader = DataLoader(rest, config.batch // group.world, num_workers=config.workers, pin_memory=on_gpu)
    losses = list[Tensor]()
    for number, batch in enumerate(loader):
        if number == 0:  # what it takes to start the mixers does not count
            trainer.started = time.monotonic() - trainer.elapsed_s
        losses.append(trainer.train_batch(*batch))
        over = trainer.done >= 1
        if trainer.step % config.every_steps == 0 or over:
            trainer.elapsed_s = time.monotonic() - trainer.started
            if group.rank == 0:
                log(trainer, losses, validation)
            losses.clear()
            trainer.discriminator_losses.clear()
            group.wait()
        if over:
            break


def log(trainer: Trainer, losses: list[Tensor], validation: list[list[Tensor]]) -> None:
    """Append an interval's figures to the run's log, print them and save."""
    row: dict[str, Any] = {"step": trainer.step, "elapsed_s": round(trainer.elapsed_s)}
    row["train_loss"] = round(torch.stack(losses).mean().item(), 5)
    if told_apart := trainer.discriminator_losses:
        row["discriminator_loss"] = round(sum(told_apart) / len(told_apart), 5)
    row |= trainer.validate(validation)
    trainer.save()
    line = json.dumps(row)
    print(line, flush=True)
    with (trainer.out / "log.jsonl").open("a") as file:
        file.write(line + "\n")


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m training.train", description=__doc__)
    parser.add_argument("config", type=Path)
    config = read_config(parser.parse_args().config)
    run(config, join_group(config.device))


if __name__ == "__main__":
    main()
