"""`python -m training.train RECIPE`: train the network; an interrupted run continues from its checkpoint.

On several GPUs or cores: `torchrun --nproc-per-node 2 -m training.train RECIPE`. Each process takes its part of every
batch, and PyTorch's DistributedDataParallel averages the gradients.
"""

import argparse
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, Subset

from munsit_denoise.engine.model import MaskNetwork
from munsit_denoise.engine.stft import Stft
from munsit_denoise.engine.weights import save_weights
from training.data.corpus import open_corpus
from training.evaluate import evaluate, summary
from training.losses.denoising import DenoisingLoss
from training.mix.mixer import Mixer
from training.muon import MuonAdamW
from training.recipe import Recipe, learning_rate, read_recipe
from training.teacher import Teacher, goal


class Trainer:
    """Network, optimiser, averaged weights and progress of a run."""

    def __init__(self, recipe: Recipe, world: int = 1) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.world = recipe, world
        self.device = torch.device(recipe.device)
        self.stft = Stft().to(self.device)
        self.denoising_loss = DenoisingLoss(recipe.loss).to(self.device)
        self.network = MaskNetwork(recipe.model).to(self.device)
        if recipe.start:
            self.network.load_state_dict(load_file(recipe.start.verified()))
        precision = torch.bfloat16 if recipe.mixed_precision else torch.float32
        self.optimiser = MuonAdamW(self.network, recipe.learning_rate, precision)
        self.teacher = Teacher() if recipe.teacher_share else None
        self.average = {name: p.detach().clone() for name, p in self.network.state_dict().items()}
        self.step, self.elapsed_s = 0, 0.0
        recipe.out.mkdir(parents=True, exist_ok=True)
        self.checkpoint = recipe.out / "last.pt"
        if self.checkpoint.exists():
            self._resume()
        self.model = DistributedDataParallel(self.network) if world > 1 else self.network

    def _resume(self) -> None:
        state = torch.load(self.checkpoint, weights_only=True, map_location=self.device)
        self.network.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.average, self.step, self.elapsed_s = state["average"], state["step"], state["elapsed_s"]

    def save(self) -> None:
        """Write the checkpoint, and the averaged weights in the format of the package."""
        state: dict[str, Any] = {"model": self.network.state_dict(), "optimiser": self.optimiser.state_dict()}
        state |= {"average": self.average, "step": self.step, "elapsed_s": self.elapsed_s}
        unfinished = self.checkpoint.with_suffix(".tmp")
        torch.save(state, unfinished)
        unfinished.replace(self.checkpoint)
        metadata = {"model": json.dumps(asdict(self.recipe.model)), "step": str(self.step)}
        save_weights(self.average, self.recipe.out / "model.safetensors", metadata)

    def loss(self, noisy: Tensor, wanted: Tensor, band_hz: Tensor) -> Tensor:
        """Return the loss of waveforms [batch, samples] against `wanted`, up to `band_hz` [batch]."""
        spectrum, target = self.stft.analyse(noisy), self.stft.analyse(wanted)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.mixed_precision):
            found = (self.model if self.network.training else self.network)(spectrum)
        distances = self.step >= self.recipe.distances_from * self.recipe.steps
        loss: Tensor = self.denoising_loss(found.apply(spectrum), target, spectrum, band_hz, distances)
        return loss

    def train_batch(self, noisy: Tensor, clean: Tensor, band_hz: Tensor) -> Tensor:
        """Take one step with this process's part of a batch and return its loss."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.recipe, self.step)
        noisy, clean, band_hz = (part.to(self.device, non_blocking=True) for part in (noisy, clean, band_hz))
        wanted = goal(self.teacher, self.recipe.teacher_share, noisy, clean) if self.teacher else clean
        loss = self.loss(noisy, wanted, band_hz)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip_norm)
        self.optimiser.step()
        decay = min(self.recipe.ema_decay, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for name, value in self.network.state_dict().items():
                if value.is_floating_point():
                    self.average[name].lerp_(value, 1 - decay)
        self.step += 1
        return loss.detach()

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Use the averaged weights inside the block, then restore the others."""
        weights = {name: p.clone() for name, p in self.network.state_dict().items()}
        self.network.load_state_dict(self.average)
        self.network.eval()
        try:
            with torch.inference_mode():
                yield
        finally:
            self.network.load_state_dict(weights)
            self.network.train()

    def validate(self, batches: list[list[Tensor]]) -> dict[str, float]:
        """Return the mean loss of the averaged weights on fixed items, and at intervals their scores on pairs."""
        recipe = self.recipe
        with self.averaged():
            losses = []
            for batch in batches:
                noisy, clean, band_hz = (part.to(self.device) for part in batch)
                losses.append(self.loss(noisy, clean, band_hz).item())
            found = {"validation_loss": round(sum(losses) / len(losses), 5)}
            if recipe.pairs and (self.step % recipe.pairs_every_steps == 0 or self.step == recipe.steps):
                found |= summary(evaluate(self.network, recipe.pairs))
        return found


