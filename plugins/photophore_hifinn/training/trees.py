"""Writes boosted trees as an ONNX graph: thousands of rows of evidence a second pass through hundreds of trees."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper

#: Of ONNX, of its operators of machine learning, and of its files: what ONNX Runtime 1.20 reads.
_OPSET, _ML_OPSET, _IR = 17, 3, 8


def onnx_of(nodes: npt.NDArray[np.float32], features: int) -> bytes:
    """Return the graph from ``evidence (n, features)`` to ``log_odds (n, 1)``, both in single precision.

    Parameters
    ----------
    nodes
        Trees whose sum is the natural logarithm of odds, see `photophore_siamese.trees`.
    """
    feature, _, left, _, _ = np.moveaxis(nodes, 2, 0)
    # smaller trees are filled up with nodes that nothing leads to
    trees, numbers = np.nonzero((feature < 0) | (left > 0))
    feature, threshold, left, right, value = nodes[trees, numbers].T
    leaf = feature < 0
    feature, left, right = np.where(leaf, 0, (feature, left, right)).astype(np.int64)
    node = helper.make_node(
        "TreeEnsembleRegressor",
        ["evidence"],
        ["log_odds"],
        domain="ai.onnx.ml",
        n_targets=1,
        nodes_treeids=trees.tolist(),
        nodes_nodeids=numbers.tolist(),
        nodes_featureids=feature.tolist(),
        nodes_values=threshold.tolist(),
        nodes_modes=["LEAF" if each else "BRANCH_LEQ" for each in leaf.tolist()],
        nodes_truenodeids=left.tolist(),
        nodes_falsenodeids=right.tolist(),
        target_treeids=trees[leaf].tolist(),
        target_nodeids=numbers[leaf].tolist(),
        target_ids=[0] * int(leaf.sum()),
        target_weights=value[leaf].tolist(),
    )
    graph = helper.make_graph(
        [node],
        "ranker",
        [helper.make_tensor_value_info("evidence", TensorProto.FLOAT, [None, features])],
        [helper.make_tensor_value_info("log_odds", TensorProto.FLOAT, [None, 1])],
    )
    opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid("ai.onnx.ml", _ML_OPSET)]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=_IR).SerializeToString())
