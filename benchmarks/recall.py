"""Recall of the prefilter: which of HMMER's pairs come through, at which share of all pairs, by E-value.

    python benchmarks/recall.py --database DB --proteins metagenome_938293 paeruginosa [--set index.nprobe=8 ...]

Counts pairs of profiles whose whole family was kept out of training (``--all`` counts every profile). Two tables: the aggregator's
score decides alone; and as in `annotate`, where the candidates of the aggregator need a segment on the diagonals that it proposes, and
the score of the best alignment there decides. The threshold is each time the one that lets the given share of all (protein, profile)
pairs of the database pass to HMMER. The last row of the second table is what `annotate` does by default.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from material import held_out, hmmsearch_truth, machine, read_proteins

from photophore.pipeline import check, open_chain
from photophore.registry import load_registry
from photophore.runconfig import LinkChoice, RunConfig
from photophore.types import Candidates, SequenceBatch
from photophore_hmmer.search import Digits, Searcher
from photophore_hmmer.store import ProfileStore
from photophore_hmmer.work import work_of

SHARES = (0.001, 0.003, 0.01, 0.03, 0.1)
BINS = ((-1.0, 1e-10), (1e-10, 1e-5), (1e-5, 1e-3), (-1.0, 1e-3))


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", required=True)
    parser.add_argument("--proteins", nargs="+", default=["metagenome_938293", "paeruginosa"])
    parser.add_argument("--aggregator", default="diagonal")
    parser.add_argument("--set", nargs="*", default=[], dest="settings", metavar="KIND.FIELD=VALUE")
    parser.add_argument("--all", action="store_true", help="count all profiles, not only those held out")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=2000)
    parser.add_argument("--cache", type=Path, default=Path("work/benchmarks"))
    return parser.parse_args()


def main() -> None:
    args = options()
    links: dict[str, LinkChoice] = {}
    settings: dict[str, dict[str, str]] = {"aggregator": {}}
    for entry in args.settings:
        place, _, value = entry.partition("=")
        kind, _, name = place.partition(".")
        settings.setdefault(kind, {})[name] = value
    for kind, values in settings.items():
        links[kind] = LinkChoice(args.aggregator if kind == "aggregator" else None, values)
    config = RunConfig(
        inputs=("example:corynebacterium",), database=args.database, dry_run=True, threads=args.threads, links=links
    )
    plan = check(config, load_registry())
    chain = open_chain(plan.database, plan.links, plan.runtime)
    proteins = read_proteins(args.proteins)
    wanted = held_out()
    chosen = [t for t, name in enumerate(chain.targets.ids) if args.all or name in wanted]
    store = ProfileStore(plan.database.annotator_folder)
    truth = hmmsearch_truth(
        (store.read(t) for t in chosen),
        proteins,
        z=len(chain.targets),
        evalue=1e-3,
        threads=args.threads,
        cache=args.cache,
    )
    scored = scored_pairs(chain, store, plan.links["annotator"].config, proteins, args.batch)
    report(args, plan.links["annotator"].config, proteins, chain, np.array(chosen), truth, scored)


def scored_pairs(chain, store, config, proteins: SequenceBatch, batch: int):  # noqa: ANN001, ANN201 - numpy arrays and seconds
    """Return pair keys (protein * targets + target), scores by the aggregator and on the diagonals, and seconds by stage."""
    keys, scores, aligned, clock = [], [], [], chain.search.clock
    searcher = Searcher(store, config)
    started = time.perf_counter()
    for start in range(0, len(proteins), batch):
        part = proteins.select(range(start, min(start + batch, len(proteins))))
        candidates = chain.candidates(part)
        protein = np.repeat(np.arange(len(part)), np.diff(candidates.offsets))
        keys.append((protein + start) * len(chain.targets) + candidates.targets)
        scores.append(candidates.scores)
        with clock("diagonals"):
            aligned.append(on_diagonals(searcher, part, candidates, store.table.lengths))
    seconds = {**clock.seconds, "all": time.perf_counter() - started}
    return np.concatenate(keys), np.concatenate(scores), np.concatenate(aligned), seconds


def on_diagonals(searcher: Searcher, part: SequenceBatch, candidates: Candidates, lengths: Sequence[int]) -> np.ndarray:
    """Return by how many bits each candidate scores more, on its diagonals, than what is reported; -inf without an alignment."""
    result = np.full(len(candidates.targets), -np.inf)
    works = sorted(work_of(part, candidates, lengths), key=lambda work: work.target)
    if works and works[0].begins is not None:
        result[np.argsort(candidates.targets, kind="stable")] = np.concatenate(searcher.margins(works, Digits(part)))
    return result


def report(args, config, proteins, chain, chosen, truth, scored) -> None:  # noqa: ANN001
    pair, score, aligned, seconds = scored
    pairs = len(proteins) * len(chain.targets)
    order = np.argsort(pair)
    wanted = truth.protein * len(chain.targets) + chosen[truth.profile]
    place = np.minimum(np.searchsorted(pair[order], wanted), len(pair) - 1)
    there = pair[order][place] == wanted
    inside = [(truth.evalue > low) & (truth.evalue <= high) for low, high in BINS]
    print(f"# {args.database} {args.aggregator} {' '.join(args.settings)}")
    print(f"# {machine()}; {len(proteins):,} proteins, {proteins.residues:,} residues, {len(chain.targets):,} profiles, "
          f"{int(chain.targets.offsets[-1]):,} positions; {len(chosen):,} profiles counted")  # fmt: skip
    print("# seconds: " + ", ".join(f"{stage} {value:.1f}" for stage, value in seconds.items()))

    def row(shown: str, values: np.ndarray, threshold: float) -> None:
        found = np.where(there, values[order][place], -np.inf)
        hit = (found > -np.inf) & (found >= threshold)
        share = np.count_nonzero((values > -np.inf) & (values >= threshold)) / pairs
        cells = [f"{100 * hit[m].mean():.1f} %" if m.any() else "-" for m in inside]
        print(f"| {shown} | {100 * share:.2f} % | " + " | ".join(cells) + " |")

    names = tuple(f"{low:g} < E <= {high:g}" if low > 0 else f"E <= {high:g}" for low, high in BINS)
    for title, values in (
        ("the aggregator's score alone", score),
        ("bits above what is reported, on its diagonals", aligned),
    ):
        ranked = np.sort(values[values > -np.inf])[::-1]
        if not len(ranked):
            continue
        print(f"\n| {title} | share of pairs | " + " | ".join(names) + " |\n|---" + "|---" * (len(BINS) + 1) + "|")
        print("| pairs in truth | | " + " | ".join(str(int(m.sum())) for m in inside) + " |")
        for share in SHARES:
            count = int(share * pairs)
            if count < len(ranked):
                row(f"at {100 * share:g} %", values, float(ranked[count]))
        row("all that have one", values, -np.inf)
        if values is aligned:
            row(f"at most {config.margin:g} bits below (default)", values, -config.margin)


if __name__ == "__main__":
    main()
