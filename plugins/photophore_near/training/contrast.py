"""InfoNCE with both sides' vectors as negatives, in pieces that fit the processor's cache."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

#: Anchors that are scored against all vectors at a time.
_PIECE = 128


def contrastive_loss(
    profile: Tensor, protein: Tensor, profile_rows: Tensor, protein_rows: Tensor, scale: Tensor
) -> Tensor:
    """InfoNCE both ways: each anchor against every vector of the other side of the batch but the right one's neighbours.

    Parameters
    ----------
    profile, protein
        ``shape=(rows, dim)``: unit vectors of all windows, end to end.
    profile_rows, protein_rows
        ``shape=(anchors,)``: rows that belong together.
    scale
        Learnt inverse temperature.
    """
    to_protein = _InfoNce.apply(profile[profile_rows], protein, protein_rows, scale)
    to_profile = _InfoNce.apply(protein[protein_rows], profile, profile_rows, scale)
    return (to_protein + to_profile) / 2


class _InfoNce(torch.autograd.Function):
    """Mean cross-entropy of ``softmax(scale * anchors @ others.T)`` at ``right``.

    The vectors beside the right one see nearly the same and do not count as wrong. The gradient is made on the way
    forward, piece by piece, so that no ``(anchors, rows)`` array ever goes through memory: written with torch's own
    operations, those arrays took three quarters of a training step.
    """

    @staticmethod
    def forward(ctx: Any, anchors: Tensor, others: Tensor, right: Tensor, scale: Tensor) -> Tensor:
        total = anchors.new_zeros((), dtype=torch.float32)
        by_anchor = torch.empty_like(anchors, dtype=torch.float32)
        by_other = torch.zeros_like(others, dtype=torch.float32)
        by_scale = torch.zeros_like(scale)
        low = torch.bfloat16 if torch.is_autocast_enabled(anchors.device.type) else anchors.dtype
        anchors, others = anchors.to(low), others.to(low)
        for start in range(0, len(anchors), _PIECE):
            piece = anchors[start : start + _PIECE]
            column = right[start : start + _PIECE, None]
            cosine = (piece @ others.T).float()
            cosine.scatter_(1, (column + torch.tensor([[-1, 1]], device=column.device)) % len(others), -torch.inf)
            # Cosines are at most 1: with `scale` taken off, no exponential overflows.
            share = torch.exp((cosine - 1) * scale)
            total_share = share.sum(dim=1, keepdim=True)
            right_cosine = cosine.gather(1, column)
            total += (total_share.log() - (right_cosine - 1) * scale).sum()
            share /= total_share
            share.scatter_add_(1, column, -torch.ones_like(total_share))
            by_scale += (share * cosine.clamp_(min=-2)).sum()
            slope = (share * scale).to(low)
            by_anchor[start : start + _PIECE] = (slope @ others).float()
            by_other += (slope.T @ piece).float()
        count = max(1, len(anchors))
        ctx.save_for_backward(by_anchor / count, by_other / count, by_scale / count)
        return total / count

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, Tensor]:
        by_anchor, by_other, by_scale = ctx.saved_tensors
        (gradient,) = gradients
        return by_anchor * gradient, by_other * gradient, None, by_scale * gradient
