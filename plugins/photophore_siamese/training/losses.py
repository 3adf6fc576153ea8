"""The losses: which residues pair up, TM-score, lDDT, and the letters of the structure."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class Anchors:
    """Residues whose partner is asked for.

    Parameters
    ----------
    rows, partners
        ``(anchors,)``: places of both among all residues of the batch.
    excluded
        ``(anchors, residues)``: True where a residue is no candidate: padding, or of a protein that may share the fold.
    weights
        ``(anchors,)``: how much each counts.
    """

    rows: Tensor
    partners: Tensor
    excluded: Tensor
    weights: Tensor


def pairing_loss(match: Tensor, anchors: Anchors, scale: Tensor, exchanged: Tensor) -> Tensor:
    """Cross-entropy of each anchor's partner among its candidates.

    ``match (residues, dim)`` are unit vectors of all residues of the batch, ``scale`` the inverse temperature, and
    ``exchanged (anchors, residues)`` is what their amino acids alone add to it.
    """
    logits = scale * match[anchors.rows] @ match.T + exchanged  # (anchors, residues)
    logits = logits.masked_fill(anchors.excluded, -1e4)
    lost = functional.cross_entropy(logits, anchors.partners, reduction="none")
    return (lost * anchors.weights).sum() / anchors.weights.sum().clamp(min=1e-6)


def kin_loss(vectors: Tensor, groups: Tensor, tm: Tensor, scale: Tensor, least: float = 0.5) -> Tensor:
    """Cross-entropy of each protein's partner, where their TM-score is at least ``least``, among those of other folds.

    ``vectors (proteins, dim)`` of pairs ``(2p, 2p + 1)``.
    """
    count = len(vectors)
    places = torch.arange(count)
    partner = places ^ 1
    logits = scale * vectors @ vectors.T
    same = groups[:, None] == groups[None, :]
    same[places, partner] = False
    same[places, places] = True
    lost = functional.cross_entropy(logits.masked_fill(same, -1e4), partner, reduction="none")
    wanted = (tm >= least).repeat_interleave(2).float()
    return (lost * wanted).sum() / wanted.sum().clamp(min=1.0)


def tm_loss(vectors: Tensor, tm: Tensor) -> Tensor:
    """Mean distance of the cosine from the TM-score; the paper leaves TM-scores below 0.1 out."""
    cosine = (vectors[0::2] * vectors[1::2]).sum(dim=1)
    return (cosine - tm).abs()[tm >= 0.1].mean()


def lddt_loss(predicted: Tensor, lddt: Tensor) -> Tensor:
    """Mean distance of the predicted lDDT of aligned residues from the true one, where that is known."""
    known = torch.isfinite(lddt)
    if not bool(known.any()):
        return predicted.sum() * 0.0
    return (predicted[known] - lddt[known]).abs().mean()


def letter_loss(logits: Tensor, letters: Tensor, unknown: int) -> Tensor:
    """Cross-entropy of the letters, ``logits (residues, classes)``."""
    return functional.cross_entropy(logits, letters, ignore_index=unknown)
