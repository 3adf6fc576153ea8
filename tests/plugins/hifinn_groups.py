"""Groups of one protein each, scored by BLOSUM62, and proteins of their families, drawn by mutation."""

from __future__ import annotations

import numpy as np
from Bio.Align import substitution_matrices

from photophore.ec import split_ecs
from photophore.fasta import Record, read_fasta
from photophore.types import SequenceBatch
from photophore_hifinn.compact import BITS_PER_STEP, pack
from photophore_near.residues import AMINO_ACIDS, BACKGROUND

FREQUENCIES = BACKGROUND / BACKGROUND.sum(dtype=np.float64)


def blosum62():
    """Return BLOSUM62 in thirds of a bit, ``shape=(20, 20), dtype=int8``; its own scores are halves."""
    halves = substitution_matrices.load("BLOSUM62")
    return np.rint([[1.5 * halves[a][b] for b in AMINO_ACIDS] for a in AMINO_ACIDS]).astype(np.int8)


def column(**steps):
    """Return one position with the scores given by residue, -3 steps for the others."""
    return np.array([[steps.get(letter, -3) for letter in AMINO_ACIDS]], dtype=np.int8)


def columns(text, steps):
    """Return one position a letter, which alone scores ``steps`` there."""
    return np.concatenate([column(**{letter: steps}) for letter in text])


def family_columns(count, seed=0):
    """Return columns as profiles have them: log odds of what BLOSUM62 expects beside up to three residues."""
    random = np.random.default_rng(seed)
    beside = FREQUENCIES * np.exp2(blosum62() * BITS_PER_STEP)
    beside /= beside.sum(axis=1, keepdims=True)  # (seen residue, residue)
    seen = random.choice(20, (count, 3), p=FREQUENCIES)
    shares = random.dirichlet([0.7, 0.7, 0.7], count)  # (count, 3)
    odds = np.log2(np.einsum("cs,csr->cr", shares, beside[seen]) / FREQUENCIES)
    return np.rint(odds / BITS_PER_STEP).astype(np.int8)


def columns_of(sequence):
    """Return the profile of a protein alone, ``shape=(residues, 20)``."""
    return blosum62()[[AMINO_ACIDS.index(letter) for letter in sequence]]


def profiles_of(scores, ecs=None):
    """Return profiles of groups named g0, g1, ..., of the enzyme 1.1.1.1 unless ``ecs`` has texts for them."""
    names = [f"g{number}" for number in range(len(scores))]
    texts = ecs or ["1.1.1.1"] * len(scores)
    return pack(names, [f"c{name}" for name in names], [split_ecs(text) for text in texts], scores)


def random_protein(random, residues, letters=AMINO_ACIDS):
    shares = FREQUENCIES if letters == AMINO_ACIDS else None
    return "".join(random.choice(list(letters), residues, p=shares))


def relative(random, sequence, share=0.3):
    """Return ``sequence`` with a share of its residues drawn anew, one stretch of it lost and another put in."""
    residues = np.array(list(sequence))
    fresh = random.random(len(residues)) < share
    residues[fresh] = random.choice(list(AMINO_ACIDS), fresh.sum(), p=FREQUENCIES)
    text = "".join(residues)
    lost, put = sorted(random.integers(0, len(text), 2).tolist())
    return text[:lost] + text[lost + 4 : put] + random_protein(random, 5) + text[put:]


def metagenome_proteins(path, count):
    """Return the first ``count`` proteins of middling length that have the 20 amino acids alone."""
    records = [record for record in read_fasta([path]) if isinstance(record, Record)]
    fitting = [
        record.sequence
        for record in records
        if 150 <= len(record.sequence) <= 350 and set(record.sequence) <= set(AMINO_ACIDS)
    ]
    return fitting[:count]


def batch_of(sequences):
    empty = ("",) * len(sequences)
    return SequenceBatch(tuple(f"p{number}" for number in range(len(sequences))), tuple(sequences), empty, empty)
