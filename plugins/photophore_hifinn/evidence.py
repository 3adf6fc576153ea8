"""What speaks for each EC number of a protein, as numbers: alignments to groups, residues found alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from math import copysign, exp, log, log1p, sqrt

import numpy as np
import numpy.typing as npt

from photophore.ec import EC
from photophore_hifinn.hits import LEAST_BITS, Hit

#: What alignments to profiles say. "Other" is the best alignment to a group of proteins that are no enzymes.
_ALIGNMENT = (
    "score",  # best alignment to a group with the number, bits
    "gap",  # how far that is below the protein's best alignment to enzymes, log(1 + bits)
    "score_per_residue",  # bits a residue of the protein
    "score_per_position",  # bits a position of the profile
    "protein_span",  # what the alignment spans of the protein
    "profile_span",  # and of the profile
    "score_share",  # of the protein's best score
    "second",  # score of the second group with the number, as a share of the first
    "share",  # of the groups' exp(bits / 20), the part of those with the number
    "parent_share",  # the same one level up
    "share_of_all",  # the part where the groups that are no enzymes count as well
    "found",  # how alike the near network finds the best such group, log(1 + score)
    "ahead",  # bits over the best group without the number
    "ahead_share",  # the same as a share of the best score
    "parent_ahead",  # bits over the best group of another number one level up
    "lead",  # bits over the other, +-log(1 + bits)
    "lead_share",  # the same as a share of the best score of all
    "other_score",  # of the other, bits
    "other_per_residue",  # bits a residue of the protein
    "other_protein_span",  # what it spans of the protein
    "other_profile_span",  # and of its profile
    "other_share",  # of all groups' exp(bits / 20), the part of those that are no enzymes
    "groups",  # with the number, log
    "rivals",  # EC numbers whose score is at least 0.7 of the best, log
    "candidates",  # EC numbers, log
    "others",  # groups that are no enzymes, log(1 + groups)
    "numbers",  # EC numbers that the best such group carries at once, log
    "residues",  # of the protein, log
    "positions",  # of the profile over the residues of the protein, log
)
#: What the siamese network sees, in natural logarithms of odds. "The most alike" is the group with the number that is most
#: alike, "the best" still that of the best alignment.
STRUCTURE = (
    "alike",  # the most alike, log(1 + x)
    "alike_per_residue",  # the same a residue of the protein
    "alike_per_position",  # and a position of its profile
    "alike_per_root",  # and over the root of the shorter of both
    "alike_share",  # of the most alike of all enzymes
    "alike_weight",  # of the groups' exp(x / 12), the part of those with the number
    "alike_ahead",  # over the most alike without the number, +-log(1 + x)
    "alike_ahead_share",  # the same as a share of the most alike of all
    "alike_lead",  # over the most alike that is no enzyme, +-log(1 + x)
    "alike_lead_share",  # the same as a share of the most alike of all
    "best_alike",  # how alike the best is, log(1 + x)
    "best_alike_share",  # of the most alike of all enzymes
    "top_alike",  # the most alike of all enzymes, log(1 + x)
    "other_alike",  # the most alike that is no enzyme, a residue of the protein
)
#: What groups are to each other, beside what the protein is to them. "Its rivals" are the leading groups without the
#: number, "its kin" the leading groups that carry it as well, each as the best group with the number sees them.
KINSHIP = (
    "of_itself",  # the score as a share of what the group scores against itself
    "itself",  # what that is, log(1 + bits)
    "nearer_than_rivals",  # bits over what its rivals have in common with the group, +-log(1 + bits)
    "nearer_than_rivals_share",  # the same as a share of the greater
    "nearer_than_kin",  # bits over what its kin has in common with it, +-log(1 + bits)
    "nearer_than_kin_share",  # the same as a share of the greater
    "nearer_than_others",  # bits over what the group that is no enzyme has in common with it, +-log(1 + bits)
    "nearer_than_others_share",  # the same as a share of the greater
    "rival_nearer",  # bits of the best rival over what it has in common with the group, +-log(1 + bits)
    "rival_nearer_share",  # the same as a share of the greater
    "kin_share",  # what its kin has in common with it, as a share of the greater of this and of what its rivals have
    "part_most",  # of what a group with the number has in common with it, the part that the protein spans as well: the most
    "part_mean",  # the mean
    "part_covered",  # and the most of what the protein spans of it
    "parts",  # such groups
    "nearer_than_peers",  # bits over the most that a group of another cluster with the number has in common with it, +-log(1 + bits)
    "nearer_than_peers_share",  # the same as a share of the greater
    "nearer_than_peers_mean",  # bits over the mean of these groups, as a share of the greater
    "shared",  # of what the protein spans of the group, the part that the group that is no enzyme has in common with it as well
)
#: Columns of the evidence.
FEATURES = (*_ALIGNMENT, *STRUCTURE, *KINSHIP)

#: Groups of a protein that are looked at, the best first: enzymes, and others.
MOST_GROUPS, MOST_OTHERS = 60, 20
#: Bits over which a group's weight falls by e.
_SCALE_BITS = 20.0
#: A share of less than this many bits would be noise.
_FLOOR_BITS = 8.0
#: The same two for what the siamese network says.
_SCALE_ALIKE, _FLOOR_ALIKE = 12.0, 1.0


def evidence_of(hits: Sequence[Hit], residues: int, level: int) -> tuple[list[EC], npt.NDArray[np.float32]]:
    """Return the EC numbers (cut to ``level``) that any group suggests, and ``shape=(numbers, features)`` beside them.

    Parameters
    ----------
    hits
        Groups that the protein was aligned to, in any order.
    residues
        Length of the protein.
    level
        1 to 4.
    """
    told = sorted((hit for hit in hits if hit.bits >= LEAST_BITS), key=lambda hit: -hit.bits)
    enzymes = _Enzymes([hit for hit in told if hit.ecs][:MOST_GROUPS], level)
    if not enzymes.best:
        return [], np.zeros((0, len(FEATURES)), dtype=np.float32)
    others = [hit for hit in told if not hit.ecs]
    structure = _Structure(enzymes, max((hit.alike for hit in others), default=0.0), residues)
    kinship = _Kinship(enzymes, others)
    rows = [enzymes.row(label, others, residues) + structure.row(label) + kinship.row(label) for label in enzymes.best]
    return list(enzymes.best), np.array(rows, dtype=np.float32).reshape(-1, len(FEATURES))


class _Enzymes:
    """The groups of enzymes of a protein, the best first, by EC number."""

    def __init__(self, hits: Sequence[Hit], level: int) -> None:
        self.level = level
        self.top = hits[0].bits if hits else 0.0
        self.best: dict[EC, Hit] = {}
        self.scores: dict[EC, list[float]] = defaultdict(list)
        self.weights: dict[EC, float] = defaultdict(float)
        self.parents: dict[tuple[str, ...], float] = defaultdict(float)
        self.total = 0.0
        self.labels = [dict.fromkeys(ec.at_level(level) for ec in hit.ecs) for hit in hits]
        for hit, labels in zip(hits, self.labels, strict=True):
            weight = self.weight(hit)
            self.total += weight
            for label in labels:  # in their order: that of a set would change from run to run
                self.best.setdefault(label, hit)
                self.scores[label].append(hit.bits)
                self.weights[label] += weight
            for parent in {self.parent(label) for label in labels}:
                self.parents[parent] += weight
        self.hits = hits
        self.rivals = sum(hit.bits >= 0.7 * self.top for hit in self.best.values())

    def parent(self, label: EC) -> tuple[str, ...]:
        return label.parts[: self.level - 1]

    def weight(self, hit: Hit) -> float:
        return exp((hit.bits - self.top) / _SCALE_BITS)

    def row(self, label: EC, others: Sequence[Hit], residues: int) -> tuple[float, ...]:
        """Return the evidence of one EC number, in the order of `FEATURES`."""
        hit, scores = self.best[label], self.scores[label]
        other = others[0] if others else Hit((), 1, 0.0, 0.0)
        against = sum(map(self.weight, others[:MOST_OTHERS]))
        ahead = hit.bits - self._best_without(lambda each: each == label)
        return (
            hit.bits,
            log1p(self.top - hit.bits),
            hit.bits / residues,
            hit.bits / hit.positions,
            hit.protein_share,
            hit.profile_share,
            hit.bits / self.top,
            scores[1] / hit.bits if len(scores) > 1 else 0.0,
            self.weights[label] / self.total,
            self.parents[self.parent(label)] / self.total,
            self.weights[label] / (self.total + against),
            log1p(max(hit.found, 0.0)),
            ahead,
            ahead / max(self.top, _FLOOR_BITS),
            hit.bits - self._best_without(lambda each: self.parent(each) == self.parent(label)),
            _signed_log(hit.bits - other.bits),
            (hit.bits - other.bits) / max(self.top, other.bits, _FLOOR_BITS),
            other.bits,
            other.bits / residues,
            other.protein_share,
            other.profile_share,
            against / (against + self.total),
            log(len(scores)),
            log(self.rivals),
            log(len(self.best)),
            log1p(len(others)),
            log(len({ec.at_level(self.level) for ec in hit.ecs})),
            log(residues),
            log(hit.positions / residues),
        )

    def _best_without(self, same: Callable[[EC], bool]) -> float:
        """Return the bits of the best group none of whose EC numbers is the same."""
        return next(
            (hit.bits for hit, labels in zip(self.hits, self.labels, strict=True) if not any(map(same, labels))), 0.0
        )


class _Structure:
    """What the siamese network says of the enzymes that a protein was aligned to."""

    def __init__(self, enzymes: _Enzymes, other: float, residues: int) -> None:
        self._enzymes = enzymes
        self._other = other
        self._residues = residues
        self._top = max((hit.alike for hit in enzymes.hits), default=0.0)
        self._most: dict[EC, Hit] = {}
        self._weights: dict[EC, float] = defaultdict(float)
        self._total = 0.0
        for hit, labels in zip(enzymes.hits, enzymes.labels, strict=True):
            weight = exp((hit.alike - self._top) / _SCALE_ALIKE)
            self._total += weight
            for label in labels:
                self._weights[label] += weight
                if label not in self._most or hit.alike > self._most[label].alike:
                    self._most[label] = hit
        #: The two most alike EC numbers, for what is ahead of all others.
        self._leaders = sorted(self._most, key=lambda label: -self._most[label].alike)[:2]

    def row(self, label: EC) -> tuple[float, ...]:
        """Return the evidence of one EC number, in the order of `FEATURES`."""
        hit, best = self._most[label], self._enzymes.best[label]
        ahead = hit.alike - next((self._most[other].alike for other in self._leaders if other != label), 0.0)
        lead = hit.alike - self._other
        top, most = max(self._top, _FLOOR_ALIKE), max(self._top, self._other, _FLOOR_ALIKE)
        return (
            log1p(hit.alike),
            hit.alike / self._residues,
            hit.alike / hit.positions,
            hit.alike / sqrt(min(hit.positions, self._residues)),
            hit.alike / top,
            self._weights[label] / self._total,
            _signed_log(ahead),
            ahead / most,
            _signed_log(lead),
            lead / most,
            log1p(best.alike),
            best.alike / top,
            log1p(self._top),
            self._other / self._residues,
        )


class _Kinship:
    """How the groups that a protein was aligned to stand to each other."""

    #: Of a group that nobody looked at.
    _UNKNOWN = (0.0,) * 11 + (-1.0, -1.0, -1.0) + (0.0,) * 5

    def __init__(self, enzymes: _Enzymes, others: Sequence[Hit]) -> None:
        self._best = enzymes.best
        self._level = enzymes.level
        self._labels = {hit.group: (hit, labels) for hit, labels in zip(enzymes.hits, enzymes.labels, strict=True)}
        self._others = {hit.group for hit in others}

    def row(self, label: EC) -> tuple[float, ...]:
        """Return the evidence of one EC number, in the order of `FEATURES`."""
        hit = self._best[label]
        standing = hit.standing
        if standing is None:
            return self._UNKNOWN
        known = [(*self._labels[group], bits) for group, bits in standing.against.items() if group in self._labels]
        rivals = [(rival, bits) for rival, labels, bits in known if label not in labels]
        kin = max((bits for _, labels, bits in known if label in labels), default=0.0)
        other = max((bits for group, bits in standing.against.items() if group in self._others), default=0.0)
        rival = max((bits for _, bits in rivals), default=0.0)
        best, common = max(rivals, key=lambda pair: pair[0].bits, default=(Hit((), 1, 0.0, 0.0), 0.0))
        part = max(
            (part for ec, part in standing.parts.items() if ec.at_level(self._level) == label),
            key=lambda part: part.most,
        )
        return (
            hit.bits / max(standing.itself, _FLOOR_BITS),
            log1p(standing.itself),
            *_over(hit.bits, rival),
            *(_over(hit.bits, kin) if kin else (0.0, 0.0)),
            *_over(hit.bits, other),
            *_over(best.bits, common),
            kin / max(kin, rival, _FLOOR_BITS),
            part.most,
            part.mean,
            part.covered,
            part.known,
            *_over(hit.bits, part.peer_most),
            _over(hit.bits, part.peer_mean)[1],
            standing.shared,
        )


def _over(bits: float, against: float) -> tuple[float, float]:
    """Return how far ``bits`` are over ``against``: +-log(1 + bits), and as a share of the greater."""
    return _signed_log(bits - against), (bits - against) / max(bits, against, _FLOOR_BITS)


def _signed_log(value: float) -> float:
    """Return +-log(1 + value)."""
    return copysign(log1p(abs(value)), value)
