"""The two commands, stage by stage: every family of a table, and the families that come with the package."""

from __future__ import annotations

import hashlib
import json
import logging
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path

from pyhmmer.plan7 import HMM, HMMFile

from photophore_hmmer.alphabet import AMINO
from photophore_hmmer.families.building import build_family, build_profile, in_order, write_profiles
from photophore_hmmer.families.checking import check_on_tests, share_of_genomes
from photophore_hmmer.families.cutoffs import Cutoff, Scored, choose_cutoff, is_negative
from photophore_hmmer.families.genes import PRODUCTS
from photophore_hmmer.families.grouping import Family, Split, choose_members, group_enzymes, split_members
from photophore_hmmer.families.kin import find_families
from photophore_hmmer.families.kmers import WordIndex, candidates
from photophore_hmmer.families.relatives import find_relatives, rebuild, unlike
from photophore_hmmer.families.samples import read_genomes, read_sample
from photophore_hmmer.families.search import Hits, Proteins, Search, joined
from photophore_hmmer.families.selection import best_families, prevalence, select
from photophore_hmmer.families.settings import Settings
from photophore_hmmer.families.shipping import finish
from photophore_hmmer.families.tables import Member, read_members

log = logging.getLogger(__name__)

#: E-value up to which held-out members and negatives are looked for: about 25 bits on 10,000 comparisons.
_SCORED = 1e-2


@dataclass(frozen=True, slots=True)
class Workshop:
    """What a command works with: settings, the folder of the data, the folder of intermediate results, and threads."""

    settings: Settings
    data: Path
    work: Path
    threads: int

    def file(self, name: str) -> Path:
        """Return a file of the data."""
        return self.data / name

    def search(self, evalue: float) -> Search:
        """Return how to search; intermediate results are kept."""
        return Search(self.work / "searches", evalue, self.settings.comparisons, self.threads)

    def kept(self, stage: str, facts: object, build: Callable[[], Iterable[HMM]]) -> list[HMM]:
        """Return the profiles that ``build`` makes, or those made before out of the same ``facts``."""
        digest = hashlib.sha256(repr((self.settings.seed, self.settings.choice, facts)).encode()).hexdigest()[:16]
        path = self.work / f"{stage}-{digest}.h3m"
        self.work.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            log.info("building: %s", stage)
            write_profiles(build(), path)
        with HMMFile(path, alphabet=AMINO) as stream:
            return list(stream)


def make_all(shop: Workshop, output: Path, least: int, most: int | None = None) -> int:
    """Write the profile of every enzyme family of ``least`` to ``most`` members to ``output``; return how many."""
    settings = shop.settings
    families = [
        family
        for family in group_enzymes(read_members(shop.file(settings.sources.enzymes)))
        if least <= len(family.members) <= (most or len(family.members))
    ]
    log.info("%d families", len(families))
    built = in_order(
        lambda family: build_family(family, settings.choice, settings.seed), families, shop.threads, "families built"
    )
    return write_profiles((hmm for hmm in built if hmm is not None), output)


@dataclass(frozen=True, slots=True)
class Known:
    """A family that may be chosen, with its first profile."""

    family: Family
    profile: HMM


@dataclass(frozen=True, slots=True)
class Chosen:
    """A chosen family, and what describes it: its product where a well-known gene tells it."""

    family: Family
    profile: HMM
    product: str
    genomes: int


