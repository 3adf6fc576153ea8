"""How many of the 20 nearest neighbours the 8-bit vectors of the database `enzymes` keep, against vectors in full precision.

python benchmarks/ec_neighbours.py
"""

from __future__ import annotations

import numpy as np
from ec_peers import LOOKUP, SETS, read_labelled, table_path

from photophore.database import find
from photophore.hookspecs import Runtime
from photophore.types import SequenceBatch
from photophore_faiss.config import FlatConfig
from photophore_faiss.indexes import FlatIndex
from photophore_hifinn.config import HifinnConfig
from photophore_hifinn.encoder import create_hifinn
from photophore_hifinn.lookup import read_labelled as read_lookup

K, TOGETHER = 20, 2_000


def main() -> None:
    """Print the share of neighbours kept, and how often the nearest one is the same."""
    runtime = Runtime(threads=2)
    encoder = create_hifinn(HifinnConfig(), runtime)
    database = find("enzymes")
    index = FlatIndex(FlatConfig(), runtime)
    index.load(database.index_folder)
    stored = index.vectors()
    sources = (table_path(LOOKUP), table_path("nonenzyme_train"))
    proteins = {protein.id: protein.sequence for source in sources for protein in read_lookup(source)}
    names = database.targets.ids
    exact = np.concatenate(
        [
            encoder.encode(_batch([proteins[name] for name in names[start : start + TOGETHER]])).values
            for start in range(0, len(names), TOGETHER)
        ]
    )
    for name in SETS:
        asked = encoder.encode(_batch(list(read_labelled(name).sequences.values()))).values
        few, all_bits = (np.argsort(-(asked @ vectors.T), axis=1, kind="stable")[:, :K] for vectors in (stored, exact))
        kept = np.mean([len(set(one) & set(two)) / K for one, two in zip(few.tolist(), all_bits.tolist(), strict=True)])
        same = np.mean(few[:, 0] == all_bits[:, 0])
        print(f"| {name} | {len(asked)} | {kept:.1%} | {same:.1%} |")


def _batch(sequences: list[str]) -> SequenceBatch:
    blank = ("",) * len(sequences)
    return SequenceBatch(tuple(map(str, range(len(sequences)))), tuple(sequences), blank, blank)


if __name__ == "__main__":
    main()
