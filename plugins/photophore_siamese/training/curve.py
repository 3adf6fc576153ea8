"""The learning curve: what the network knows of folds that it does not see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import spearmanr

from photophore_near.packing import MULTIPLE
from photophore_near.residues import PAD_TOKEN, distributions, tokens
from photophore_siamese.model import SiameseNetwork
from photophore_siamese.truth.cache import TruthTable
from photophore_siamese.truth.domains import Domains


@dataclass(frozen=True, slots=True)
class Curve:
    """Pairs of held-out domains; ``numbers`` are those of ``truth`` that are measured."""

    domains: Domains
    truth: TruthTable
    numbers: npt.NDArray[np.int64]

    @torch.no_grad()
    def measure(self, network: SiameseNetwork, *, bfloat16: bool) -> dict[str, float]:
        """Return how well the cosine orders and gives TM-scores, and how often a residue's partner is the most similar.

        The partner is sought in the whole other domain; pairs of TM-score 0.5 and above are asked.
        """
        wanted = sorted(set(self.truth.pairs[self.numbers].ravel().tolist()))
        rows, vectors = self._encode(network, wanted, bfloat16=bfloat16)
        cosine, tm, found, asked = [], [], 0.0, 0.0
        for number in self.numbers:
            one, other = (int(domain) for domain in self.truth.pairs[number])
            truth = self.truth.truth(int(number))
            cosine.append(float(vectors[one] @ vectors[other]))
            tm.append(sum(truth.tm) / 2)
            if tm[-1] >= 0.5:
                match = network.shape.match
                similar = rows[one][:, :match] @ rows[other][:, :match].T
                best = similar[truth.first.astype(np.int64)].argmax(axis=1)
                found += float((np.abs(best - truth.second.astype(np.int64)) <= 1).mean())
                asked += 1
        return {
            "held_out_tm_error": round(float(np.abs(np.array(cosine) - tm).mean()), 4),
            "held_out_tm_rank": round(float(spearmanr(cosine, tm).statistic), 4),
            "held_out_partner": round(found / max(asked, 1), 4),
        }

    def _encode(
        self, network: SiameseNetwork, wanted: list[int], *, bfloat16: bool
    ) -> tuple[dict[int, npt.NDArray[np.float32]], dict[int, npt.NDArray[np.float32]]]:
        """Return rows and vector of each wanted domain."""
        table = torch.from_numpy(distributions())
        rows, vectors = {}, {}
        for number in wanted:
            residues = tokens(self.domains.sequences[number])
            padded = np.full((1, -(-len(residues) // MULTIPLE) * MULTIPLE), PAD_TOKEN, dtype=np.int64)
            padded[0, : len(residues)] = residues
            counted = (np.arange(padded.shape[1]) < len(residues)).astype(np.float32)[None]
            with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
                row, vector = network(table[torch.from_numpy(padded)], torch.from_numpy(counted))
            rows[number] = row[0, : len(residues)].float().numpy()
            vectors[number] = vector[0].float().numpy()
        return rows, vectors
