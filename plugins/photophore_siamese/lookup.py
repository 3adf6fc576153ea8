"""Reads the domains of a new database: tab-separated tables with the columns id, sequence and cath, plain or compressed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from photophore.errors import InputError
from photophore.hookspecs import TargetSource
from photophore.inputs import open_input
from photophore.types import RESIDUE_LETTERS, SequenceBatch
from photophore_siamese.calibration import CALIBRATION_FILE, copy_calibration
from photophore_siamese.catalogue import CATH_CODE, DOMAINS_FILE, Catalogue
from photophore_siamese.config import SiameseAnnotatorConfig

#: Names of the columns, in lower case.
_COLUMNS = {
    "id": ("id", "domain", "name"),
    "sequence": ("sequence", "seq"),
    "cath": ("cath", "superfamily", "cath_id", "code"),
}
_DESCRIPTION = ("description", "superfamily_name")
_UNKNOWN_LETTER = re.compile(rf"[^{RESIDUE_LETTERS}]")
_SHAPE = "give a tab-separated table with the columns id, sequence and cath"


class Domain(NamedTuple):
    """A domain with its place in CATH, and where it was read (``file:line``)."""

    id: str
    sequence: str
    code: str
    name: str
    source: str


def read_targets(sources: Sequence[Path], folder: Path, config: SiameseAnnotatorConfig) -> TargetSource:
    """Read the domains of ``sources`` and write what the annotator needs into ``folder``.

    Raises
    ------
    InputError
        With ``file:line`` for what cannot be read, and for a name that stands twice.
    """
    domains: dict[str, Domain] = {}
    for domain in (domain for path in sources for domain in read_domains(path)):
        if domain.id in domains:
            raise InputError(
                f"{domain.source}: {domain.id!r} stands at {domains[domain.id].source} already; "
                "give each domain a name of its own"
            )
        domains[domain.id] = domain
    catalogue = Catalogue(
        ids=tuple(domains),
        sequences=tuple(domain.sequence for domain in domains.values()),
        codes=tuple(domain.code for domain in domains.values()),
        names=tuple(domain.name for domain in domains.values()),
    )
    catalogue.save(folder)
    files = (DOMAINS_FILE, CALIBRATION_FILE) if copy_calibration(config.calibration, folder) else (DOMAINS_FILE,)
    batch = SequenceBatch(
        ids=catalogue.ids,
        sequences=catalogue.sequences,
        descriptions=catalogue.names,
        sources=tuple(domain.source for domain in domains.values()),
    )
    facts = {
        "domains": len(catalogue),
        "topologies": len({catalogue.topology(domain) for domain in range(len(catalogue))}),
        "superfamilies": len({code for code in catalogue.codes if code.count(".") == 3}),
    }
    return TargetSource(batch, files, facts)


def read_domains(path: Path) -> Iterator[Domain]:
    """Yield the domains of one table."""
    with open_input(path) as (_, stream):
        lines = enumerate((raw.decode("utf-8", "surrogateescape").rstrip("\r\n") for raw in stream), start=1)
        number, header = next(((number, line) for number, line in lines if line.strip()), (0, ""))
        if not header:
            raise InputError(f"{path}: the file is empty; {_SHAPE}")
        names = [name.strip().lower() for name in header.removeprefix("\ufeff").split("\t")]
        at = {}
        for column, known in _COLUMNS.items():
            found = [names.index(name) for name in known if name in names]
            if not found:
                raise InputError(
                    f"{path}:{number}: the header has no column {column!r} (it has: {', '.join(names)[:80]}); {_SHAPE}"
                )
            at[column] = found[0]
        named = next((names.index(name) for name in _DESCRIPTION if name in names), None)
        for number, line in lines:
            cells = line.split("\t")
            if cells == [""]:
                continue
            if len(cells) != len(names):
                raise InputError(
                    f"{path}:{number}: has {len(cells)} cells, the header has {len(names)}; "
                    "write every cell, also an empty one"
                )
            yield _domain(
                Domain(
                    cells[at["id"]].strip(),
                    cells[at["sequence"]].strip().upper().rstrip("*"),
                    cells[at["cath"]].strip(),
                    "" if named is None else cells[named].strip(),
                    f"{path}:{number}",
                )
            )


def _domain(domain: Domain) -> Domain:
    """Return a domain that has a name, residues and a code; `InputError` where it lacks one."""
    if not domain.id:
        raise InputError(f"{domain.source}: the domain has no id; write one")
    if not domain.sequence:
        raise InputError(f"{domain.source}: {domain.id!r} has no residues; remove the row")
    if unknown := _UNKNOWN_LETTER.search(domain.sequence):
        raise InputError(
            f"{domain.source}: {domain.id!r} has {unknown[0]!r} at residue {unknown.start() + 1}; "
            f"only the letters {RESIDUE_LETTERS} are residues"
        )
    if not CATH_CODE.fullmatch(domain.code):
        raise InputError(
            f"{domain.source}: {domain.id!r} has the CATH code {domain.code!r}; give a superfamily such as 3.40.50.300, or "
            "a topology such as 3.40.50"
        )
    return domain
