"""How EC numbers are carried over from the hits of a search: those of the best hit, of the k best, or by a weighted vote."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ec_metrics import Labels, score
from ec_peers import LOOKUP, Hit, Hits, diamond_hits, phmmer_hits, read_labelled

#: Difference of bit scores that makes a hit's vote e times lighter.
SCALE_BITS = 40.0
#: Shares of the vote that are tried.
SHARES = tuple(number / 50 for number in range(1, 50))
#: Where thresholds are chosen; never on the sets that they are reported on alone.
CHOSEN_ON = ("val30", "val50")
#: Figures that they are chosen for. The weighted one hardly minds wrong labels, the one by protein does.
CHOSEN_FOR = {"f1": "weighted F1", "sample_f1": "sample F1"}


@dataclass(frozen=True)
class Method:
    """A way of telling EC numbers, and what it told of each set."""

    name: str
    told: Mapping[str, Labels]


def every_ec(hits: Hits, ecs: Labels, best: int) -> dict[str, set[str]]:
    """Return every EC number of the ``best`` first hits of each query."""
    return {query: {ec for hit in found[:best] for ec in ecs[hit.target]} for query, found in hits.items()}


def vote(hits: Sequence[Hit], ecs: Labels, best: int) -> dict[str, float]:
    """Return each EC number's share of all votes: each of the ``best`` first hits votes for all of its own, by bit score."""
    votes: dict[str, float] = defaultdict(float)
    for hit in hits[:best]:
        for ec in ecs[hit.target]:
            votes[ec] += math.exp((hit.score - hits[0].score) / SCALE_BITS)
    total = sum(votes.values())
    return {ec: won / total for ec, won in votes.items()}


def voted(hits: Hits, ecs: Labels, best: int, share: float) -> dict[str, set[str]]:
    """Return the EC numbers that win at least ``share`` of each query's vote."""
    return {
        query: {ec for ec, won in vote(found, ecs, best).items() if won >= share - 1e-9}
        for query, found in hits.items()
    }


def choose_share(hits: Mapping[str, Hits], truth: Mapping[str, Labels], ecs: Labels, best: int, figure: str) -> float:
    """Return the share with the best mean of a figure of `Scores` over `CHOSEN_ON`; the smallest of those that tie."""

    def quality(share: float) -> float:
        scores = [score(truth[name], voted(hits[name], ecs, best, share)) for name in CHOSEN_ON]
        return sum(getattr(each, figure) for each in scores)

    return max(SHARES, key=lambda share: (round(quality(share), 9), -share))


def peers(names: Sequence[str], programs: Sequence[str], work: Path) -> list[Method]:
    """Return what each program's best hit and best votes tell of each set; a vote that is to be chosen needs `CHOSEN_ON`."""
    lookup = read_labelled(LOOKUP)
    sets = {name: read_labelled(name) for name in names}
    truth = {name: proteins.ecs for name, proteins in sets.items()}
    methods = []
    for program, search in (("DIAMOND", diamond_hits), ("phmmer", phmmer_hits)):
        if program.lower() not in programs:
            continue
        hits = {name: search(name, proteins, lookup, work=work) for name, proteins in sets.items()}
        for best in (1, 3, 5):
            said = "best hit" if best == 1 else f"every EC of the {best} best"
            methods.append(
                Method(f"{program}, {said}", {name: every_ec(found, lookup.ecs, best) for name, found in hits.items()})
            )
        shares = {"0.1": 0.1}
        if set(CHOSEN_ON) <= set(names):
            for figure, said in CHOSEN_FOR.items():
                share = choose_share(hits, truth, lookup.ecs, 5, figure)
                shares[f"{share:g} (best {said} on {' and '.join(CHOSEN_ON)})"] = share
        for said, share in shares.items():
            told = {name: voted(found, lookup.ecs, 5, share) for name, found in hits.items()}
            methods.append(Method(f"{program}, 5 best by score, share >= {said}", told))
    return methods