def make_default(shop: Workshop, output: Path) -> dict[str, object]:
    """Write the families that come with the package to ``output`` (.h3m and .hmm beside each other); return their facts."""
    known = _known(shop)
    genomes = read_genomes([shop.file(name) for name in shop.settings.sources.genomes], shop.settings.longest)
    index = WordIndex([[member.sequence for member in each.family.members] for each in known])
    chosen = _choose(shop, known, index, genomes)
    relatives = _relatives(shop, known, index, chosen)
    splits = [split_members(each.family, shop.settings.cutoffs.held_share, shop.settings.seed) for each in chosen]
    fitted = _fitted(shop, chosen, splits, relatives)
    cutoffs = _cutoffs(shop, chosen, splits, fitted)
    shipped = _shipped(shop, chosen, relatives, cutoffs)
    write_profiles(shipped, output.with_suffix(".hmm"))
    write_profiles(shipped, output.with_suffix(".h3m"))
    facts = _facts(chosen, splits, relatives, cutoffs)
    facts |= {"tests": check_on_tests(shop, [each.family for each in chosen], shipped)}
    facts |= {"genomes": share_of_genomes(shop, genomes, shipped)}
    output.with_suffix(".json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    return facts


def _known(shop: Workshop) -> list[Known]:
    """Return every family that may be chosen."""
    settings = shop.settings
    path = shop.work / "enzymes.h3m"
    if not path.exists():
        shop.work.mkdir(parents=True, exist_ok=True)
        make_all(shop, path, settings.least_members)
    with HMMFile(path, alphabet=AMINO) as stream:
        profiles = {str(hmm.name): hmm for hmm in stream}
    enzymes = group_enzymes(read_members(shop.file(settings.sources.enzymes)))
    members = list(read_members(shop.file(settings.sources.non_enzymes)))
    others = find_families(members, settings.kin, settings.choice, shop.search(1e-10), settings.seed)
    log.info("%d families of non-enzymes", len(others))
    built = shop.kept(
        "others",
        [(family.name, [member.id for member in family.members]) for family in others],
        lambda: filter(
            None,
            in_order(
                lambda family: build_family(family, settings.choice, settings.seed), others, shop.threads, "others"
            ),
        ),
    )
    profiles |= {str(hmm.name): hmm for hmm in built}
    return [
        Known(family, profiles[family.name])
        for family in (*enzymes, *others)
        if len(family.members) >= settings.least_selectable and family.name in profiles
    ]


def _choose(shop: Workshop, known: Sequence[Known], index: WordIndex, genomes: Proteins) -> list[Chosen]:
    """Return the families that most genomes hold, by name."""
    settings, rule = shop.settings, shop.settings.prevalence
    collection = shop.file(settings.sources.collection)
    proteins = joined(genomes, read_sample(collection, rule.sample, settings.longest, settings.seed))
    near = candidates(index, proteins.sequences, len(known), least=rule.least_words, best=rule.families_tried)
    wanted = [sorted(number for _, number in rows) for rows in near]
    hits = shop.search(rule.evalue).run([each.profile for each in known], proteins, wanted)
    best = best_families(hits, evalue=rule.evalue, coverage=rule.coverage)
    found = prevalence(best, proteins.names, len(known))
    rows = select(found, [each.family.ecs for each in known], [each.profile.M for each in known], settings.budget)
    products: dict[int, str] = {}
    for protein, family in best.items():
        genome, _, locus = proteins.names[protein].rpartition("|")
        if product := PRODUCTS.get(locus):
            products[family] = product
        elif genome and not known[family].family.ecs:
            products.setdefault(family, f"conserved protein, like {locus} of {genome}")
    log.info("chose %d of %d families", len(rows), len(known))
    chosen = [Chosen(known[i].family, known[i].profile, products.get(i, ""), found[i].genomes) for i in rows]
    return sorted(chosen, key=lambda each: (not each.family.ecs, _ec_order(each.family.ecs), each.family.name))


def _ec_order(ecs: tuple[str, ...]) -> list[tuple[int, str]]:
    """Return a key that sorts 2.7.7.6 before 2.7.7.49."""
    return [(int(figure), "") if figure.isdecimal() else (0, figure) for ec in ecs for figure in ec.split(".")]


def _relatives(
    shop: Workshop, known: Sequence[Known], index: WordIndex, chosen: Sequence[Chosen]
) -> list[list[tuple[str, str]]]:
    """Return name and residues of the relatives of each chosen family."""
    settings, rule = shop.settings, shop.settings.relatives
    collection = read_sample(shop.file(settings.sources.collection), rule.sample, settings.longest, settings.seed + 1)
    near = candidates(index, collection.sequences, len(known), least=rule.least_words, best=1)
    by_name = {each.family.name: rows for each, rows in zip(known, near, strict=True)}
    tried = [[number for _, number in sorted(by_name[each.family.name], reverse=True)] for each in chosen]
    rows = find_relatives(
        [each.family for each in chosen],
        [each.profile for each in chosen],
        tried,
        collection,
        rule,
        shop.search(rule.evalue),
    )
    log.info("%d relatives of %d families", sum(map(len, rows)), len(chosen))
    return [[(collection.names[i], collection.sequences[i]) for i in each] for each in rows]


def _fitted(
    shop: Workshop, chosen: Sequence[Chosen], splits: Sequence[Split], relatives: Sequence[list[tuple[str, str]]]
) -> list[HMM]:
    """Return profiles that have seen neither the members held out nor relatives close to them."""
    settings = shop.settings

    def build(number: int) -> HMM:
        kept = choose_members(splits[number].kept, settings.choice) or list(splits[number].kept)
        far = unlike([s for _, s in relatives[number]], splits[number].held, settings.relatives.unlike_held)
        added = [
            Member(name, (), name, name, sequence)
            for (name, sequence), is_far in zip(relatives[number], far, strict=True)
            if is_far
        ]
        return build_profile(chosen[number].family.name, [*kept, *added], settings.seed)

    facts = [
        (each.family.name, [m.id for m in split.kept], [name for name, _ in more])
        for each, split, more in zip(chosen, splits, relatives, strict=True)
    ]
    return shop.kept("fitted", facts, lambda: in_order(build, range(len(chosen)), shop.threads, "fitted"))


def _cutoffs(shop: Workshop, chosen: Sequence[Chosen], splits: Sequence[Split], fitted: Sequence[HMM]) -> list[Cutoff]:
    """Return the cut-offs of each family, chosen on held-out members and proteins of other kinds."""
    rule = shop.settings.cutoffs
    held = [split.held[: rule.held_most] for split in splits]
    flat = [member for members in held for member in members]
    ends = list(accumulate(map(len, held), initial=0))
    rows = [range(first, end) for first, end in pairwise(ends)]
    positive = shop.search(_SCORED).run(fitted, Proteins.of(flat), rows)
    negatives, placed = _negatives(shop, chosen)
    negative = shop.search(_SCORED).run(fitted, Proteins.of(negatives))
    cutoffs: list[Cutoff] = []
    for number, each in enumerate(chosen):
        found = positive.where(positive.profiles == number)
        scores = dict.fromkeys(rows[number], Scored(0.0, 0.0))
        for row, score, domain in zip(*_listed(found, "proteins", "scores", "domain_scores"), strict=True):
            scores[int(row)] = Scored(score, domain)
        others = negative.where(negative.profiles == number)
        wrong = [
            score
            for row, score in zip(*_listed(others, "proteins", "scores"), strict=True)
            if is_negative(each.family, other := negatives[int(row)], placed=placed.get(other.id, each) is not each)
        ]
        cutoffs.append(choose_cutoff(list(scores.values()), wrong, rule))
    return cutoffs


def _listed(hits: Hits, *names: str) -> list[list[float]]:
    """Return columns of ``hits`` as lists."""
    return [getattr(hits, name).tolist() for name in names]


def _negatives(shop: Workshop, chosen: Sequence[Chosen]) -> tuple[list[Member], dict[str, Chosen]]:
    """Return proteins drawn as negatives, and the family that each non-enzyme is placed in."""
    chance = random.Random(shop.settings.seed)
    rule, sources, longest = shop.settings.cutoffs, shop.settings.sources, shop.settings.longest
    clusters = {member.cluster50: member for member in read_members(shop.file(sources.enzymes))}
    enzymes = [clusters[name] for name in sorted(clusters) if len(clusters[name].sequence) <= longest]
    others = [member for member in read_members(shop.file(sources.non_enzymes)) if len(member.sequence) <= longest]
    drawn = [
        *chance.sample(enzymes, min(rule.enzymes, len(enzymes))),
        *chance.sample(others, min(rule.non_enzymes, len(others))),
    ]
    placed = {member.id: each for each in chosen if not each.family.ecs for member in each.family.members}
    return drawn, placed


def _shipped(
    shop: Workshop,
    chosen: Sequence[Chosen],
    relatives: Sequence[list[tuple[str, str]]],
    cutoffs: Sequence[Cutoff],
) -> list[HMM]:
    """Return the profiles of all members and relatives, rounded and with cut-offs."""
    settings = shop.settings

    def build(number: int) -> HMM:
        each = chosen[number]
        members = [(m.id, m.sequence) for m in choose_members(each.family.members, settings.choice)]
        return rebuild(each.profile, [*members, *relatives[number]], settings.seed)

    facts = [(each.family.name, [name for name, _ in more]) for each, more in zip(chosen, relatives, strict=True)]
    built = shop.kept("final", facts, lambda: in_order(build, range(len(chosen)), shop.threads, "final"))
    return [
        finish(
            hmm,
            number=number,
            description=each.family.description(len(more), each.product),
            cutoff=cutoff,
            bits=settings.bits,
        )
        for number, (hmm, each, more, cutoff) in enumerate(zip(built, chosen, relatives, cutoffs, strict=True), start=1)
    ]


def _facts(
    chosen: Sequence[Chosen],
    splits: Sequence[Split],
    relatives: Sequence[list[tuple[str, str]]],
    cutoffs: Sequence[Cutoff],
) -> dict[str, object]:
    """Return the figures of the documentation."""
    held, found = sum(c.held for c in cutoffs), sum(c.found for c in cutoffs)
    false = sum(c.false for c in cutoffs)
    return {
        "families": len(chosen),
        "enzyme_families": sum(bool(each.family.ecs) for each in chosen),
        "ec_numbers": len({ec for each in chosen for ec in each.family.ecs}),
        "members": sum(len(each.family.members) for each in chosen),
        "relatives": sum(map(len, relatives)),
        "held_out": held,
        "held_out_by_cluster": sum(split.by_cluster for split in splits),
        "recall": round(found / max(held, 1), 4),
        "precision": round(found / max(found + false, 1), 4),
        "families_in_all_genomes": sum(each.genomes >= 6 for each in chosen),
        "families_that_miss_all_held_out": sum(c.found == 0 for c in cutoffs),
    }
