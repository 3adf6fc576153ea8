"""A look-up table of made-up enzymes: families of metagenome proteins, in which relatives have other EC numbers or none."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from tests.plugins.hifinn_groups import metagenome_proteins, relative

from photophore.cli import main
from photophore_hifinn.evidence import FEATURES
from photophore_hifinn.ranking import LEVELS, LevelModel, Ranker
from photophore_hifinn.training.trees import onnx_of

HEADER = "id\tec\tsequence\tcluster30\tcluster50"
#: Families, and the clusters and members of each; the last cluster has another EC number, or none.
FAMILIES, CLUSTERS, MEMBERS = 12, 3, 3
#: Proteins alone that are no enzymes.
ALONE = 8


@dataclass
class Table:
    """Rows of a look-up table, and proteins that are not in it.

    Parameters
    ----------
    rows
        ``id, ec, sequence, cluster30, cluster50``.
    enzymes
        New members of clusters with an EC number, by that number.
    others
        New relatives of what is no enzyme: of a cluster beside enzymes, or of a protein alone.
    strangers
        Proteins of no family.
    """

    rows: list[tuple[str, str, str, str, str]] = field(default_factory=list)
    enzymes: dict[str, str] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)

    def text(self):
        return "\n".join([HEADER, *("\t".join(row) for row in self.rows), ""])


def numbers_of(family):
    """Return the EC number of a family, and that of its last cluster: none, a sister's, or one of another class."""
    number = f"{1 + family % 6}.{1 + family // 6}.3.{family + 1}"
    return number, ("", f"{number[:6]}{family + 51}", f"{1 + (family + 1) % 6}.7.1.{family + 1}")[family % 3]


def make_table(metagenome_faa):
    """Return a table of `FAMILIES`; the clusters of one EC number are nearer to each other than to the last one."""
    proteins = metagenome_proteins(metagenome_faa, 60)
    random = np.random.default_rng(11)
    table = Table(strangers=proteins[50:54])
    for family in range(FAMILIES):
        number, other = numbers_of(family)
        enzyme = relative(random, proteins[family], 0.1)
        for cluster in range(CLUSTERS):
            last = cluster == CLUSTERS - 1
            ancestor = relative(random, proteins[family] if last else enzyme, 0.2)
            ec = other if last else number
            name = f"f{family}c{cluster}"
            table.rows += [
                (f"{name}m{member}", ec, relative(random, ancestor, 0.15), name, f"{name}s{member // 2}")
                for member in range(MEMBERS)
            ]
            new = relative(random, ancestor, 0.15)
            if ec:
                table.enzymes.setdefault(ec, new)
            else:
                table.others.append(new)
    for place in range(ALONE):
        sequence = proteins[20 + place]
        table.rows.append((f"alone{place}", "", sequence, "", ""))
        table.others.append(relative(random, sequence, 0.2))
    return table


def stumps(*steps, start=0.0):
    """Return trees as a ranker stores them: ``start``, and of each (feature, threshold, value) the value above the threshold."""
    nodes = np.zeros((1 + len(steps), 3, 5), dtype=np.float32)
    nodes[0, 0] = (-1, 0, 0, 0, start)
    for tree, (name, threshold, value) in zip(nodes[1:], steps, strict=True):
        tree[:] = [(FEATURES.index(name), threshold, 1, 2, 0), (-1, 0, 0, 0, 0), (-1, 0, 0, 0, value)]
    return onnx_of(nodes, len(FEATURES))


def plain_ranker():
    """Return a ranker that one can follow: bits a residue, the share, and the lead over what is no enzyme count.

    A member of a family has some 1.5 bits a residue, all of the share, and hundreds of bits before what is no enzyme.
    """
    steps = [
        *(("score_per_residue", step / 8, 3 / 8) for step in range(24)),
        *(("share", step / 20, 5 / 20) for step in range(20)),
        *(("lead", step / 4, 1 / 4) for step in range(-28, 28)),
    ]
    model = LevelModel(stumps(*steps, start=-14.0), thresholds=(0.95, 0.5))
    return Ranker((0.05, 0.5), (model,) * len(LEVELS))


def build(lookup, database, *options):
    """Build a database by the command; return its exit code."""
    settings = [word for option in options for word in ("--set", option)]
    return main(["db", "build", "--method", "hifinn", str(lookup), "-o", str(database), "-q", *settings])


def annotate(fasta, database, out, *options):
    return main(["annotate", str(fasta), "-d", str(database), "-o", str(out), "-q", *options])


def rows_of(path):
    """Return the rows of a table that was written, each by the names of its columns."""
    header, *rows = [line.split("\t") for line in path.read_text().splitlines()]
    return [dict(zip(header, row, strict=True)) for row in rows]
