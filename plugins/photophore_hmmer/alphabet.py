"""HMMER's alphabet of amino acids: one, for what is made with one does not go with another."""

from __future__ import annotations

from pyhmmer.easel import Alphabet

AMINO = Alphabet.amino()
