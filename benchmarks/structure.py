"""TM-score, lDDT, alignment, remote homology and speed of the structural method, on folds that training did not see.

    python benchmarks/structure.py pairs --truth work/siamese-small/truth/test
    python benchmarks/structure.py chains
    python benchmarks/structure.py homology
    python benchmarks/structure.py pair-speed
    python benchmarks/structure.py neighbours
    python benchmarks/structure.py search-speed

`pairs` are domains of held-out CATH topologies (`siamese-small.held_out.txt`), compared by TM-align here; `--truth` is the folder
that `photophore train siamese` made. `homology` are the SCOP domains of held-out folds, each searched among all of them. The baselines
are fitted where our heads are: on the `valid` side of the split, and on the chains to tune on.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from material import machine, read_proteins, shared, write_fasta
from scipy.stats import spearmanr
from structure_peers import Alignment, blosum_alignment, diamond_scores, phmmer_scores, read_scop, sensitivity

from photophore.database import find
from photophore.hookspecs import Runtime
from photophore.types import Embeddings, TargetTable
from photophore_faiss.config import ListsConfig
from photophore_faiss.lists import ListsIndex
from photophore_near.diagonal import Diagonal, DiagonalConfig
from photophore_siamese.calibration import LEVELS, open_calibration
from photophore_siamese.comparing import StructureModel, align_residues, match_along, residues_of
from photophore_siamese.config import SiameseConfig
from photophore_siamese.encoder import open_structure_model
from photophore_siamese.lookup import read_domains as read_table_of_domains
from photophore_siamese.training.calibrate import Finder
from photophore_siamese.training.material import read_chains
from photophore_siamese.training.table import write_table
from photophore_siamese.truth.cache import TruthTable, read_table
from photophore_siamese.truth.domains import Domains, read_domains
from photophore_siamese.truth.holdout import read_split

HELD_OUT = Path(__file__).parents[1] / "plugins/photophore_siamese/weights/siamese-small.held_out.txt"

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Predicted:
    """What is true of pairs, and what each method says of them."""

    tm: FloatArray
    by: dict[str, FloatArray]


def open_model(args: argparse.Namespace) -> StructureModel:
    return open_structure_model(
        SiameseConfig(weights=args.weights, precision=args.precision), Runtime(threads=args.threads)
    )


def spread(tm: FloatArray, each: int, seed: int = 0) -> npt.NDArray[np.int64]:
    """Return pairs spread over the range: at most ``each`` of every tenth of the TM-score."""
    random = np.random.default_rng(seed)
    order = random.permutation(len(tm))
    tenth = np.minimum((tm * 10).astype(int), 9)
    return np.sort(np.concatenate([order[tenth[order] == number][:each] for number in range(10)]))


def line(baseline: FloatArray, tm: FloatArray, asked: FloatArray) -> FloatArray:
    """Return TM-scores predicted by the line of least mean distance from one number, fitted elsewhere."""
    best = min(
        ((slope, offset) for slope in np.linspace(0, 1.5, 61) for offset in np.linspace(0, 0.6, 61)),
        key=lambda values: float(np.abs(np.clip(values[0] * baseline + values[1], 0, 1) - tm).mean()),
    )
    return np.clip(best[0] * asked + best[1], 0, 1)


def report(name: str, result: Predicted) -> None:
    """Print error and rank of each method, and both by tenth of the TM-score."""
    print(f"\n{name}: {len(result.tm)} pairs, mean TM-score {result.tm.mean():.3f}\n")
    print("| method | MAE | Spearman |\n|---|---|---|")
    for method, predicted in result.by.items():
        rank = spearmanr(predicted, result.tm).statistic if np.ptp(predicted) > 0 else float("nan")
        print(f"| {method} | {np.abs(predicted - result.tm).mean():.4f} | {rank:.3f} |")
    methods = list(result.by)
    print(f"\n| TM-score | pairs | {' | '.join(f'MAE {method} | Spearman' for method in methods)} |")
    print(f"|---|---|{'---|' * 2 * len(methods)}")
    for low, high in (
        (0.0, 0.2),
        (0.2, 0.3),
        (0.3, 0.4),
        (0.4, 0.5),
        (0.5, 0.6),
        (0.6, 0.7),
        (0.7, 0.8),
        (0.8, 0.9),
        (0.9, 1.01),
    ):
        inside = (result.tm >= low) & (result.tm < high)
        if inside.sum() < 5:
            continue
        cells = []
        for method in methods:
            predicted, tm = result.by[method][inside], result.tm[inside]
            rank = f"{spearmanr(predicted, tm).statistic:.2f}" if np.ptp(predicted) > 0 else "-"
            cells += [f"{np.abs(predicted - tm).mean():.3f}", rank]
        print(f"| {low:.1f} to {min(high, 1):.1f} | {inside.sum()} | {' | '.join(cells)} |")


class Compared:
    """Pairs of proteins compared by our model and by Smith-Waterman, each protein represented once."""

    def __init__(self, model: StructureModel, sequences: Sequence[str]) -> None:
        self._model = model
        distinct = list(dict.fromkeys(sequences))
        self._seen: dict[str, npt.NDArray[np.float32]] = dict(zip(distinct, residues_of(model, distinct), strict=True))

    def ours(self, pairs: Sequence[tuple[str, str]]) -> list[Alignment]:
        """Return alignment, both TM-scores and lDDT by our model."""
        sides = [(self._seen[one], self._seen[other]) for one, other in pairs]
        aligned = align_residues(self._model, sides)
        judged = self._model.judge([(*side, found) for side, found in zip(sides, aligned, strict=True)])
        return [
            Alignment(found.pairs, (m.tm_score, m.tm_score_other), 0.0, m.lddt)
            for found, m in zip(aligned, judged, strict=True)
        ]

    def lddt_along(self, one: str, other: str, pairs: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """Return the predicted lDDT along a given alignment."""
        return match_along(self._model, self._seen[one], self._seen[other], pairs).lddt


def truth_of(args: argparse.Namespace, side: str) -> tuple[Domains, TruthTable]:
    domains = read_domains(shared() / "structures" / "domains.npz")
    return domains, read_table(domains, args.truth.parent / side)


def texts(domains: Domains, truth: TruthTable, numbers: Sequence[int]) -> list[tuple[str, str]]:
    return [(domains.sequences[i], domains.sequences[j]) for i, j in truth.pairs[list(numbers)]]


def pairs(args: argparse.Namespace) -> None:
    """TM-score, lDDT and alignment on domains of held-out topologies."""
    domains, truth = truth_of(args, "test")
    tm = truth.tm[:, 0].astype(float)
    chosen = spread(tm, args.each)
    _, tuned = truth_of(args, "valid")
    fit = spread(tuned.tm[:, 0].astype(float), args.each)
    asked, fitted = texts(domains, truth, chosen), texts(domains, tuned, fit)
    identity, peers = identities(asked)
    fit_identity, _ = identities(fitted)
    compared = Compared(open_model(args), [text for pair in asked for text in pair])
    ours = compared.ours(asked)
    fit_tm = tuned.tm[fit, 0].astype(float)
    by = {
        "always the mean": np.full(len(chosen), fit_tm.mean()),
        "sequence identity": line(fit_identity, fit_tm, identity),
        "siamese": np.array([match.tm[0] for match in ours]),
    }
    topologies = {domains.level(3)[int(i)] for i in np.unique(truth.pairs)}
    print(f"{machine()}; {len(topologies)} topologies")
    report("held-out topologies, spread over the TM-score", Predicted(tm[chosen], by))
    lddt(compared, truth, chosen, asked, tuned)
    recovery(truth, chosen, ours, peers)


def identities(asked: Sequence[tuple[str, str]]) -> tuple[FloatArray, list[Alignment]]:
    """Return identity by Smith-Waterman, over the shorter protein, and the alignments."""
    peers = [blosum_alignment(one, other) for one, other in asked]
    shorter = np.array([min(len(one), len(other)) for one, other in asked])
    return np.array([peer.identical for peer in peers]) / shorter, peers


def lddt(
    compared: Compared,
    truth: TruthTable,
    chosen: npt.NDArray[np.int64],
    asked: Sequence[tuple[str, str]],
    tuned: TruthTable,
) -> None:
    """Print the error of the lDDT along TM-align's alignments."""
    mean = float(tuned.lddt.astype(float).mean())
    rows = []
    for number, (one, other) in zip(chosen, asked, strict=True):
        true = truth.truth(int(number))
        along = np.stack([true.first, true.second], axis=1).astype(np.int32)
        predicted = compared.lddt_along(one, other, along)
        same = np.array([one[i] == other[j] for i, j in along])
        wanted = true.lddt.astype(float)
        rows.append((np.abs(predicted - wanted), np.abs(mean - wanted), same, wanted, predicted, max(true.tm)))
    high = [row for row in rows if row[5] >= 0.7]
    print("\n| lDDT along TM-align's alignment | residues | siamese | always the mean |\n|---|---|---|---|")
    for name, part in (("all pairs", rows), ("TM-score of 0.7 and above", high)):
        joined = [np.concatenate([row[column] for row in part]) for column in range(2)]
        print(f"| {name} | {len(joined[0])} | {joined[0].mean():.4f} | {joined[1].mean():.4f} |")


