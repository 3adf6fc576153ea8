"""``photophore train siamese --config FILE``: compare structures, keep folds out, train, export."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from photophore_near.residues import PAD_TOKEN, tokens
from photophore_siamese.training.batches import Drawing, Known, PairSampler
from photophore_siamese.training.config import TrainingConfig, read_config
from photophore_siamese.training.curve import Curve
from photophore_siamese.training.loop import train
from photophore_siamese.training.material import AlignedPair, read_aligned, read_chains, read_homologs
from photophore_siamese.truth.cache import TruthTable, compute, read_table
from photophore_siamese.truth.domains import Domains, read_domains
from photophore_siamese.truth.geometry import find_alphabets
from photophore_siamese.truth.holdout import SIDES, Split, read_split
from photophore_siamese.truth.sampling import sample_pairs

_log = logging.getLogger(__name__)

#: Domains on which the int8 export measures its ranges, and how much of each.
_CALIBRATION_ROWS, _ROW_LENGTH = 200, 256
#: Held-out pairs of the learning curve.
_CURVE_PAIRS = 800
#: Every so many domains show which letters there are.
_LETTERS_EVERY = 8


def train_from_file(config_file: Path, overrides: Mapping[str, str]) -> None:
    """Run the whole training that ``config_file`` describes; ``overrides`` are ``loop.steps=100`` and the like.

    Writes the truth, the checkpoint, the log, the weights and their exports into ``out``.
    """
    config = read_config(config_file, overrides)
    here = config_file.parent
    out = here / config.out
    out.mkdir(parents=True, exist_ok=True)
    domains = read_domains(here / config.domains)
    split = read_split(here / config.held_out)
    compute_truth(config, domains, split, out / "truth")
    sampler = _sampler(config, here, domains, split, read_table(domains, out / "truth" / "train"))
    valid = read_table(domains, out / "truth" / "valid")
    letters = (config.truth.shapes, config.truth.contacts, config.truth.burials)
    start_from = here / config.start_from if config.start_from else None
    weights = train(
        sampler, _curve(domains, valid), out, config.shape, config.loop, letters=letters, start_from=start_from
    )
    finish(config, here, weights, domains, split, valid)
    _log.info("weights and exports are in %s", out)


def finish(
    config: TrainingConfig, here: Path, weights: Path, domains: Domains, split: Split, valid: TruthTable
) -> None:
    """Write the exports beside ``weights``, and fit the heads to the rows that they give."""
    from photophore_siamese.export import export
    from photophore_siamese.model import load_network, save_network
    from photophore_siamese.training.fitting import Fitter, fit_heads

    network = load_network(weights)
    export(network, weights, _calibration_rows(domains, split))
    members = split.members(domains, "train")[::_LETTERS_EVERY]
    common = [domains.sequences[number] for number in members]
    fitter = Fitter(network, weights, common, threads=config.loop.threads)
    chains = read_chains(here / config.chains) if config.chains else []
    elsewhere = _read_elsewhere(config, here, split, "valid")
    save_network(network, weights, {}, fit_heads(fitter, domains, valid, elsewhere, chains))


def compute_truth(config: TrainingConfig, domains: Domains, split: Split, folder: Path) -> None:
    """Compare the pairs of every side that are not yet in ``folder``; what was held out first, for it is little."""
    for number, side in reversed(list(enumerate(SIDES))):
        if count := getattr(config.truth, side):
            pairs = sample_pairs(domains, split.members(domains, side), count, seed=config.truth.seed + number)
            compute(domains, pairs, folder / side)


def _sampler(config: TrainingConfig, here: Path, domains: Domains, split: Split, truth: TruthTable) -> PairSampler:
    """Read the homologs and the pairs from elsewhere, and put the traces into letters."""
    members = split.members(domains, "train")
    lengths = {domains.ids[number]: len(domains.sequences[number]) for number in members}
    homologs = read_homologs(here / config.homologs, lengths, most=config.homologs_each) if config.homologs else {}
    elsewhere = _read_elsewhere(config, here, split, "train")
    t = config.truth
    alphabets = find_alphabets(
        [domains.trace(number) for number in members[::_LETTERS_EVERY]],
        shapes=t.shapes,
        contacts=t.contacts,
        burials=t.burials,
        seed=t.seed,
    )
    wanted = set(members)
    empty = np.zeros((0, 3), dtype=np.uint8)
    letters = [alphabets.letters(domains.trace(i)) if i in wanted else empty for i in range(len(domains))]
    _log.info(
        "%d domains, %d pairs, %d homologs of %d domains, %d pairs from elsewhere",
        len(members), len(truth), sum(map(len, homologs.values())), len(homologs), len(elsewhere),
    )  # fmt: skip
    drawing = Drawing(
        config.loop.pairs,
        config.loop.homolog_share,
        config.loop.elsewhere_share,
        config.loop.max_residues,
        config.loop.flank_share,
    )
    return PairSampler(Known(domains, truth, letters, homologs, elsewhere), drawing, config.loop.seed)


def _read_elsewhere(config: TrainingConfig, here: Path, split: Split, side: str) -> list[AlignedPair]:
    if not config.pairs_elsewhere:
        return []
    return read_aligned(here / config.pairs_elsewhere, here / config.proteins_elsewhere, split, side)


def _curve(domains: Domains, valid: TruthTable) -> Curve:
    return Curve(domains, valid, np.linspace(0, len(valid) - 1, min(_CURVE_PAIRS, len(valid))).astype(np.int64))


def _calibration_rows(domains: Domains, split: Split) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    members = split.members(domains, "train")
    members = members[:: max(1, len(members) // _CALIBRATION_ROWS)][:_CALIBRATION_ROWS]
    rows = np.full((len(members), _ROW_LENGTH), PAD_TOKEN, dtype=np.uint8)
    for row, number in zip(rows, members, strict=True):
        part = tokens(domains.sequences[number])[:_ROW_LENGTH]
        row[: len(part)] = part
    return rows
