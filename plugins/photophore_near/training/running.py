"""What every training loop does beside its own steps: the learning rate, the running average, checkpoints."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

_log = logging.getLogger(__name__)


def scheduled_rate(step: int, *, peak: float, warmup: int, steps: int) -> float:
    """Return the learning rate of a step: a linear warm-up, then a cosine down to 1 % of the peak."""
    if step < warmup:
        return peak * (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(done, 1.0))))


@torch.no_grad()
def average_into(averaged: nn.Module, network: nn.Module, step: int, *, most: float) -> None:
    """Move the running average of the weights towards those after ``step`` steps; buffers are taken over.

    At most the share ``most`` of the average stays, and less at the beginning.
    """
    keep = min(most, (1 + step) / (10 + step))
    for mean, new in zip(averaged.parameters(), network.parameters(), strict=True):
        mean.lerp_(new, 1 - keep)
    for mean, new in zip(averaged.buffers(), network.buffers(), strict=True):
        mean.copy_(new)


def save_progress(state: Mapping[str, object], checkpoint: Path, row: Mapping[str, float]) -> None:
    """Write a line to ``log.jsonl`` beside the checkpoint, and the checkpoint, which appears only whole."""
    _log.info("%s", row)
    with (checkpoint.parent / "log.jsonl").open("a") as log:
        log.write(json.dumps(row) + "\n")
    partial = checkpoint.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(checkpoint)


@contextmanager
def flushed() -> Iterator[None]:
    """Let the smallest numbers be 0 in this thread: the losses' smallest shares would cost most of the time."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
