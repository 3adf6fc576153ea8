"""Boosted regression trees as one array, computed without the library that fitted them.

``nodes (trees, nodes, 5)`` hold of each node its feature, the threshold up to which the way is left, the nodes to the left and
to the right, and its value; the feature of a leaf is -1. Node 0 is the root.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

_FEATURE, _THRESHOLD, _LEFT, _RIGHT, _VALUE = range(5)


def tree_sums(nodes: FloatArray, features: FloatArray) -> FloatArray:
    """Return the sum of what all trees say of each row of ``features (n, features)``, ``shape=(n,)``."""
    trees, rows = np.arange(len(nodes)), np.arange(len(features))[:, None]
    at = np.zeros((len(features), len(nodes)), dtype=np.intp)
    while True:
        here = nodes[trees, at]  # (n, trees, 5)
        feature = here[..., _FEATURE].astype(np.intp)
        inner = feature >= 0
        if not inner.any():
            return np.asarray(here[..., _VALUE].sum(axis=1), dtype=np.float32)
        goes_left = features[rows, feature] <= here[..., _THRESHOLD]
        at = np.where(inner, np.where(goes_left, here[..., _LEFT], here[..., _RIGHT]).astype(np.intp), at)


def trees_of(models: list[Any]) -> FloatArray:
    """Return the mean of fitted `sklearn.ensemble.HistGradientBoostingRegressor` as nodes.

    A classifier of two classes is taken as well: its trees add up to the natural logarithm of odds.
    """
    found = []
    for model in models:
        start = float(model._baseline_prediction.item())  # noqa: SLF001 - sklearn names it nowhere else
        for number, (tree,) in enumerate(model._predictors):  # noqa: SLF001
            given = tree.nodes
            nodes = np.zeros((len(given), 5))
            leaf = given["is_leaf"].astype(bool)
            nodes[:, _FEATURE] = np.where(leaf, -1, given["feature_idx"])
            nodes[:, _THRESHOLD] = np.where(leaf, 0.0, given["num_threshold"])
            nodes[:, _LEFT], nodes[:, _RIGHT] = given["left"], given["right"]
            nodes[:, _VALUE] = (given["value"] + (start if number == 0 else 0.0)) / len(models)
            found.append(nodes)
    size = max(map(len, found))
    return np.stack([np.pad(nodes, ((0, size - len(nodes)), (0, 0))) for nodes in found]).astype(np.float32)
