"""The training loop of the near network, top down: batches, contrastive loss both ways, checkpoints, resume."""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, IterableDataset

from photophore.errors import ModelError
from photophore_near.model import NearNetwork, save_network
from photophore_near.shape import NearShape
from photophore_near.training.contrast import contrastive_loss
from photophore_near.training.pairs import PairSet
from photophore_near.training.running import average_into, flushed, save_progress, scheduled_rate
from photophore_near.training.sampling import PairSampler, TrainingBatch, draw_batch

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """How to train; times and rates are in optimiser steps.

    Parameters
    ----------
    emitted
        Share of the pairs that the profiles emit themselves.
    blur
        Largest share of background that an emitting profile is mixed with, so that it emits remote relatives, too.
    growth_penalty
        Weight of the mean square of the last stream: only its direction counts, so nothing else keeps it from growing.
    """

    steps: int = 8000
    pairs: int = 64
    window: int = 256
    anchors_per_pair: int = 20
    emitted: float = 0.5
    weak_weight: float = 3.0
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    warmup: int = 200
    average: float = 0.999
    blur: float = 0.3
    growth_penalty: float = 1e-3
    checkpoint_every: int = 250
    seed: int = 1
    device: str = "cpu"
    threads: int = 2
    bfloat16: bool = True

    def __post_init__(self) -> None:
        for name, lowest in _LOWEST.items():
            if getattr(self, name) < lowest:
                raise ValueError(f"{name} is {getattr(self, name)}; give at least {lowest}")
        if not 0.0 <= self.emitted <= 1.0:
            raise ValueError(f"emitted is {self.emitted}; give a share from 0 to 1")
        for name in ("average", "blur"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ValueError(f"{name} is {getattr(self, name)}; give a number from 0 to below 1")
        for name in ("learning_rate", "weak_weight"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; give a number above 0")


#: Emitted stretches are at least 40 positions long, and shorter than the window.
_LOWEST = {
    "steps": 1,
    "pairs": 1,
    "window": 41,
    "anchors_per_pair": 1,
    "weight_decay": 0,
    "warmup": 0,
    "growth_penalty": 0,
    "checkpoint_every": 1,
    "seed": 0,
    "threads": 1,
}


class _Batches(IterableDataset[TrainingBatch]):
    """An endless stream of batches, the same for the same seed and first step."""

    def __init__(self, path: Path, settings: LoopSettings, step: int, first_step: int) -> None:
        self.path, self.settings, self.step, self.first_step = path, settings, step, first_step

    def __iter__(self) -> Iterator[TrainingBatch]:
        s = self.settings
        seed = int(np.random.default_rng((s.seed, self.first_step)).integers(2**31))
        sampler = PairSampler(
            PairSet.load(self.path),
            window=s.window,
            step=self.step,
            emitted=s.emitted,
            blur=s.blur,
            weak_weight=s.weak_weight,
            seed=seed,
        )
        while True:
            yield draw_batch(sampler, pairs=s.pairs, anchors_per_pair=s.anchors_per_pair)


class _Trainer:
    """Network, optimiser and running average, as one thing to save and to resume."""

    def __init__(self, shape: NearShape, settings: LoopSettings) -> None:
        torch.manual_seed(settings.seed)
        self.settings = settings
        self.network = NearNetwork(shape).to(settings.device, memory_format=torch.channels_last)
        self.averaged = copy.deepcopy(self.network)
        self.log_scale = nn.Parameter(torch.tensor(math.log(15.0), device=settings.device))
        self.optimiser = torch.optim.AdamW(
            [*self.network.parameters(), self.log_scale],
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
            betas=(0.9, 0.98),
        )
        self.step = 0

    def state(self) -> dict[str, object]:
        return {
            "network": self.network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "log_scale": self.log_scale.detach(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
        }

    def resume(self, path: Path) -> None:
        state = torch.load(path, map_location=self.settings.device, weights_only=True)
        try:
            self.network.load_state_dict(state["network"])
        except RuntimeError as error:
            raise ModelError(
                f"{path}: is of a network of another shape than {self.network.shape}; remove it, or give another folder as out"
            ) from error
        self.averaged.load_state_dict(state["averaged"])
        self.optimiser.load_state_dict(state["optimiser"])
        with torch.no_grad():
            self.log_scale.copy_(state["log_scale"])
        self.step = int(state["step"])

    def learning_rate(self) -> float:
        """Linear warm-up, then a cosine down to 1 % of the peak."""
        s = self.settings
        return scheduled_rate(self.step, peak=s.learning_rate, warmup=s.warmup, steps=s.steps)

    def update(self, batch: TrainingBatch) -> float:
        """One optimiser step; returns the loss."""
        s = self.settings
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate()
        values = torch.from_numpy(np.concatenate([batch.profile, batch.protein])).to(s.device)
        with torch.autocast(torch.device(s.device).type, torch.bfloat16, enabled=s.bfloat16):
            features = self.network.features(values)
            vectors = functional.normalize(self.network.vectors(features).float(), dim=-1).flatten(0, 1)
            profile, protein = vectors.chunk(2)  # (pairs * window / step, dim) each
            contrast = contrastive_loss(
                profile,
                protein,
                torch.from_numpy(batch.profile_rows).to(s.device),
                torch.from_numpy(batch.protein_rows).to(s.device),
                self.log_scale.exp().clamp(max=100.0),
            )
            loss = contrast + s.growth_penalty * features.float().square().mean()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self.step += 1
        average_into(self.averaged, self.network, self.step, most=s.average)
        return float(contrast.detach())


def _as_batch(batch: TrainingBatch) -> TrainingBatch:
    return batch


@flushed()
def train(pairs: Path, out: Path, shape: NearShape, settings: LoopSettings) -> Path:
    """Train on a `PairSet` file; return the safetensors file with the averaged weights.

    Writes ``checkpoint.pt`` (resumed from when it is there), ``log.jsonl`` and ``near.safetensors`` into ``out``.
    """
    torch.set_num_threads(settings.threads)
    out.mkdir(parents=True, exist_ok=True)
    trainer = _Trainer(shape, settings)
    checkpoint = out / "checkpoint.pt"
    if checkpoint.exists():
        trainer.resume(checkpoint)
        _log.info("resumed at step %d", trainer.step)
    weights = out / "near.safetensors"
    if trainer.step >= settings.steps:
        save_network(trainer.averaged, weights, {"step": str(trainer.step)})
        return weights
    loader = DataLoader(
        _Batches(pairs, settings, shape.step, trainer.step),
        batch_size=None,
        num_workers=1,
        prefetch_factor=4,
        collate_fn=_as_batch,
    )
    started, losses = time.monotonic(), []
    for batch in loader:
        losses.append(trainer.update(batch))
        if trainer.step % settings.checkpoint_every == 0 or trainer.step >= settings.steps:
            row = {
                "step": trainer.step,
                "loss": round(float(np.mean(losses)), 4),
                "scale": round(float(trainer.log_scale.detach().exp()), 2),
                "seconds": round(time.monotonic() - started, 1),
            }
            save_progress(trainer.state(), checkpoint, row)
            save_network(trainer.averaged, weights, {"step": str(trainer.step)})
            losses = []
        if trainer.step >= settings.steps:
            break
    return weights
