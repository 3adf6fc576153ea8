"""Which folds training must not see: a list of CATH topologies and SCOP folds, and of what resembles them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from photophore.errors import InputError
from photophore_siamese.truth.domains import Domains

SIDES = ("train", "valid", "test")


@dataclass(frozen=True, slots=True)
class Split:
    """A list of what was kept out.

    Parameters
    ----------
    topologies, folds
        Side (``valid`` or ``test``) of each CATH topology and of each SCOP fold that training must not see.
    dropped
        Domains of other folds that resemble one of those: in no side.
    """

    topologies: dict[str, str]
    folds: dict[str, str]
    dropped: frozenset[str]

    def members(self, domains: Domains, side: str) -> list[int]:
        """Return the numbers of the domains of ``train``, ``valid`` or ``test``."""
        return [
            number
            for number, (name, topology) in enumerate(zip(domains.ids, domains.level(3), strict=True))
            if name not in self.dropped and self.topologies.get(topology, "train") == side
        ]

    def fold_side(self, sccs: str) -> str:
        """Return the side of a SCOP class such as ``c.37.1.8``."""
        return self.folds.get(".".join(sccs.split(".")[:2]), "train")

    def write(self, path: Path, comments: Sequence[str]) -> None:
        """Write the list, ``comments`` first."""
        lines = [f"# {comment}" for comment in comments]
        lines += [f"{side}\tcath\t{name}" for name, side in sorted(self.topologies.items())]
        lines += [f"{side}\tscop\t{name}" for name, side in sorted(self.folds.items())]
        lines += [f"dropped\tdomain\t{name}" for name in sorted(self.dropped)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_split(path: Path) -> Split:
    """Read such a list: ``side TAB cath|scop|domain TAB name``; `InputError` names a line that is none."""
    topologies: dict[str, str] = {}
    folds: dict[str, str] = {}
    dropped: set[str] = set()
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as a list of held-out folds ({error}); repair it") from error
    for number, line in enumerate(lines, start=1):
        if not line or line.startswith("#"):
            continue
        match line.split("\t"):
            case ["valid" | "test" as side, "cath", name]:
                topologies[name] = side
            case ["valid" | "test" as side, "scop", name]:
                folds[name] = side
            case ["dropped", "domain", name]:
                dropped.add(name)
            case _:
                raise InputError(
                    f"{path}:{number}: {line!r} is no held-out fold; write 'test', 'cath' and '3.40.30' with tabs between"
                )
    return Split(topologies, folds, frozenset(dropped))