def recovery(
    truth: TruthTable, chosen: npt.NDArray[np.int64], ours: Sequence[Alignment], peers: Sequence[Alignment]
) -> None:
    """Print the share of TM-align's aligned pairs that an alignment has, too, at a TM-score of 0.5 and above."""
    print("\n| TM-score | pairs | siamese | Smith-Waterman, BLOSUM62 |\n|---|---|---|---|")
    for low, high in ((0.5, 1.01), (0.5, 0.6), (0.6, 0.8), (0.8, 1.01)):
        shares = []
        for number, *methods in zip(chosen, ours, peers, strict=True):
            true = truth.truth(int(number))
            if low <= sum(true.tm) / 2 < high:
                wanted = set(zip(true.first.tolist(), true.second.tolist(), strict=True))
                shares.append([len(wanted.intersection(map(tuple, m.pairs.tolist()))) / len(wanted) for m in methods])
        if shares:
            means = np.mean(shares, axis=0)
            print(f"| {low:.1f} to {min(high, 1):.1f} | {len(shares)} | {means[0]:.3f} | {means[1]:.3f} |")


def chains(args: argparse.Namespace) -> None:
    """TM-score of whole chains; what is fitted, is fitted on those to tune on."""
    folder = shared() / "structures"
    tuned, test = (read_chains(folder / f"tm_chain_{name}.tsv.xz") for name in ("valid", "test"))
    asked = [pair.sequences for pair in test]
    identity, _ = identities(asked)
    fit_identity, _ = identities([pair.sequences for pair in tuned])
    ours = Compared(open_model(args), [text for pair in asked for text in pair]).ours(asked)
    print(machine())
    for column, name in ((0, "first"), (1, "second")):
        tm = np.array([pair.tm[column] for pair in test])
        fit = np.array([pair.tm[column] for pair in tuned])
        by = {
            "always the mean": np.full(len(tm), fit.mean()),
            "sequence identity": line(fit_identity, fit, identity),
            "siamese": np.array([match.tm[column] for match in ours]),
        }
        report(f"tm_chain_test, normalised by the {name} chain", Predicted(tm, by))


