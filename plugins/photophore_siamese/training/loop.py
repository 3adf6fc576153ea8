"""The training loop: one network, one optimiser, a checkpoint that a later run resumes."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from photophore.errors import ModelError
from photophore_near.residues import BACKGROUND, PAD_TOKEN, distributions
from photophore_near.training.running import average_into, flushed, save_progress, scheduled_rate
from photophore_siamese.model import SiameseNetwork, save_network
from photophore_siamese.shape import SiameseShape
from photophore_siamese.training.batches import Batch, PairSampler
from photophore_siamese.training.curve import Curve
from photophore_siamese.training.losses import Anchors, kin_loss, lddt_loss, letter_loss, pairing_loss, tm_loss
from photophore_siamese.truth.geometry import UNKNOWN

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """How the network is trained.

    Parameters
    ----------
    steps
        Steps of the optimiser.
    pairs
        Pairs of proteins a step.
    anchors
        Residues a step whose partner is asked for.
    homolog_share
        How often a homolog stands in for a domain that has any.
    elsewhere_share
        Share of the steps that draw pairs compared elsewhere.
    max_residues
        Longer proteins are left out.
    flank_share
        How often a domain stands between stretches of others.
    blur
        Up to this share of each residue is the background distribution instead.
    masked
        Up to this share of the residues of a protein is nothing but the background distribution.
    pairing, kin, tm, lddt, letters
        Weights of the losses.
    learning_rate, trunk_rate, weight_decay, warmup
        AdamW's peak rate, the share of it that a trunk trained before gets, weight decay, steps of linear warm-up.
    average
        Decay of the running average of the weights, which is what gets saved.
    checkpoint_every, curve_every
        Steps between checkpoints, and between points of the learning curve.
    seed, device, threads, bfloat16
        Of random numbers and of torch.
    """

    steps: int = 20_000
    pairs: int = 14
    anchors: int = 768
    homolog_share: float = 0.5
    elsewhere_share: float = 0.2
    max_residues: int = 400
    flank_share: float = 0.5
    blur: float = 0.15
    masked: float = 0.2
    pairing: float = 1.0
    kin: float = 0.3
    tm: float = 2.0
    lddt: float = 1.0
    letters: float = 0.5
    learning_rate: float = 1e-3
    trunk_rate: float = 0.3
    weight_decay: float = 0.02
    warmup: int = 300
    average: float = 0.999
    checkpoint_every: int = 250
    curve_every: int = 1000
    seed: int = 1
    device: str = "cpu"
    threads: int = 1
    bfloat16: bool = True

    def __post_init__(self) -> None:
        for name in ("steps", "anchors", "checkpoint_every", "curve_every", "threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; give at least 1")
        if self.pairs < 2:
            raise ValueError(f"pairs is {self.pairs}; a pair is told from others: give at least 2")
        if self.max_residues < 30:
            raise ValueError(f"max_residues is {self.max_residues}; give at least 30")
        for name in ("homolog_share", "elsewhere_share", "flank_share", "blur", "masked", "average"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ValueError(f"{name} is {getattr(self, name)}; give a number from 0 to below 1")
        for name in ("pairing", "kin", "tm", "lddt", "letters", "trunk_rate", "weight_decay", "warmup", "seed"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; give at least 0")
        if self.learning_rate <= 0:
            raise ValueError(f"learning_rate is {self.learning_rate}; give a number above 0")


class TrainingHeads(nn.Module):
    """What only training asks of the rows: the letters of the structure; and the temperatures of the losses."""

    def __init__(self, shape: SiameseShape, letters: Sequence[int]) -> None:
        super().__init__()
        self.letters = nn.ModuleList(nn.Linear(shape.width, count) for count in letters)
        #: Logarithms of the inverse temperatures of residues and of proteins.
        self.scales = nn.Parameter(torch.tensor([2.5, 2.3]))


class _Trainer:
    """Network, optimiser and running average, as one thing to save and to resume."""

    def __init__(self, shape: SiameseShape, settings: LoopSettings, letters: Sequence[int]) -> None:
        torch.manual_seed(settings.seed)
        self.settings = settings
        self.network = SiameseNetwork(shape).to(settings.device, memory_format=torch.channels_last)
        self.heads = TrainingHeads(shape, letters).to(settings.device)
        self.averaged = copy.deepcopy(self.network).eval()
        trunk = list(self.network.trunk.parameters())
        rest = [value for name, value in self.network.named_parameters() if not name.startswith("trunk.")]
        self.optimiser = torch.optim.AdamW(
            [
                {"params": trunk, "share": settings.trunk_rate},
                {"params": [*rest, *self.heads.parameters()], "share": 1.0},
            ],
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
            betas=(0.9, 0.98),
        )
        self.step = 0
        self._random = np.random.default_rng(settings.seed)
        self._table = torch.from_numpy(distributions()).to(settings.device)
        self._background = torch.from_numpy(BACKGROUND / BACKGROUND.sum()).to(settings.device)

    @torch.no_grad()
    def start_from(self, weights: Path, batch: Batch) -> None:
        """Take the convolutions of a trained near network; ``batch`` shows how large its channels are."""
        from photophore_near.model import load_network

        near = load_network(weights)
        if near.shape != self.network.shape.trunk:
            raise ModelError(f"{weights}: has the shape {near.shape}, not {self.network.shape.trunk}; set shape.trunk")
        state = {name: value for name, value in near.state_dict().items() if not name.startswith("head.")}
        self.network.trunk.load_state_dict(state)
        values, counted = self.inputs(batch)
        features = self.network.trunk.features(values).squeeze(2)  # (proteins, width, positions)
        inside = features.transpose(1, 2)[counted[:, ::2] > 0]
        size = inside.square().mean(dim=0).sqrt()
        self.network.balance.copy_(1 / size.clamp(min=float(size.median()) / 3))  # some channels are all but silent
        self.averaged.load_state_dict(self.network.state_dict())

    def state(self) -> dict[str, object]:
        """Return all that a checkpoint holds."""
        return {
            "network": self.network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "heads": self.heads.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
        }

    def save(self, path: Path) -> None:
        """Write the averaged weights, and the layers that read letters of structure."""
        letters = {
            name: value.detach().cpu().numpy()
            for name, value in self.heads.letters.state_dict(prefix="letters.").items()
        }
        save_network(self.averaged, path, {"step": str(self.step)}, letters)

    def resume(self, path: Path) -> None:
        """Go on from the checkpoint at ``path``; `ModelError` where it is of another network."""
        state = torch.load(path, map_location=self.settings.device, weights_only=True)
        try:
            self.network.load_state_dict(state["network"])
            self.heads.load_state_dict(state["heads"])
        except RuntimeError as error:
            raise ModelError(
                f"{path}: is of a network of another shape than {self.network.shape}; remove it, or give another folder as out"
            ) from error
        self.averaged.load_state_dict(state["averaged"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step = int(state["step"])

    def inputs(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return distributions ``(proteins, length, 20)`` and which residues count ``(proteins, length)``."""
        device = self.settings.device
        values = self._table[torch.from_numpy(batch.tokens.astype(np.int64)).to(device)]
        return values, torch.from_numpy(batch.inside.astype(np.float32)).to(device)

    def update(self, batch: Batch) -> dict[str, float]:
        """One optimiser step; returns the losses."""
        s = self.settings
        for group in self.optimiser.param_groups:
            rate = scheduled_rate(self.step, peak=s.learning_rate, warmup=s.warmup, steps=s.steps)
            group["lr"] = rate * group["share"]
        values, counted = self.inputs(batch)
        mixed = s.blur * torch.rand(len(values), 1, 1, device=values.device)
        hidden = torch.rand(*values.shape[:2], 1, device=values.device)
        mixed = torch.where(hidden < s.masked * torch.rand_like(mixed), 1.0, mixed)
        there = torch.from_numpy((batch.tokens != PAD_TOKEN).astype(np.float32)).to(values.device)
        values = (1 - mixed) * values + mixed * there[:, :, None] * self._background
        with torch.autocast(torch.device(s.device).type, torch.bfloat16, enabled=s.bfloat16):
            rows, vectors = self.network(values, counted)
        losses = self._losses(batch, values, rows, vectors)
        loss = torch.stack([getattr(s, name) * value for name, value in losses.items()]).sum()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_([*self.network.parameters(), *self.heads.parameters()], 1.0)
        self.optimiser.step()
        self.step += 1
        average_into(self.averaged, self.network, self.step, most=s.average)
        return {name: float(value.detach()) for name, value in losses.items()}

    def _losses(self, batch: Batch, values: Tensor, rows: Tensor, vectors: Tensor) -> dict[str, Tensor]:
        device = rows.device
        scales = self.heads.scales.clamp(max=4.0).exp()
        length = rows.shape[1]
        flat = rows.flatten(0, 1)  # (proteins * length, width)
        match = flat[:, : self.network.shape.match]
        tm = torch.from_numpy(batch.tm).to(device)
        groups = torch.from_numpy(batch.groups).to(device)
        pair, first, second = (torch.from_numpy(column).to(device) for column in batch.aligned.T)
        one, other = 2 * pair * length + first, (2 * pair + 1) * length + second
        chosen = torch.from_numpy(self._random.permutation(len(one))[: 2 * self.settings.anchors]).to(device)
        lddt = torch.from_numpy(batch.lddt).to(device)
        predicted = self.network.pair_lddt(flat[one[chosen]], flat[other[chosen]])
        letters = torch.from_numpy(batch.letters.astype(np.int64)).to(device).flatten(0, 1)  # (residues, 3)
        places = torch.from_numpy(self._places(batch)).to(device)
        spelled = [
            letter_loss(head(flat[places]), letters[places, number], UNKNOWN)
            for number, head in enumerate(self.heads.letters)
        ]
        known = bool((batch.letters != UNKNOWN).any())
        anchors = self._anchors(batch, one, other, groups, lddt)
        exchanged = self.network.exchanged(values.flatten(0, 1)[anchors.rows], values.flatten(0, 1))
        return {
            "pairing": pairing_loss(match, anchors, scales[0], exchanged),
            "kin": kin_loss(vectors, groups, tm, scales[1]),
            "tm": tm_loss(vectors, tm),
            "lddt": lddt_loss(predicted, lddt[chosen]),
            "letters": torch.stack(spelled).sum() if known else flat.sum() * 0.0,
        }

    def _places(self, batch: Batch) -> npt.NDArray[np.int64]:
        """Return places of residues whose letters are asked for: half of them, at random."""
        inside = np.flatnonzero(batch.inside.ravel())
        return self._random.permutation(inside)[: len(inside) // 2]

    def _anchors(self, batch: Batch, one: Tensor, other: Tensor, groups: Tensor, lddt: Tensor) -> Anchors:
        """Return anchors on both sides of pairs that are alike enough for their residues to belong together."""
        tm = batch.tm[batch.aligned[:, 0]]
        usable = np.flatnonzero(tm >= 0.4)
        if not len(usable):
            usable = np.arange(len(tm))
        chosen = torch.from_numpy(self._random.permutation(usable)[: self.settings.anchors // 2]).to(one.device)
        rows = torch.cat([one[chosen], other[chosen]])
        partners = torch.cat([other[chosen], one[chosen]])
        weight = torch.nan_to_num(lddt[chosen], nan=0.6).clamp(min=0.05)
        length = batch.tokens.shape[1]
        outside = torch.from_numpy(~batch.inside).to(one.device)
        protein, partner = rows // length, partners // length
        same = groups[protein][:, None] == groups[None, :]  # (anchors, proteins)
        same.scatter_(1, partner[:, None], value=False)
        excluded = (same[:, :, None] | outside[None]).flatten(1)  # (anchors, residues)
        return Anchors(rows, partners, excluded, torch.cat([weight, weight]))


@flushed()
def train(
    sampler: PairSampler,
    curve: Curve,
    out: Path,
    shape: SiameseShape,
    settings: LoopSettings,
    *,
    letters: Sequence[int],
    start_from: Path | None = None,
) -> Path:
    """Train; return the safetensors file with the averaged weights.

    Writes ``checkpoint.pt`` (resumed from when it is there), ``log.jsonl`` and ``siamese.safetensors`` into ``out``.
    """
    torch.set_num_threads(settings.threads)
    trainer = _Trainer(shape, settings, letters)
    checkpoint, weights = out / "checkpoint.pt", out / "siamese.safetensors"
    if checkpoint.exists():
        trainer.resume(checkpoint)
        _log.info("resumed at step %d", trainer.step)
    elif start_from is not None:
        trainer.start_from(start_from, sampler.draw())
    started, losses = time.monotonic(), []
    while trainer.step < settings.steps:
        losses.append(trainer.update(sampler.draw()))
        measured = trainer.step % settings.curve_every == 0 or trainer.step >= settings.steps
        if trainer.step % settings.checkpoint_every == 0 or measured:
            row: dict[str, float] = {"step": trainer.step}
            row |= {name: round(float(np.mean([loss[name] for loss in losses])), 4) for name in losses[0]}
            if measured:
                row |= curve.measure(trainer.averaged, bfloat16=settings.bfloat16)
            save_progress(trainer.state(), checkpoint, {**row, "seconds": round(time.monotonic() - started, 1)})
            trainer.save(weights)
            losses = []
    trainer.save(weights)
    return weights
