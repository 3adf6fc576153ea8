"""Where a mutant differs from its wild type: its mutations, and the stretches whose surroundings are predicted to change."""

from __future__ import annotations

import numpy as np

from photophore.comparison import Comparison

MUTANT_COLUMNS = (
    "wild_type", "mutant", "mutations", "tm_score", "lddt", "least_lddt", "least_position", "changed", "changed_residues",
)  # fmt: skip

#: A residue is changed when its lDDT lies this many standard deviations below the median of the pair; the deviation is
#: estimated from the median distance to it, which the changed residues themselves hardly move ...
DEVIATIONS = 3.0
_OF_MEDIAN = 1.4826
#: ... and is below this: of a mutant that changes nothing, nothing is told.
UNCHANGED = 0.99
#: Changed residues this near to each other are one stretch.
_JOINED = 3


def mutations(each: Comparison) -> list[str]:
    """Return the mutations in the order of the wild type: A23V, del23-25, ins22_GG (behind residue 22)."""
    found: list[str] = []
    before = (-1, -1)
    ends = (len(each.one_sequence), len(each.other_sequence))
    for i, j in [*each.pairs.tolist(), list(ends)]:
        lost, added = each.one_sequence[before[0] + 1 : i], each.other_sequence[before[1] + 1 : j]
        if lost:
            found.append(f"del{before[0] + 2}" + (f"-{i}" if len(lost) > 1 else ""))
        if added:
            found.append(f"ins{before[0] + 1}_{added}")
        if i < ends[0] and each.one_sequence[i] != each.other_sequence[j]:
            found.append(f"{each.one_sequence[i]}{i + 1}{each.other_sequence[j]}")
        before = (i, j)
    return found


def mutated_positions(each: Comparison) -> list[int]:
    """Return residues of the wild type (0-based) that are another in the mutant."""
    return [i for i, j in each.pairs.tolist() if each.one_sequence[i] != each.other_sequence[j]]


def changed_stretches(each: Comparison) -> list[tuple[int, int, float]]:
    """Return stretches of the wild type that change, ``(start, stop, least lDDT)``, 0-based, half-open, in their order."""
    if not len(each.pairs):
        return []
    usual = np.median(each.lddt)
    spread = _OF_MEDIAN * np.median(np.abs(each.lddt - usual))
    limit = min(UNCHANGED, float(usual - DEVIATIONS * spread))
    found: list[tuple[int, int, float]] = []
    for (i, _), lddt in zip(each.pairs.tolist(), each.lddt.tolist(), strict=True):
        if lddt >= limit:
            continue
        if found and i - found[-1][1] < _JOINED:
            found[-1] = (found[-1][0], i + 1, min(found[-1][2], lddt))
        else:
            found.append((i, i + 1, lddt))
    return found


def mutant_row(each: Comparison) -> tuple[str | int | float | None, ...]:
    """Return the row of `MUTANT_COLUMNS` of one mutant; ``changed`` has the stretch of the least lDDT first."""
    stretches = sorted(changed_stretches(each), key=lambda stretch: (stretch[2], stretch[0]))
    told = ";".join(f"{start + 1}-{stop}:{least:.3f}" for start, stop, least in stretches)
    lowest = int(each.lddt.argmin()) if len(each.lddt) else None
    return (
        each.one,
        each.other,
        ";".join(mutations(each)),
        each.tm_score,
        None if lowest is None else float(each.lddt.mean()),
        None if lowest is None else float(each.lddt[lowest]),
        None if lowest is None else int(each.pairs[lowest, 0]) + 1,
        told,
        sum(stop - start for start, stop, _ in stretches),
    )


def mutant_text(each: Comparison) -> str:
    """Return what a mutant changes, for the terminal."""
    told = mutations(each)
    lines = [f"mutations: {', '.join(told) or 'none'}"]
    stretches = sorted(changed_stretches(each), key=lambda stretch: (stretch[2], stretch[0]))
    lines += [f"changed: residues {start + 1}-{stop}, lDDT down to {least:.3f}" for start, stop, least in stretches]
    if not stretches:
        lines.append("changed: nothing that stands out")
    return "\n".join([*lines, ""])
