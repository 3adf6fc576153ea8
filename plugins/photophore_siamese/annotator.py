"""The annotator `siamese`: the domains of CATH that stretches of a protein resemble, with their place in CATH."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from photophore.comparing import lddt_digits
from photophore.errors import DatabaseError, DataError, PluginError
from photophore.hookspecs import Encoder, Runtime
from photophore.types import Annotation, Candidates, Scalar, SequenceBatch, TargetTable
from photophore_siamese.calibration import FEATURES, LEVELS, Calibration
from photophore_siamese.catalogue import Catalogue
from photophore_siamese.config import SiameseAnnotatorConfig
from photophore_siamese.domains import DomainVectors
from photophore_siamese.encoder import ResidueVectors, one_blas_thread
from photophore_siamese.placing import Found, Wanted, choose, gather, place
from photophore_siamese.plugin import COLUMNS
from photophore_siamese.writing import cigar

#: Target of the row of a protein for which nothing is reported.
UNASSIGNED = "unassigned"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a neighbour tells.

    Parameters
    ----------
    level
        Deepest level that is sure enough, empty where none is.
    probability
        That it is right there, of the topology where none is; None without a calibration.
    worth
        By which neighbours of one place are ranked.
    """

    level: str
    probability: float | None
    worth: float


class SiameseAnnotator:
    """Aligns the nearest domains to a protein by their residue vectors, and says which of them tell its fold."""

    def __init__(
        self,
        catalogue: Catalogue,
        calibration: Calibration | None,
        targets: TargetTable,
        config: SiameseAnnotatorConfig,
        runtime: Runtime,
    ) -> None:
        del runtime
        if catalogue.ids != targets.ids:
            raise DatabaseError(
                f"the index has {len(targets)} targets and the annotator {len(catalogue)} domains, or their names or order "
                "differ; build the database again"
            )
        self._catalogue = catalogue
        self._calibration = calibration
        self._config = config
        self._sizes = [len(sequence) for sequence in catalogue.sequences]
        self._encoder: ResidueVectors | None = None

    def use_encoder(self, encoder: Encoder) -> None:
        """Take the encoder of the chain, whose residue vectors are aligned."""
        if not isinstance(encoder, ResidueVectors):
            raise PluginError(
                f"annotator siamese aligns the residue vectors of encoder siamese-residues or siamese, and the chain has "
                f"{type(encoder).__name__}; build the database with --method siamese"
            )
        self._encoder = encoder
        self._domains = DomainVectors(encoder.model, self._catalogue.sequences)
        if self._calibration is not None and self._calibration.digest != encoder.digest:
            self._calibration = None

    def annotate(self, batch: SequenceBatch, candidates: Candidates) -> tuple[Annotation, ...]:
        """Return rows of each protein in the order of the batch, by falling TM-score.

        A protein that has candidates but nothing that may be reported gets one row that says why.
        """
        if candidates.ids != batch.ids:
            raise DataError("annotator siamese: the candidates are not those of the batch: their protein names differ")
        reasons: dict[int, str] = {}
        for protein, sequence in enumerate(batch.sequences):
            known = len(sequence) - sequence.count("X")
            if len(candidates.of(protein)) and known < self._config.min_residues:
                reasons[protein] = (
                    f"not compared: {known} known residues of {len(sequence)}, at least {self._config.min_residues} wanted"
                )
        found = self.find(batch, candidates, [row for row in range(len(batch)) if row not in reasons])
        rows: list[Annotation] = []
        for protein, sequence in enumerate(batch.sequences):
            if not len(candidates.of(protein)):
                continue
            name, length = batch.ids[protein], len(sequence)
            if protein in reasons:
                rows.append(_unassigned(name, length, reasons[protein]))
                continue
            here = found.get(protein, [])
            told, reason = self._rows(name, length, here) if here else ([], self._far(candidates, protein))
            rows += told or [_unassigned(name, length, reason)]
        return tuple(rows)

    def find(self, batch: SequenceBatch, candidates: Candidates, chosen: Sequence[int]) -> dict[int, list[Found]]:
        """Return the domains found in the ``chosen`` proteins, by row of the batch."""
        if self._encoder is None:
            raise PluginError("annotator siamese: was not given the encoder of its chain (use_encoder)")
        near = {row: candidates.of(row).tolist() for row in chosen if len(candidates.of(row))}
        residues = self._encoder.residues([batch.sequences[row] for row in near])
        found: dict[int, list[Found]] = {}
        with one_blas_thread():
            self._domains.spell(target for targets in near.values() for target in targets)
            proteins = {row: residues[batch.sequences[row]] for row in near}
            wanted: list[Wanted] = []
            for row, targets in near.items():
                worth = self._domains.text_scores(proteins[row], targets)
                wanted += choose(candidates, row, len(proteins[row]), self._sizes, self._config, worth)
            self._domains.bring(each.target for each in wanted)
            for each in place(self._encoder.model, wanted, self._domains, proteins, judged=self._config.shown):
                found.setdefault(each.protein, []).append(each)
        return found

    def _rows(self, name: str, length: int, found: Sequence[Found]) -> tuple[list[Annotation], str]:
        """Return the rows of one protein: the best neighbours of each place whose fold may be told; or why there are none."""
        verdicts = self._verdicts(found)
        places = gather(found, [verdict.worth for verdict in verdicts])
        told = [row for here in places for row in here[: self._config.shown] if verdicts[row].level]
        told.sort(key=lambda row: (-found[row].match.tm_score, found[row].target, found[row].start))
        rows = [self._row(name, length, found[row], verdicts[row]) for row in told]
        return rows, "" if rows else self._reason(found[places[0][0]], verdicts[places[0][0]])

    def _verdicts(self, found: Sequence[Found]) -> list[Verdict]:
        """Return what each neighbour tells."""
        if self._calibration is None:  # nothing is known of this model's chances: the TM-score alone tells a fold
            scores = [each.match.tm_score for each in found]
            return [Verdict("topology" if score >= self._config.min_tm else "", None, score) for score in scores]
        features = features_of(found, self._sizes)
        chances = {level: self._calibration.curves[level].probability(features).tolist() for level in LEVELS}
        verdicts: list[Verdict] = []
        for row, each in enumerate(found):
            possible = [level for level in LEVELS if level == "topology" or self._catalogue.superfamily(each.target)]
            level = next((level for level in possible if chances[level][row] >= self._config.min_confidence), "")
            # Many neighbours may be equally sure: of these the most alike.
            worth = chances["topology"][row] + 1e-3 * each.match.tm_score
            verdicts.append(Verdict(level, chances[level or "topology"][row], worth))
        return verdicts

    def _far(self, candidates: Candidates, protein: int) -> str:
        """Say that no candidate aligns."""
        target = int(candidates.targets[candidates.offsets[protein]])
        return f"the nearest is {self._catalogue.ids[target]} ({self._catalogue.codes[target]}), which does not align"

    def _reason(self, best: Found, verdict: Verdict) -> str:
        """Say why nothing is reported."""
        what = f"the nearest is {self._catalogue.ids[best.target]} ({self._catalogue.codes[best.target]})"
        score = f"TM-score {best.match.tm_score:.2f}"
        if verdict.probability is None:
            return f"{what}, {score}; {self._config.min_tm:g} is wanted"
        return (
            f"{what}, {score}; of one topology with probability {verdict.probability:.2f}, "
            f"{self._config.min_confidence:g} is wanted"
        )

    def _row(self, name: str, length: int, found: Found, verdict: Verdict) -> Annotation:
        level = verdict.level
        superfamily, topology = self._catalogue.superfamily(found.target), self._catalogue.topology(found.target)
        told = superfamily if level == "superfamily" else topology
        pairs = found.match.pairs
        evidence: dict[str, Scalar] = {
            "assigned": level,
            "superfamily": superfamily if level == "superfamily" else "",
            "topology": topology,
            "tm_score_place": found.match.tm_score_other,
            "lddt": found.lddt,
            "aligned": len(pairs),
            "target_length": self._sizes[found.target],
            "target_start": int(pairs[0, 0]),
            "target_end": int(pairs[-1, 0]) + 1,
            "alignment": cigar(pairs),
            "lddt_along": lddt_digits(found.match.lddt),
            "reason": ""
            if verdict.probability is not None
            else "no calibration for these weights: by the TM-score alone",
        }
        return Annotation(
            protein=name,
            protein_length=length,
            method="siamese",
            target=self._catalogue.ids[found.target],
            accession=told,
            description=self._catalogue.names[found.target],
            start=found.start,
            end=found.stop,
            score=found.match.tm_score,
            confidence=verdict.probability,
            evidence=evidence,
        )


def features_of(found: Sequence[Found], sizes: Sequence[int]) -> npt.NDArray[np.float64]:
    """Return what is known of each domain found, ``shape=(found, features)``, in the order of `calibration.FEATURES`."""
    rows = [
        (
            each.match.tm_score,
            each.match.tm_score_other,
            each.lddt,
            len(each.match.pairs) / sizes[each.target],
            np.log1p(max(0.0, each.match.similarity)),
            np.log(sizes[each.target]),
        )
        for each in found
    ]
    return np.array(rows, dtype=np.float64).reshape(len(found), len(FEATURES))


def _unassigned(name: str, length: int, reason: str) -> Annotation:
    """Return the row of a protein for which nothing is reported."""
    return Annotation(
        protein=name,
        protein_length=length,
        method="siamese",
        target=UNASSIGNED,
        accession="",
        description="",
        start=0,
        end=length,
        score=0.0,
        evidence={column.name: "" if column.type is str else None for column in COLUMNS} | {"reason": reason},
    )
