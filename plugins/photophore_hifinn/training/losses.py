"""The losses of the look-up space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from photophore.ec import EC


def overlap_targets(labels: Sequence[tuple[EC, ...]], columns: Mapping[str, int]) -> tuple[Tensor, Tensor]:
    """Return equation 1 of HiFi-NN for every pair, and which pairs it is defined for.

    ``y_ij = |L_i and L_j| / min(|L_i|, |L_j|)`` over the sets of a, a.b, a.b.c and a.b.c.d. A protein without labels (no
    enzyme) shares nothing with an enzyme, 0; two of them say nothing of each other and are left out.

    Parameters
    ----------
    labels
        EC numbers of each protein.
    columns
        A number for each prefix that occurs.

    Returns
    -------
    targets, defined : shape=(proteins, proteins)
    """
    sets = np.zeros((len(labels), len(columns)), dtype=np.float32)
    for row, ecs in enumerate(labels):
        for ec in ecs:
            for prefix in ec.parents():
                sets[row, columns[str(prefix)]] = 1
    sizes = sets.sum(axis=1)
    smaller = np.minimum.outer(sizes, sizes)
    targets = (sets @ sets.T) / np.maximum(smaller, 1)
    defined = np.maximum.outer(sizes, sizes) > 0
    np.fill_diagonal(defined, val=False)
    return torch.from_numpy(targets), torch.from_numpy(defined)


def overlap_loss(vectors: Tensor, targets: Tensor, defined: Tensor) -> Tensor:
    """Equation 2 of HiFi-NN: the mean of ``(cos_ij - y_ij)^2`` over the pairs."""
    cosine = vectors @ vectors.T  # (proteins, proteins)
    return (cosine - targets).square()[defined].mean()


def proxy_loss(vectors: Tensor, proxies: Tensor, labels: npt.NDArray[np.float32], scale: Tensor) -> Tensor:
    """Cross-entropy of each enzyme against one learnt direction for every EC number.

    The overlap loss only ever sees the few numbers of its batch; here each protein is told from all others at each step.

    Parameters
    ----------
    vectors
        ``(proteins, dim)``: unit vectors.
    proxies
        ``(ecs, dim)``, of any length.
    labels
        ``(proteins, ecs)``: rows that add up to 1, or 0 where the protein has no label.
    scale
        Inverse temperature.
    """
    logits = scale * vectors @ functional.normalize(proxies, dim=-1).T
    wanted = torch.from_numpy(labels).to(logits.device)
    enzymes = wanted.sum(dim=1) > 0
    return -(wanted * functional.log_softmax(logits, dim=-1)).sum(dim=1)[enzymes].mean()
