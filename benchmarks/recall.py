"""Recall of the prefilter: which of HMMER's pairs come through, at which share of all pairs, by E-value.

    python benchmarks/recall.py --database DB --proteins metagenome_938293 paeruginosa [--set index.nprobe=8 ...]

Counts pairs of profiles whose whole family was kept out of training (``--all`` counts every profile). A score decides
alone: the threshold is the one that lets the given share of all (protein, profile) pairs of the database pass. HMMER
meets them with its ungapped filter (SSV/MSV, P <= 0.02) first; the second column is what is left after it, measured on
every `SAMPLED`-th profile. A pair of the truth has passed that filter in hmmsearch, so recall is the same on both sides.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from material import held_out, hmmsearch_truth, machine, read_proteins

from photophore.pipeline import check, open_chain
from photophore.registry import load_registry
from photophore.runconfig import LinkChoice, RunConfig
from photophore.types import SequenceBatch
from photophore_hmmer.store import ProfileStore

SHARES = (0.001, 0.003, 0.01, 0.03, 0.05, 0.1)
SAMPLED = 25
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
    if args.aggregator == "diagonal":
        settings["aggregator"]["pairs"] = "0.1"
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
    scored = scored_pairs(chain, proteins, args.batch)
    report(args, proteins, chain, np.array(chosen), truth, scored, store)


def scored_pairs(chain, proteins: SequenceBatch, batch: int):  # noqa: ANN001, ANN201 - numpy arrays and seconds
    """Return pair keys (protein * targets + target), their scores, and seconds by stage."""
    keys, scores, clock = [], [], chain.search.clock
    started = time.perf_counter()
    for start in range(0, len(proteins), batch):
        part = proteins.select(range(start, min(start + batch, len(proteins))))
        neighbours = chain.search.neighbours(part)
        with clock("aggregate"):
            candidates = chain.aggregator.aggregate(neighbours, chain.targets)
        protein = np.repeat(np.arange(len(part)), np.diff(candidates.offsets)) + start
        keys.append(protein * len(chain.targets) + candidates.targets)
        scores.append(candidates.scores)
    seconds = {**clock.seconds, "all": time.perf_counter() - started}
    return np.concatenate(keys), np.concatenate(scores), seconds


def report(args, proteins, chain, chosen, truth, scored, store) -> None:  # noqa: ANN001
    pair, score, seconds = scored
    pairs = len(proteins) * len(chain.targets)
    order = np.argsort(pair)
    wanted = truth.protein * len(chain.targets) + chosen[truth.profile]
    place = np.minimum(np.searchsorted(pair[order], wanted), len(pair) - 1)
    found = np.where(pair[order][place] == wanted, score[order][place], -np.inf)
    ranked = np.sort(score)[::-1]
    print(f"# {args.database} {args.aggregator} {' '.join(args.settings)}")
    print(f"# {machine()}; {len(proteins):,} proteins, {proteins.residues:,} residues, {len(chain.targets):,} profiles, "
          f"{int(chain.targets.offsets[-1]):,} positions; {len(chosen):,} profiles counted")  # fmt: skip
    print("# seconds: " + ", ".join(f"{stage} {value:.1f}" for stage, value in seconds.items()))
    print(
        "| share of pairs | after the ungapped filter | "
        + " | ".join(f"{low:g} < E <= {high:g}" if low > 0 else f"E <= {high:g}" for low, high in BINS)
        + " |"
    )
    print("|---" * (len(BINS) + 2) + "|")
    inside = [(truth.evalue > low) & (truth.evalue <= high) for low, high in BINS]
    print("| pairs in truth | | " + " | ".join(str(int(m.sum())) for m in inside) + " |")
    for share in SHARES:
        count = int(share * pairs)
        threshold = ranked[count] if count < len(ranked) else -np.inf
        passed = f"{100 * min(count, len(ranked)) / pairs:.2f} %"
        hit = (found > -np.inf) & (found >= threshold)
        cells = [f"{100 * hit[m].mean():.1f} %" if m.any() else "-" for m in inside]
        left = ungapped_share(store, proteins, len(chain.targets), pair[score >= threshold])
        print(f"| {passed} | {100 * left:.2f} % | " + " | ".join(cells) + " |")


def ungapped_share(store: ProfileStore, proteins: SequenceBatch, targets: int, pair: np.ndarray) -> float:
    """Return the share of all pairs that is left of ``pair`` after HMMER's ungapped filter, by every `SAMPLED`-th profile."""
    from pyhmmer.easel import DigitalSequenceBlock, TextSequence
    from pyhmmer.plan7 import Pipeline

    left = 0
    sampled = range(0, targets, SAMPLED)
    protein, target = np.divmod(pair, targets)
    order = np.argsort(target, kind="stable")
    for number in sampled:
        low, high = np.searchsorted(target[order], (number, number + 1))
        rows = protein[order[low:high]]
        profile = store.read(number)
        block = DigitalSequenceBlock(
            profile.alphabet,
            [TextSequence(sequence=proteins.sequences[row]).digitize(profile.alphabet) for row in rows],
        )
        # P-values of 0 close the later filters, so that nothing but the ungapped one is computed.
        hits = Pipeline(profile.alphabet, bias_filter=False, F2=0.0, F3=0.0).search_hmm(profile, block)
        left += hits.__getstate__()["pipeline"]["n_past_msv"]
    return left / (len(sampled) * len(proteins))


if __name__ == "__main__":
    main()
