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
    leaf = feature < 0
    trees, numbers = np.nonzero(leaf | (left > 0))  # smaller trees are filled up with nodes that nothing leads to
    given = nodes[trees, numbers]
    at_end = leaf[trees, numbers]
    places = np.where(at_end[:, None], 0, given[:, [0, 2, 3]]).astype(np.int64)
    node = helper.make_node(
        "TreeEnsembleRegressor",
        ["evidence"],
        ["log_odds"],
        domain="ai.onnx.ml",
        n_targets=1,
        nodes_treeids=trees.tolist(),
        nodes_nodeids=numbers.tolist(),
        nodes_featureids=places[:, 0].tolist(),
        nodes_values=given[:, 1].tolist(),
        nodes_modes=["LEAF" if each else "BRANCH_LEQ" for each in at_end.tolist()],
        nodes_truenodeids=places[:, 1].tolist(),
        nodes_falsenodeids=places[:, 2].tolist(),
        target_treeids=trees[at_end].tolist(),
        target_nodeids=numbers[at_end].tolist(),
        target_ids=[0] * int(at_end.sum()),
        target_weights=given[at_end, 4].tolist(),
    )
    graph = helper.make_graph(
        [node],
        "ranker",
        [helper.make_tensor_value_info("evidence", TensorProto.FLOAT, [None, features])],
        [helper.make_tensor_value_info("log_odds", TensorProto.FLOAT, [None, 1])],
    )
    opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid("ai.onnx.ml", _ML_OPSET)]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=_IR).SerializeToString())