def homology(args: argparse.Namespace) -> None:
    """Sensitivity up to the first false positive among SCOP domains of held-out folds."""
    split = read_split(HELD_OUT)
    names, classes, sequences = read_scop(shared() / "homology" / "scop40.fa.xz")
    kept = [
        number
        for number, sccs in enumerate(classes)
        if split.fold_side(sccs) == "test" and names[number] not in split.dropped
    ]
    classes, sequences = [classes[i] for i in kept], [sequences[i] for i in kept]
    folds = len({".".join(sccs.split(".")[:2]) for sccs in classes})
    print(f"{machine()}; {len(kept)} of {len(names)} domains remain, of {folds} folds that training did not see")
    started = time.perf_counter()
    model = open_model(args)
    seen = residues_of(model, sequences)
    vectors = np.concatenate([model.pool(each, [(0, len(each))]) for each in seen])
    searched: dict[str, npt.NDArray[np.float32]] = {"siamese, vectors of proteins": vectors @ vectors.T}
    seconds = {"siamese, vectors of proteins": time.perf_counter() - started}
    candidates = by_residues(model, seen, args)
    searched["siamese, vectors of residues"] = candidates
    seconds["siamese, vectors of residues"] = time.perf_counter() - started
    searched[f"siamese, the best {args.nearest} aligned"] = aligned_scores(model, seen, candidates)
    seconds[f"siamese, the best {args.nearest} aligned"] = time.perf_counter() - started
    for name, scores in (("phmmer", phmmer_scores), ("DIAMOND --ultra-sensitive", diamond_scores)):
        started = time.perf_counter()
        searched[name] = scores(sequences, threads=args.threads)
        seconds[name] = time.perf_counter() - started
    print("\n| method | superfamily | fold | seconds |\n|---|---|---|---|")
    for name, scores in searched.items():
        superfamily, fold = sensitivity(scores, classes)
        print(f"| {name} | {superfamily:.4f} | {fold:.4f} | {seconds[name]:.0f} |")


