"""``photophore train hifinn --config FILE``: read the proteins, keep clusters out, train, export."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from photophore.errors import UsageError
from photophore_hifinn.export import export
from photophore_hifinn.model import load_network
from photophore_hifinn.training.config import read_config
from photophore_hifinn.training.loop import train
from photophore_hifinn.training.proteins import LabelledProtein, has_column, hold_out, pad, read_labelled

_log = logging.getLogger(__name__)

#: Proteins on which the int8 export measures its ranges, and how much of each.
_CALIBRATION_ROWS, _ROW_LENGTH = 150, 512


def train_from_file(config_file: Path, overrides: Mapping[str, str]) -> None:
    """Run the whole training that ``config_file`` describes; ``overrides`` are ``loop.steps=100`` and the like.

    Writes ``held_out.txt`` (names of the proteins that were kept out), the checkpoint, the log, the weights and their
    exports into ``out``.
    """
    config = read_config(config_file, overrides)
    here = config_file.parent
    chosen = config.hold_out
    if chosen.share and not any(has_column(here / file, chosen.column) for file in config.proteins):
        raise UsageError(
            f"{config_file}: hold_out: no file of proteins has the column {chosen.column!r}; without clusters, what is kept "
            "out has near twins in training: name their column in hold_out.column, or set hold_out.share to 0"
        )
    out = here / config.out
    out.mkdir(parents=True, exist_ok=True)
    proteins = [
        protein
        for file in config.proteins
        for protein in read_labelled(here / file, cluster=config.hold_out.column, min_residues=config.min_residues)
    ]
    kept, held = hold_out(proteins, share=chosen.share, largest=chosen.largest, seed=chosen.seed)
    (out / "held_out.txt").write_text("".join(f"{protein.name}\n" for protein in held), encoding="utf-8")
    _log.info("%d proteins to train on, %d kept out", len(kept), len(held))
    start_from = here / config.start_from if config.start_from else None
    weights = train(kept, held, out, config.shape, config.loop, start_from=start_from)
    export(load_network(weights), weights, _calibration_rows(kept))
    _log.info("weights and exports are in %s", out)


def _calibration_rows(proteins: Sequence[LabelledProtein]) -> npt.NDArray[np.uint8]:
    """Return tokens of proteins from all over the files, ``shape=(rows, length)``."""
    spread = proteins[:: max(1, len(proteins) // _CALIBRATION_ROWS)][:_CALIBRATION_ROWS]
    return pad([protein.residues[:_ROW_LENGTH] for protein in spread])[0]
