"""The training loop of our HiFi-NN network, top down: batches, losses, checkpoints, resume, a learning curve."""

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
from torch import nn

from photophore.ec import EC
from photophore.errors import ModelError
from photophore_hifinn.model import HifinnNetwork, save_network
from photophore_hifinn.shape import HifinnShape
from photophore_hifinn.training.losses import overlap_loss, overlap_targets, proxy_loss
from photophore_hifinn.training.proteins import Batch, BatchSampler, LabelledProtein, pad
from photophore_near.residues import BACKGROUND, distributions
from photophore_near.training.running import average_into, flushed, save_progress, scheduled_rate

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """How to train; rates are a step.

    Parameters
    ----------
    groups, serials, of_each, non_enzymes
        A batch: groups of one ``a.b.c``, serials of each, proteins of each serial; and proteins that are no enzymes.
    max_residues
        Longer proteins are cropped, elsewhere at each draw.
    overlap, proxy
        Weights of the paper's overlap loss and of the cross-entropy over all EC numbers.
    blur
        Largest share of background that a residue is mixed with.
    scale
        Inverse temperature of the cross-entropy.
    trunk_rate
        Learning rate of the convolutions, as a share of that of the rest.
    checkpoint_every, curve_every
        Steps between checkpoints, and between points of the learning curve, at which there is a checkpoint, too.
    """

    steps: int = 8000
    groups: int = 11
    serials: int = 4
    of_each: int = 2
    non_enzymes: int = 8
    max_residues: int = 400
    overlap: float = 1.0
    proxy: float = 0.2
    blur: float = 0.3
    scale: float = 20.0
    learning_rate: float = 1e-3
    trunk_rate: float = 0.2
    weight_decay: float = 0.02
    warmup: int = 300
    average: float = 0.999
    checkpoint_every: int = 250
    curve_every: int = 1000
    seed: int = 1
    device: str = "cpu"
    threads: int = 2
    bfloat16: bool = True

    def __post_init__(self) -> None:
        for name in ("steps", "groups", "serials", "of_each", "checkpoint_every", "curve_every", "threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; give at least 1")
        if self.max_residues < 16:
            raise ValueError(f"max_residues is {self.max_residues}; give at least 16")
        for name in ("average", "blur"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ValueError(f"{name} is {getattr(self, name)}; give a number from 0 to below 1")
        for name in ("overlap", "proxy", "weight_decay", "trunk_rate", "warmup", "non_enzymes", "seed"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; give at least 0")
        for name in ("learning_rate", "scale"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; give a number above 0")
        if self.groups * self.serials * self.of_each < 2:
            raise ValueError("groups, serials and of_each are all 1; a batch of one enzyme has no pairs: give more")
        if self.overlap + self.proxy <= 0:
            raise ValueError("overlap and proxy are both 0; give one of the losses a weight")


class _Trainer:
    """Network, optimiser and running average, as one thing to save and to resume."""

    def __init__(self, shape: HifinnShape, settings: LoopSettings, proteins: Sequence[LabelledProtein]) -> None:
        torch.manual_seed(settings.seed)
        self.settings = settings
        self.network = HifinnNetwork(shape).to(settings.device, memory_format=torch.channels_last)
        ecs = sorted({ec for protein in proteins for ec in protein.ecs}, key=str)
        self.ec_columns = {ec: column for column, ec in enumerate(ecs)}
        prefixes = sorted({str(prefix) for ec in ecs for prefix in ec.parents()})
        self.prefix_columns = {prefix: column for column, prefix in enumerate(prefixes)}
        self.proxies = nn.Parameter(torch.randn(len(ecs), shape.dim, device=settings.device))
        self.averaged = copy.deepcopy(self.network).eval()
        trunk = list(self.network.trunk.parameters())
        rest = [value for name, value in self.network.named_parameters() if not name.startswith("trunk.")]
        self.optimiser = torch.optim.AdamW(
            [
                {"params": trunk, "share": settings.trunk_rate},
                {"params": [*rest, self.proxies], "share": 1.0},
            ],
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
            betas=(0.9, 0.98),
        )
        self.step = 0
        self._table = torch.from_numpy(distributions()).to(settings.device)
        self._background = torch.from_numpy(BACKGROUND / BACKGROUND.sum()).to(settings.device)

    @torch.no_grad()
    def start_from(self, trunk: Path, proteins: Sequence[LabelledProtein]) -> None:
        """Take the convolutions of a trained near network; ``proteins`` show how large its channels are."""
        from photophore_near.model import load_network

        near = load_network(trunk)
        if near.shape != self.network.shape.trunk:
            raise ModelError(f"{trunk}: has the shape {near.shape}, not {self.network.shape.trunk}; set shape.trunk")
        state = {name: value for name, value in near.state_dict().items() if not name.startswith("head.")}
        self.network.trunk.load_state_dict(state)
        tokens, lengths = pad([protein.residues[: self.settings.max_residues] for protein in proteins])
        values, counted = self._inputs(tokens, lengths)
        features = self.network.trunk.features(values).squeeze(2)  # (proteins, width, positions)
        inside = features.transpose(1, 2)[counted > 0]
        size = inside.square().mean(dim=0).sqrt()
        self.network.balance.copy_(1 / size.clamp(min=float(size.median()) / 3))  # some channels are all but silent
        self.averaged.load_state_dict(self.network.state_dict())

    def state(self) -> dict[str, object]:
        """Return all that a checkpoint holds."""
        return {
            "ecs": [str(ec) for ec in self.ec_columns],
            "network": self.network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "proxies": self.proxies.detach(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
        }

    def resume(self, path: Path) -> None:
        """Go on from the checkpoint at ``path``; `ModelError` where it is of another network, or of other EC numbers."""
        state = torch.load(path, map_location=self.settings.device, weights_only=True)
        try:
            self.network.load_state_dict(state["network"])
        except RuntimeError as error:
            raise ModelError(
                f"{path}: is of a network of another shape than {self.network.shape}; remove it, or give another folder as out"
            ) from error
        ecs = [str(ec) for ec in self.ec_columns]
        if len(state["proxies"]) != len(ecs) or state.get("ecs", ecs) != ecs:
            raise ModelError(
                f"{path}: was trained on {len(state['proxies'])} EC numbers that are not the {len(ecs)} of these proteins; "
                "remove it, or give another folder as out"
            )
        self.proxies.data.copy_(state["proxies"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step = int(state["step"])

    def learning_rate(self) -> float:
        """Linear warm-up, then a cosine down to 1 % of the peak."""
        s = self.settings
        return scheduled_rate(self.step, peak=s.learning_rate, warmup=s.warmup, steps=s.steps)

    def update(self, batch: Batch) -> tuple[float, float]:
        """One optimiser step; returns the overlap loss and the cross-entropy."""
        s = self.settings
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate() * group["share"]
        values, counted = self._inputs(batch.tokens, batch.lengths)
        if s.blur:
            mixed = s.blur * torch.rand(len(values), 1, 1, device=values.device)
            inside = values.sum(dim=2, keepdim=True)
            values = (1 - mixed) * values + mixed * inside * self._background
        with torch.autocast(torch.device(s.device).type, torch.bfloat16, enabled=s.bfloat16):
            sums, gates = self.network.pooled(values, counted)
        vectors = self.network.vectors(sums, gates)
        targets, defined = overlap_targets([protein.ecs for protein in batch.proteins], self.prefix_columns)
        overlap = overlap_loss(vectors, targets.to(s.device), defined.to(s.device))
        scale = torch.tensor(s.scale, device=s.device)
        proxy = proxy_loss(vectors, self.proxies, self._labels(batch), scale)
        loss = s.overlap * overlap + s.proxy * proxy
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self.step += 1
        average_into(self.averaged, self.network, self.step, most=s.average)
        return float(overlap.detach()), float(proxy.detach())

    def _labels(self, batch: Batch) -> npt.NDArray[np.float32]:
        labels = np.zeros((len(batch.proteins), len(self.ec_columns)), dtype=np.float32)
        for row, protein in enumerate(batch.proteins):
            for ec in protein.ecs:
                labels[row, self.ec_columns[ec]] = 1 / len(protein.ecs)
        return labels

    def _inputs(
        self, tokens: npt.NDArray[np.uint8], lengths: npt.NDArray[np.int64]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        device, step = self.settings.device, self.network.shape.trunk.step
        values = self._table[torch.from_numpy(tokens.astype(np.int64)).to(device)]
        places = np.arange(tokens.shape[1] // step) * step
        return values, torch.from_numpy((places < lengths[:, None]).astype(np.float32)).to(device)

    @torch.no_grad()
    def embed(self, proteins: Sequence[LabelledProtein], at_once: int = 32) -> torch.Tensor:
        """Return the vectors of the running average, ``(proteins, dim)``."""
        order = sorted(range(len(proteins)), key=lambda i: len(proteins[i].residues))
        vectors = torch.empty(len(proteins), self.network.shape.dim)
        for start in range(0, len(order), at_once):
            rows = order[start : start + at_once]
            batch = pad([proteins[i].residues[:1000] for i in rows])
            with torch.autocast(
                torch.device(self.settings.device).type, torch.bfloat16, enabled=self.settings.bfloat16
            ):
                sums, gates = self.averaged.pooled(*self._inputs(*batch))
            vectors[rows] = self.averaged.vectors(sums, gates).cpu()
        return vectors


@flushed()
def train(
    proteins: Sequence[LabelledProtein],
    held_out: Sequence[LabelledProtein],
    out: Path,
    shape: HifinnShape,
    settings: LoopSettings,
    *,
    start_from: Path | None = None,
) -> Path:
    """Train on ``proteins``; return the safetensors file with the averaged weights.

    Writes ``checkpoint.pt`` (resumed from when it is there), ``log.jsonl`` and ``hifinn.safetensors`` into ``out``.
    """
    torch.set_num_threads(settings.threads)
    trainer = _Trainer(shape, settings, proteins)
    checkpoint, weights = out / "checkpoint.pt", out / "hifinn.safetensors"
    if checkpoint.exists():
        trainer.resume(checkpoint)
        _log.info("resumed at step %d", trainer.step)
    elif start_from is not None:
        trainer.start_from(start_from, proteins[:: max(1, len(proteins) // 100)][:100])
    sampler = BatchSampler(
        proteins,
        groups=settings.groups,
        serials=settings.serials,
        of_each=settings.of_each,
        non_enzymes=settings.non_enzymes,
        max_residues=settings.max_residues,
        seed=(settings.seed, trainer.step),
    )
    curve = _curve_material(proteins, held_out, settings.seed)
    started, losses = time.monotonic(), []
    while trainer.step < settings.steps:
        losses.append(trainer.update(sampler.draw()))
        last = trainer.step >= settings.steps
        measured = trainer.step % settings.curve_every == 0 or last
        if trainer.step % settings.checkpoint_every == 0 or measured:
            overlap, proxy = np.mean(losses, axis=0)
            row = {"step": trainer.step, "overlap": round(float(overlap), 4), "proxy": round(float(proxy), 4)}
            if measured and curve[0]:
                row |= _curve(trainer, *curve)
            save_progress(trainer.state(), checkpoint, {**row, "seconds": round(time.monotonic() - started, 1)})
            save_network(trainer.averaged, weights, {"step": str(trainer.step)})
            losses = []
    save_network(trainer.averaged, weights, {"step": str(trainer.step)})
    return weights


def _curve_material(
    proteins: Sequence[LabelledProtein], held_out: Sequence[LabelledProtein], seed: int, size: int = 400
) -> tuple[list[LabelledProtein], list[LabelledProtein]]:
    """Return held-out enzymes whose EC numbers can be found, and proteins to look them up among."""
    random = np.random.default_rng(seed)
    known = {ec for protein in proteins for ec in protein.ecs}
    asked = [protein for protein in held_out if protein.ecs and known.issuperset(protein.ecs)]
    asked = [asked[i] for i in random.permutation(len(asked))[:size]]
    wanted = {ec for protein in asked for ec in protein.ecs}
    seen: dict[tuple[EC, ...], int] = {}
    looked_up = []
    for i in random.permutation(len(proteins)):
        protein = proteins[i]
        seen[protein.ecs] = seen.get(protein.ecs, 0) + 1
        if seen[protein.ecs] <= (4 if wanted.intersection(protein.ecs) else 1):
            looked_up.append(protein)
    return asked, looked_up


def _curve(
    trainer: _Trainer, asked: Sequence[LabelledProtein], looked_up: Sequence[LabelledProtein]
) -> dict[str, float]:
    """Return how often the nearest protein, and one of the ten nearest, has an EC number of a held-out enzyme."""
    most = min(10, len(looked_up))
    nearest = (trainer.embed(asked) @ trainer.embed(looked_up).T).topk(most, dim=1).indices.tolist()
    right = [
        [bool(set(protein.ecs) & set(looked_up[i].ecs)) for i in rows]
        for protein, rows in zip(asked, nearest, strict=True)
    ]
    return {
        "held_out_top1": round(float(np.mean([row[0] for row in right])), 4),
        "held_out_top10": round(float(np.mean([any(row) for row in right])), 4),
    }