def by_residues(
    model: StructureModel, seen: Sequence[npt.NDArray[np.float32]], args: argparse.Namespace
) -> npt.NDArray[np.float32]:
    """Return what the residues' neighbours say of each pair, by index and aggregator; minus infinity where nothing."""
    runtime = Runtime(threads=args.threads)
    names = tuple(map(str, range(len(seen))))
    offsets = np.cumsum([0, *map(len, seen)], dtype=np.int64)
    values = np.concatenate([model.matching(each)[0] for each in seen])
    vectors = Embeddings(names, values, offsets, "siamese-residues", model.digest)
    index = ListsIndex(ListsConfig(keep=1.0, k=64, stride=1, nprobe=16), runtime)
    index.build(vectors)
    aggregator = Diagonal(DiagonalConfig(max_candidates=args.nearest), runtime)
    found = aggregator.aggregate(index.search(vectors), TargetTable(names, offsets))
    scores = np.full((len(seen), len(seen)), -np.inf, dtype=np.float32)
    scores[np.repeat(np.arange(len(seen)), np.diff(found.offsets)), found.targets] = found.scores
    return scores


def aligned_scores(
    model: StructureModel, seen: Sequence[npt.NDArray[np.float32]], candidates: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Return the score of the alignment of each candidate, by the root of the shorter length; minus infinity for the others."""
    scores = np.full_like(candidates, -np.inf)
    either = np.isfinite(candidates)
    pairs = [(int(i), int(j)) for i, j in np.argwhere(either | either.T) if i < j]
    for start in range(0, len(pairs), 2000):
        part = pairs[start : start + 2000]
        aligned = align_residues(model, [(seen[i], seen[j]) for i, j in part])
        for (i, j), found in zip(part, aligned, strict=True):
            scores[i, j] = scores[j, i] = found.score / min(len(seen[i]), len(seen[j])) ** 0.5
    return scores


def neighbours(args: argparse.Namespace) -> None:
    """Annotate domains of held-out topologies without themselves and their close relatives: is the best right, is it told."""
    domains, split = read_domains(shared() / "structures" / "domains.npz"), read_split(HELD_OUT)
    args.work.mkdir(parents=True, exist_ok=True)
    table = args.work / "held_out.tsv"
    write_table(domains, split.members(domains, "test"), table)
    database = find(args.database)
    calibration = open_calibration(database.annotator_folder)
    if calibration is None:
        sys.exit(f"{args.database} has no calibration")
    cases = Finder(database, threads=args.threads).cases(list(read_table_of_domains(table)), max_identity=0.5)
    print(f"{machine()}; {len(cases)} domains")
    print(
        "\n| level | best is right | told at 0.5 | of these right | expected calibration error |\n|---|---|---|---|---|"
    )
    known = [case for case in cases if len(case.features)]
    best = [int(calibration.curves["topology"].probability(case.features).argmax()) for case in known]
    for level in LEVELS:
        curve = calibration.curves[level]
        sure = np.array(
            [curve.probability(case.features[row : row + 1])[0] for case, row in zip(known, best, strict=True)]
        )
        right = np.array([case.right[level][row] for case, row in zip(known, best, strict=True)], dtype=float)
        tenth = np.minimum((sure * 10).astype(int), 9)
        error = sum(abs(float((sure - right)[tenth == each].sum())) for each in range(10)) / len(sure)
        told = sure >= 0.5
        print(
            f"| {level} | {right.sum() / len(cases):.3f} | {told.sum() / len(cases):.3f} | {right[told].mean():.3f} | {error:.3f} |"
        )


def pair_speed(args: argparse.Namespace) -> None:
    """Time one pair against TM-align, embeddings made."""
    from photophore_siamese.truth.aligning import align_structures

    domains = read_domains(shared() / "structures" / "domains.npz")
    random = np.random.default_rng(0)
    drawn = [tuple(map(int, random.choice(len(domains), 2, replace=False))) for _ in range(args.each)]
    model = open_model(args)
    numbers = sorted({number for pair in drawn for number in pair})
    seen = dict(zip(numbers, residues_of(model, [domains.sequences[i] for i in numbers]), strict=True))
    timed = {}
    start = time.perf_counter()
    for one, other in drawn:
        align_structures(domains, one, other)
    timed["tmtools' TM-align and lDDT"] = time.perf_counter() - start
    sides = [(seen[one], seen[other]) for one, other in drawn]
    start = time.perf_counter()
    aligned = align_residues(model, sides)
    model.judge([(*side, found) for side, found in zip(sides, aligned, strict=True)])
    timed["siamese: alignment, TM-scores, lDDT"] = time.perf_counter() - start
    vectors = [(model.pool(one, [(0, len(one))])[0], model.pool(other, [(0, len(other))])[0]) for one, other in sides]
    start = time.perf_counter()
    for one, other in vectors:
        float(one @ other)
    timed["siamese: cosine of the vectors"] = time.perf_counter() - start
    print(f"{machine()}\n\n| | ms a pair | times faster |\n|---|---|---|")
    slowest = timed["tmtools' TM-align and lDDT"]
    for name, seconds in timed.items():
        print(f"| {name} | {1000 * seconds / len(drawn):.4f} | {slowest / seconds:.0f} |")


def search_speed(args: argparse.Namespace) -> None:
    """Time `photophore annotate` of real proteins against the bundled look-up of CATH."""
    batch = read_proteins(["paeruginosa", "ecoli", "bsubtilis"])
    args.work.mkdir(parents=True, exist_ok=True)
    fasta, out = args.work / "queries.faa", args.work / "out"
    first = min(len(batch.ids), args.proteins)
    chosen = type(batch)(*(getattr(batch, name)[:first] for name in ("ids", "sequences", "descriptions", "sources")))
    write_fasta(chosen, fasta)
    command = [sys.executable, "-m", "photophore", "annotate", str(fasta), "-o", str(out), "-q", "--force"]
    start = time.perf_counter()
    subprocess.run([*command, "-d", args.database, "--threads", str(args.threads)], check=True)
    print(
        f"{machine()}; {first} proteins, {sum(map(len, chosen.sequences))} residues: {time.perf_counter() - start:.1f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = {
        "pairs": pairs,
        "chains": chains,
        "homology": homology,
        "neighbours": neighbours,
        "pair-speed": pair_speed,
        "search-speed": search_speed,
    }
    parser.add_argument("command", choices=commands)
    parser.add_argument("--weights", default="siamese-small")
    parser.add_argument("--precision", default="int8", choices=("int8", "fp32"))
    parser.add_argument("--truth", type=Path, default=Path("work/siamese-small/truth/test"))
    parser.add_argument(
        "--each",
        type=int,
        default=60,
        help="pairs of each tenth of the TM-score (of the test side all but the lowest have 60), or pairs timed",
    )
    parser.add_argument("--nearest", type=int, default=100, help="homology: proteins that are aligned to each")
    parser.add_argument("--proteins", type=int, default=10_000)
    parser.add_argument("--database", default="structures")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", type=Path, default=Path("work/structure"))
    args = parser.parse_args()
    commands[args.command](args)


if __name__ == "__main__":
    main()
