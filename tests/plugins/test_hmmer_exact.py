"""The annotator `hmmer` against HMMER's own hmmscan, to the last printed digit and to the last bit."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pyhmmer.easel import DigitalSequenceBlock, TextSequence
from pyhmmer.plan7 import HMM, Pipeline
from tests.plugins.hmmer_cases import (
    DATA,
    METAGENOME,
    PADLOC,
    PROTEIN_HMMS,
    HmmerDatabase,
    all_pairs,
    chosen_pairs,
    hmmscan,
    join,
    make_batch,
    padloc_subset,
    printed,
    read_fasta,
    read_hmms,
    scan_lines,
)

from photophore.errors import DatabaseError, DataError, RecordError, UsageError
from photophore.hookspecs import Runtime
from photophore.types import Annotation, SequenceBatch, TargetTable
from photophore_hmmer.alphabet import AMINO
from photophore_hmmer.config import HmmerConfig
from photophore_hmmer.plugin import COLUMNS, create
from photophore_hmmer.search import pipeline_arguments
from photophore_hmmer.store import Preparer


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> HmmerDatabase:
    return HmmerDatabase(PROTEIN_HMMS, tmp_path_factory.mktemp("hmmer"))


@pytest.fixture(scope="module")
def hmms() -> list[HMM]:
    return read_hmms(PROTEIN_HMMS)


@pytest.fixture(scope="module")
def proteins() -> SequenceBatch:
    """Metagenome proteins, most without a hit, and polyketide synthases and LuxC, with many domains each."""
    return join(
        read_fasta(DATA / "seqs" / "PKSI.faa"), read_fasta(DATA / "seqs" / "LuxC.faa"), read_fasta(METAGENOME, 250)
    )


def sorted_lines(annotations: tuple[Annotation, ...]) -> list[str]:
    return sorted(map(repr, annotations))


@pytest.mark.parametrize(
    ("options", "hmmer"),
    [
        ({}, {"E": 1e-3}),
        ({"evalue": 10.0}, {}),
        ({"evalue": 1e-20}, {"E": 1e-20}),
        ({"evalue": 10.0, "dom_evalue": 1e-6}, {"domE": 1e-6}),
        ({"evalue": 10.0, "z": 45000.0}, {"Z": 45000}),
        ({"score": 20.0}, {"T": 20.0}),
        ({"evalue": 10.0, "dom_score": 15.0}, {"domT": 15.0}),
        ({"score": 5.0, "dom_score": -5.0}, {"T": 5.0, "domT": -5.0}),
    ],
    ids=str,
)
def test_prints_what_hmmscan_prints(
    database: HmmerDatabase,
    hmms: list[HMM],
    proteins: SequenceBatch,
    options: dict[str, float],
    hmmer: dict[str, float],
) -> None:
    expected = scan_lines(hmmscan(proteins, hmms, **hmmer))
    assert len(expected) > 10
    assert printed(database.annotate(proteins, **options)) == expected


def test_numbers_are_hmmers_to_the_last_bit(database: HmmerDatabase, hmms: list[HMM], proteins: SequenceBatch) -> None:
    expected = [
        (
            str(hits.query.name),
            str(hit.name),
            hit.evalue,
            hit.score,
            hit.bias,
            domain.c_evalue,
            domain.i_evalue,
            domain.score,
            domain.bias,
        )
        for hits in hmmscan(proteins, hmms)
        for hit in hits
        for domain in hit.domains
        if hit.reported and domain.reported
    ]
    columns = ("bias", "c_evalue", "i_evalue", "domain_score", "domain_bias")
    found = [
        (row.protein, row.target, row.evalue, row.score, *(row.evidence[column] for column in columns))
        for row in database.annotate(proteins, evalue=10.0)
    ]
    assert found == expected


@pytest.mark.parametrize(("cut", "hmmer"), [("ga", "gathering"), ("tc", "trusted"), ("nc", "noise")])
def test_cut_offs_of_the_profiles(
    tmp_path: Path, hmms: list[HMM], proteins: SequenceBatch, cut: str, hmmer: str
) -> None:
    """Domains under their cut-off go, families count for the c-Evalues of the others."""
    with_cutoffs = [hmm.copy() for hmm in hmms]
    for number, hmm in enumerate(with_cutoffs):
        for name, bits in (("gathering", (12.0, 10.0)), ("trusted", (20.0, 18.0)), ("noise", (5.0, 8.0 + number))):
            setattr(hmm.cutoffs, name, bits)
    path = tmp_path / "cut.hmm"
    with path.open("wb") as stream:
        for hmm in with_cutoffs:
            hmm.write(stream)
    expected = scan_lines(hmmscan(proteins, with_cutoffs, bit_cutoffs=hmmer))
    assert expected
    assert printed(HmmerDatabase([path], tmp_path).annotate(proteins, cut=cut)) == expected


@pytest.mark.skipif(not PADLOC.exists(), reason="../shared is not there")
def test_prints_what_hmmscan_prints_on_padloc(tmp_path: Path) -> None:
    path = padloc_subset(tmp_path, 60)
    batch = read_fasta(METAGENOME, 300)
    expected = scan_lines(hmmscan(batch, read_hmms([path])))
    assert len(expected) > 20
    assert printed(HmmerDatabase([path], tmp_path).annotate(batch, evalue=10.0)) == expected


def test_odd_proteins(database: HmmerDatabase, hmms: list[HMM]) -> None:
    """Ambiguous residues, one residue, one residue kind, and a titin-sized protein with real domains far inside."""
    luxc, pks = read_fasta(DATA / "seqs" / "LuxC.faa", 1), read_fasta(DATA / "seqs" / "PKSI.faa", 1)
    noise = random.Random(4)
    odd = list(luxc.sequences[0])
    for letter in "XBZUOJ" * 6:
        odd[noise.randrange(len(odd))] = letter
    filler = "".join(noise.choices("ACDEFGHIKLMNPQRSTVWY", k=16_000))
    batch = make_batch(
        [
            ("odd", "".join(odd)),
            ("one", "M"),
            ("unknown", "X"),
            ("all-x", "X" * 300),
            ("poly-a", "A" * 500),
            ("pairs", "KR" * 400),
            ("long", (filler + pks.sequences[0] + luxc.sequences[0] + filler)[:35_000]),
        ]
    )
    expected = scan_lines(hmmscan(batch, hmms))
    assert {line[3] for line in expected} >= {"odd", "long"}
    assert printed(database.annotate(batch, evalue=10.0)) == expected


def test_the_form_of_the_profile_does_not_matter(hmms: list[HMM], proteins: SequenceBatch) -> None:
    """A profile made ready once, for any length, finds what HMMER finds when it configures the profile for each protein."""
    block = DigitalSequenceBlock(
        AMINO,
        [
            TextSequence(name=str(row), sequence=sequence).digitize(AMINO)
            for row, sequence in enumerate(proteins.sequences)
        ],
    )
    preparer = Preparer()
    for hmm in hmms:
        ready, plain = (Pipeline(AMINO, Z=100.0).search_hmm(query, block) for query in (preparer.prepare(hmm), hmm))
        assert [(hit.name, hit.score, hit.bias, hit.evalue) for hit in ready] == [
            (hit.name, hit.score, hit.bias, hit.evalue) for hit in plain
        ]


def test_neither_threads_nor_order_nor_batch_mates_matter(database: HmmerDatabase, proteins: SequenceBatch) -> None:
    together = database.annotate(proteins)
    assert database.annotate(proteins, threads=2) == together
    assert database.annotate(proteins, threads=5) == together
    shuffled = list(range(len(proteins)))
    random.Random(1).shuffle(shuffled)
    assert sorted_lines(database.annotate(proteins.select(shuffled), threads=2)) == sorted_lines(together)
    alone = [database.annotate(proteins.select([row])) for row in range(40)]
    first = set(proteins.ids[:40])
    assert [row for rows in alone for row in rows] == [row for row in together if row.protein in first]


def test_one_annotator_gives_the_same_in_every_batch(database: HmmerDatabase, proteins: SequenceBatch) -> None:
    annotator = create(database.folder, database.targets, HmmerConfig(), Runtime(threads=2))
    candidates = all_pairs(proteins, len(database.targets))
    first = annotator.annotate(proteins, candidates)
    backwards = proteins.select(list(range(len(proteins)))[::-1])
    annotator.annotate(backwards, all_pairs(backwards, len(database.targets)))
    assert annotator.annotate(proteins, candidates) == first


def test_only_candidates_are_annotated_and_their_numbers_stay(database: HmmerDatabase, proteins: SequenceBatch) -> None:
    """All but the c-Evalue, which counts on the families reported among the candidates."""
    everything = database.annotate(proteins)
    draw = np.random.default_rng(7).random((len(proteins), len(database.targets))) < 0.5
    chosen = [np.flatnonzero(row).tolist() for row in draw]
    some = database.annotate(proteins, chosen_pairs(proteins, chosen), threads=2)
    names = database.targets.ids
    allowed = {(proteins.ids[row], names[target]) for row, targets in enumerate(chosen) for target in targets}

    def without_c_evalue(rows: tuple[Annotation, ...]) -> list[Annotation]:
        return [replace(row, evidence={**row.evidence, "c_evalue": None}) for row in rows]

    assert without_c_evalue(some) == [
        row for row in without_c_evalue(everything) if (row.protein, row.target) in allowed
    ]


def test_conditional_evalues_count_the_reported_families_of_the_protein(
    database: HmmerDatabase, proteins: SequenceBatch
) -> None:
    """One protein with two families has c-Evalues twice as large as with either alone."""
    rows = database.annotate(proteins, evalue=10.0)
    families = {
        protein: {row.target for row in rows if row.protein == protein} for protein in {row.protein for row in rows}
    }
    protein = next(name for name, targets in sorted(families.items()) if len(targets) == 2)
    row = proteins.ids.index(protein)
    one = proteins.select([row])
    for target in families[protein]:
        number = database.targets.ids.index(target)
        alone = database.annotate(one, chosen_pairs(one, [[number]]), evalue=10.0)
        both = [found for found in rows if found.protein == protein and found.target == target]
        assert [2 * float(found.evidence["c_evalue"] or 0) for found in alone] == [
            found.evidence["c_evalue"] for found in both
        ]


def test_proteins_of_one_name_stay_apart(database: HmmerDatabase) -> None:
    luxc = read_fasta(DATA / "seqs" / "LuxC.faa", 1)
    batch = make_batch([("same", luxc.sequences[0]), ("same", "MKV"), ("same", luxc.sequences[0] + "AAA")])
    lengths = [row.protein_length for row in database.annotate(batch)]
    assert set(lengths) == {len(luxc.sequences[0]), len(luxc.sequences[0]) + 3}
    assert lengths == sorted(lengths)


def test_rows_carry_the_declared_columns(database: HmmerDatabase, proteins: SequenceBatch) -> None:
    rows = database.annotate(proteins)
    declared = {column.name: column.type for column in COLUMNS}
    for row in rows:
        assert {name: type(value) for name, value in row.evidence.items()} == declared
        assert type(row.score) is float
        assert type(row.target) is str
    nad = next(row for row in rows if row.accession == "PF02826.20")
    assert nad.target == "2-Hacid_dh_C"
    assert nad.description == "D-isomer specific 2-hydroxyacid dehydrogenase, NAD binding domain"
    assert nad.method == "hmmer"


def test_nothing_in_nothing_out(database: HmmerDatabase, proteins: SequenceBatch) -> None:
    assert database.annotate(proteins, chosen_pairs(proteins, [[]] * len(proteins)), threads=2) == ()
    nothing = SequenceBatch((), (), (), ())
    assert database.annotate(nothing, chosen_pairs(nothing, [])) == ()


def test_a_protein_that_hmmer_refuses(database: HmmerDatabase) -> None:
    batch = make_batch([("short", "MKV"), ("titan", "M" * 100_001)])
    with pytest.raises(RecordError) as error:
        database.annotate(batch)
    assert str(error.value) == (
        "proteins.faa:3: 'titan' has 100001 residues and HMMER compares at most 100000; cut it into overlapping pieces"
    )
    assert database.annotate(make_batch([("giant", "MK" * 50_000)]), evalue=1e-30) == ()


def test_candidates_of_other_proteins_are_refused(database: HmmerDatabase) -> None:
    batch, others = make_batch([("a", "MKV")]), make_batch([("b", "MKV")])
    with pytest.raises(DataError, match="not those of the batch"):
        database.annotate(batch, all_pairs(others, len(database.targets)))


def test_targets_of_another_database_are_refused(database: HmmerDatabase) -> None:
    targets = TargetTable(("other",), np.array([0, 10], dtype=np.int64))
    with pytest.raises(DatabaseError, match="the index has 1 targets and the annotator 14 profiles"):
        create(database.folder, targets, HmmerConfig(), Runtime())


def test_create_refuses_cut_offs_that_are_not_there(database: HmmerDatabase) -> None:
    with pytest.raises(UsageError, match="cut=nc: 12 of 14 profiles have no NC line"):
        create(database.folder, database.targets, HmmerConfig(cut="nc"), Runtime())


def test_candidates_that_are_no_profiles_are_refused(database: HmmerDatabase) -> None:
    batch = make_batch([("a", "MKV"), ("b", "MKV")])
    with pytest.raises(DataError, match="candidate 14 of 'b' is not one of the 14 profiles"):
        database.annotate(batch, chosen_pairs(batch, [[0], [3, 14]]))


def test_an_overflow_in_hmmer_isolates_the_record(
    database: HmmerDatabase, monkeypatch: pytest.MonkeyPatch, proteins: SequenceBatch
) -> None:
    """HMMER's vectors overflow on no protein known to us, so that the error of pyhmmer has to be made up."""

    def overflow(*_: object) -> None:
        raise OverflowError("numerical overflow in the optimized vector implementation")

    monkeypatch.setattr("photophore_hmmer.search.Searcher.search", overflow)
    with pytest.raises(
        RecordError, match="HMMER could not compare one of the proteins with a profile: numerical overflow"
    ):
        database.annotate(proteins, threads=2)


def test_z_is_the_number_of_profiles_unless_given() -> None:
    assert pipeline_arguments(HmmerConfig(), 1257)["Z"] == 1257.0
    assert pipeline_arguments(HmmerConfig(z=10.0), 1257)["Z"] == 10.0
