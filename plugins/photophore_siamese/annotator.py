"""The annotator `siamese`: the domains of CATH that stretches of a protein resemble, with their place in CATH."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from photophore.errors import DatabaseError, DataError, PluginError
from photophore.hookspecs import Encoder, Runtime
from photophore.types import Annotation, Candidates, Scalar, SequenceBatch, TargetTable
from photophore_siamese.calibration import LEVELS, Calibration
from photophore_siamese.catalogue import Catalogue
from photophore_siamese.comparing import Represented, StructureModel, represented
from photophore_siamese.config import SiameseAnnotatorConfig
from photophore_siamese.encoder import SiameseEncoder
from photophore_siamese.placing import Found, choose, gather, place
from photophore_siamese.writing import cigar, digits

#: Target of the row of a protein for which nothing is reported.
UNASSIGNED = "unassigned"
#: Residue vectors of domains that are held at once.
_HELD_BYTES = 256_000_000


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
        self._encoder: SiameseEncoder | None = None
        self._domains: dict[int, Represented] = {}

    def use_encoder(self, encoder: Encoder) -> None:
        """Take the encoder of the chain, whose residue vectors are aligned."""
        if not isinstance(encoder, SiameseEncoder):
            raise PluginError(
                f"annotator siamese aligns the residue vectors of encoder siamese, and the chain has "
                f"{type(encoder).__name__}; build the database with --method siamese"
            )
        self._encoder = encoder
        self._domains = {}
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
            told = list(self._rows(name, length, found.get(protein, []))) if protein not in reasons else []
            rows += told or [_unassigned(name, length, reasons.get(protein) or self._reason(found.get(protein, [])))]
        return tuple(rows)

    def find(self, batch: SequenceBatch, candidates: Candidates, chosen: Sequence[int]) -> dict[int, list[Found]]:
        """Return the domains found in the ``chosen`` proteins, by row of the batch."""
        if self._encoder is None:
            raise PluginError("annotator siamese: was not given the encoder of its chain (use_encoder)")
        wanted = [
            each
            for row in chosen
            for each in choose(candidates, row, len(batch.sequences[row]), self._sizes, self._config.aligned)
        ]
        of = {each.protein: batch.sequences[each.protein] for each in wanted}
        residues = self._encoder.residues(list(of.values()))
        proteins = {protein: residues[sequence] for protein, sequence in of.items()}
        found: dict[int, list[Found]] = {}
        model = self._encoder.model
        domains = self._represented(model, {each.target for each in wanted})
        for each in place(model, wanted, domains, proteins):
            found.setdefault(each.protein, []).append(each)
        return found

    def features(self, found: Sequence[Found]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        """Return what is known of each domain found, ``shape=(found, features)``; see `calibration.FEATURES`."""
        return np.array(
            [
                (
                    each.match.tm_score,
                    each.match.tm_score_other,
                    each.lddt,
                    len(each.match.pairs) / self._sizes[each.target],
                    each.cosine,
                    np.log(self._sizes[each.target]),
                )
                for each in found
            ]
        ).reshape(len(found), 6)

    def _represented(self, model: StructureModel, targets: set[int]) -> dict[int, Represented]:
        """Return domains as ``model`` sees them; those seen before are at hand."""
        new = sorted(targets - self._domains.keys())
        if new:
            sequences = [self._catalogue.sequences[target] for target in new]
            held = sum(domain.residues.nbytes for domain in self._domains.values())
            if held > _HELD_BYTES:
                self._domains = {target: self._domains[target] for target in targets & self._domains.keys()}
            self._domains |= dict(zip(new, represented(model, sequences), strict=True))
        return self._domains

    def _rows(self, name: str, length: int, found: Sequence[Found]) -> Iterator[Annotation]:
        """Yield the rows of one protein: the best neighbours of each place whose fold may be told."""
        kept = [each for each in found if each.match.tm_score >= self._config.min_tm]
        chosen = [each for here in gather(kept) for each in here[: self._config.shown]]
        chosen.sort(key=lambda each: (-each.match.tm_score, each.target, each.start))
        for each, (level, confidence) in zip(chosen, self._levels(chosen), strict=True):
            if level:
                yield self._row(name, length, each, level, confidence)

    def _levels(self, found: Sequence[Found]) -> list[tuple[str, float | None]]:
        """Return the deepest level at which each neighbour may speak for a protein, and how probably it is right."""
        if self._calibration is None:  # nothing is known of this model's chances: the TM-score alone tells a fold
            return [("topology", None) for _ in found]
        features = self.features(found)
        chances = {level: self._calibration.curves[level].probability(features).tolist() for level in LEVELS}
        levels: list[tuple[str, float | None]] = []
        for row, each in enumerate(found):
            possible = [level for level in LEVELS if level == "topology" or self._catalogue.superfamily(each.target)]
            sure = [level for level in possible if chances[level][row] >= self._config.min_confidence]
            levels.append((sure[0], chances[sure[0]][row]) if sure else ("", chances["topology"][row]))
        return levels

    def _reason(self, found: Sequence[Found]) -> str:
        """Say why nothing is reported."""
        if not found:
            return "no domain of the database aligns"
        ((best, *_), *_) = gather(found)
        what = f"the nearest is {self._catalogue.ids[best.target]} ({self._catalogue.codes[best.target]})"
        if best.match.tm_score < self._config.min_tm:
            return f"{what}, TM-score {best.match.tm_score:.2f}, below {self._config.min_tm:g}"
        ((_, chance),) = self._levels([best])
        return (
            f"{what}, TM-score {best.match.tm_score:.2f}; of one topology with probability {chance or 0:.2f}, "
            f"below {self._config.min_confidence:g}"
        )

    def _row(self, name: str, length: int, found: Found, level: str, confidence: float | None) -> Annotation:
        superfamily, topology = self._catalogue.superfamily(found.target), self._catalogue.topology(found.target)
        told = superfamily if level == "superfamily" else topology
        pairs = found.match.pairs
        evidence: dict[str, Scalar] = {
            "level": level,
            "superfamily": superfamily if level == "superfamily" else "",
            "topology": topology,
            "tm_score_place": found.match.tm_score_other,
            "lddt": found.lddt,
            "aligned": len(pairs),
            "target_length": self._sizes[found.target],
            "target_start": int(pairs[0, 0]),
            "target_end": int(pairs[-1, 0]) + 1,
            "alignment": cigar(pairs),
            "lddt_along": digits(found.match.lddt),
            "reason": "" if confidence is not None else "no calibration for these weights: by the TM-score alone",
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
            confidence=confidence,
            evidence=evidence,
        )


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
        evidence={"level": "", "superfamily": "", "topology": "", "alignment": "", "lddt_along": "", "reason": reason},
    )