def run(recipe: Recipe, rank: int = 0, world: int = 1) -> None:
    """Train until the recipe's last step; log one JSON line per interval.

    Raises ValueError if the processes cannot divide the batch evenly.
    """
    if recipe.batch % world:
        raise ValueError(f"a batch of {recipe.batch} cannot be shared by {world} processes; make it a multiple")
    torch.set_num_threads(recipe.threads)
    torch.backends.cudnn.benchmark = True  # all batches have the same shape
    trainer = Trainer(recipe, world)
    corpus = open_corpus(recipe.corpus, recipe.cache)
    held = Mixer(corpus, recipe.mix, recipe.seed + 1_000_003, recipe.validation_items)
    validation: list[list[Tensor]] = list(DataLoader(held, batch_size=recipe.batch))
    items = Mixer(corpus, recipe.mix, recipe.seed, recipe.steps * recipe.batch)
    rest = Subset(items, range(trainer.step * recipe.batch, len(items)))
    sampler = DistributedSampler[Any](rest, world, rank, shuffle=False) if world > 1 else None
    loader = DataLoader(rest, recipe.batch // world, sampler=sampler, num_workers=recipe.workers)
    losses, started = list[Tensor](), time.monotonic() - trainer.elapsed_s
    for batch in loader:
        losses.append(trainer.train_batch(*batch))
        if trainer.step % recipe.every_steps == 0 or trainer.step == recipe.steps:
            mean = torch.stack(losses).mean()
            if world > 1:
                dist.all_reduce(mean)
            trainer.elapsed_s = time.monotonic() - started
            if rank == 0:
                log(trainer, mean.item() / world, validation)
            losses.clear()


def log(trainer: Trainer, train_loss: float, validation: list[list[Tensor]]) -> None:
    """Append an interval's figures to the log, print them and save a checkpoint."""
    row: dict[str, Any] = {"step": trainer.step, "elapsed_s": round(trainer.elapsed_s)}
    row |= {"train_loss": round(train_loss, 5)} | trainer.validate(validation)
    trainer.save()
    line = json.dumps(row)
    print(line, flush=True)
    with (trainer.recipe.out / "log.jsonl").open("a") as file:
        file.write(line + "\n")


def main() -> None:
    """Run the command; join the other processes if `torchrun` started this one."""
    parser = argparse.ArgumentParser(prog="python -m training.train", description=__doc__)
    parser.add_argument("recipe", type=Path)
    recipe = read_recipe(parser.parse_args().recipe)
    if "WORLD_SIZE" not in os.environ:
        run(recipe)
        return
    on_gpu = recipe.device.startswith("cuda")
    if on_gpu:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if on_gpu else "gloo")
    try:
        run(recipe, dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
