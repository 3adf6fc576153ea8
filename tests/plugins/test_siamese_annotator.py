"""The annotator `siamese`: domains at their places, what is told and what is not, on a model that one can follow by eye."""

from __future__ import annotations

import numpy as np
import pytest
from tests.plugins.letter_model import LetterModel

from photophore.errors import DatabaseError, DataError, PluginError
from photophore.hookspecs import Runtime, UsesEncoder
from photophore.testing.samples import offsets_of, random_proteins
from photophore.types import Candidates, Neighbours, SequenceBatch, TargetTable
from photophore_faiss.config import FlatConfig
from photophore_faiss.indexes import FlatIndex
from photophore_siamese.annotator import SiameseAnnotator
from photophore_siamese.calibration import FEATURES, Calibration, Curve
from photophore_siamese.catalogue import Catalogue
from photophore_siamese.comparing import compare, residues_of
from photophore_siamese.config import SiameseAnnotatorConfig, TopConfig
from photophore_siamese.encoder import SiameseEncoder
from photophore_siamese.placing import choose
from photophore_siamese.top import Top
from photophore_siamese.writing import cigar

DOMAINS = dict(zip(("ferredoxin", "globin", "barrel", "globin2"), random_proteins(80, 140, 240, 139).sequences, strict=True))
CODES = ("3.30.70.100", "1.10.490.10", "3.20.20", "1.10.490.10")
CATALOGUE = Catalogue(tuple(DOMAINS), tuple(DOMAINS.values()), CODES, ("", "Globins", "", ""))
TARGETS = TargetTable(CATALOGUE.ids, np.arange(len(CATALOGUE) + 1))
LINKER = "GS" * 10


def batch_of(**proteins):
    """Return a batch of proteins by name."""
    names = tuple(proteins)
    return SequenceBatch(names, tuple(proteins.values()), ("",) * len(names), tuple(f"new.faa:{n}" for n in names))


def opened(calibration=None, window=128, **options):
    """Return an annotator with its encoder."""
    annotator = SiameseAnnotator(CATALOGUE, calibration, TARGETS, SiameseAnnotatorConfig(**options), Runtime())
    encoder = SiameseEncoder(LetterModel(), window)
    assert isinstance(annotator, UsesEncoder)
    annotator.use_encoder(encoder)
    return annotator, encoder


def annotate(batch, calibration=None, candidates=None, **options):
    """Take a batch through encoder, index flat, aggregator top and annotator, as a run does; or from ``candidates`` on."""
    annotator, encoder = opened(calibration, **options)
    if candidates is not None:
        encoder.encode(batch)
        return annotator.annotate(batch, candidates)
    index = FlatIndex(FlatConfig(k=4), Runtime())
    wholes = encoder.encode(batch_of(**DOMAINS))
    first = wholes.offsets[:-1]
    index.build(type(wholes)(wholes.ids, wholes.values[first], np.arange(len(wholes) + 1), "siamese", wholes.digest))
    neighbours = index.search(encoder.encode(batch))
    assert isinstance(neighbours, Neighbours)
    return annotator.annotate(batch, Top(TopConfig(min_score=-1.0), Runtime()).aggregate(neighbours, TARGETS))


def no_candidates(batch):
    return Candidates(batch.ids, np.zeros(2, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32))


def one_candidate(batch, name, offset):
    target = np.array([list(DOMAINS).index(name)], np.int32)
    evidence = {"offset": np.array([offset], np.int32)}
    return Candidates(batch.ids, np.array([0, 1]), target, np.ones(1, np.float32), evidence)


def told(rows):
    return [(row.protein, row.target, row.start, row.end) for row in rows]


def test_a_domain_is_found_as_itself():
    (row,) = annotate(batch_of(p=DOMAINS["globin"]))
    assert told([row]) == [("p", "globin", 0, 140)]
    assert (row.score, row.accession, row.description, row.confidence) == (1.0, "1.10.490", "Globins", None)
    assert row.evidence == {
        "assigned": "topology",
        "superfamily": "",
        "topology": "1.10.490",
        "tm_score_place": 1.0,
        "lddt": 1.0,
        "aligned": 140,
        "target_length": 140,
        "target_start": 0,
        "target_end": 140,
        "alignment": "140M",
        "lddt_along": "9" * 140,
        "reason": "no calibration for these weights: by the TM-score alone",
    }


def test_domains_inside_a_long_protein_are_found_at_their_places():
    strangers = random_proteins(200, 150, seed=9).sequences
    long = strangers[0] + DOMAINS["ferredoxin"] + LINKER + DOMAINS["barrel"] + strangers[1] + DOMAINS["globin"]
    rows = annotate(batch_of(p=long, q=DOMAINS["barrel"]))
    starts = {name: long.index(DOMAINS[name]) for name in ("ferredoxin", "barrel", "globin")}
    expected = {("p", name, start, start + len(DOMAINS[name])) for name, start in starts.items()}
    assert set(told(rows)) == expected | {("q", "barrel", 0, 240)}
    assert all(row.score == 1.0 for row in rows)


def test_half_a_domain_is_half_a_tm_score():
    (row,) = annotate(batch_of(p=DOMAINS["globin"][70:]), min_tm=0.4)
    assert row.score == pytest.approx(0.5)
    assert row.evidence["tm_score_place"] == 1.0
    assert (row.evidence["target_start"], row.evidence["target_end"]) == (70, 140)


def test_a_deletion_and_an_insertion_in_the_alignment():
    globin = DOMAINS["globin"]
    (row,) = annotate(batch_of(p=f"{globin[:50]}{globin[55:90]}WWWW{globin[90:]}"))
    assert row.evidence["alignment"] == "50M5D35M4I50M"
    assert row.evidence["lddt_along"] == "9" * 135


def test_what_is_too_short_or_unknown_gets_a_row_that_says_so():
    rows = annotate(batch_of(one="M", nothing="X" * 50, few=f"{'X' * 30}MKVLA"))
    assert told(rows) == [("one", "unassigned", 0, 1), ("nothing", "unassigned", 0, 50), ("few", "unassigned", 0, 35)]
    assert [row.evidence["reason"] for row in rows] == [
        "not compared: 1 known residues of 1, at least 20 wanted",
        "not compared: 0 known residues of 50, at least 20 wanted",
        "not compared: 5 known residues of 35, at least 20 wanted",
    ]


def test_a_stranger_gets_a_row_that_says_so():
    batch = batch_of(p=random_proteins(100, seed=12).sequences[0])
    (row,) = annotate(batch)
    assert (row.target, row.score, row.confidence) == ("unassigned", 0.0, None)
    assert row.evidence["reason"] in {
        f"the nearest is {name} ({code}), which does not align" for name, code in zip(DOMAINS, CODES, strict=True)
    }


def test_a_protein_with_no_domain_near_has_no_row():
    batch = batch_of(p="W" * 40)
    assert annotate(batch, candidates=no_candidates(batch)) == ()


def test_a_domain_is_sought_where_the_aggregator_saw_it_begin():
    filler = random_proteins(400, seed=5).sequences[0]
    batch = batch_of(p=filler + DOMAINS["globin"] + filler)
    places = {offset: told(annotate(batch, candidates=one_candidate(batch, "globin", offset))) for offset in (390, 0)}
    assert places[390] == [("p", "globin", 400, 540)]
    assert places[0][0][1] == "unassigned"


def test_too_little_of_a_domain_gets_a_row_that_says_so():
    (row,) = annotate(batch_of(p=DOMAINS["globin"][98:]))
    assert row.target == "unassigned"
    assert row.evidence["reason"] == "the nearest is globin (1.10.490.10), TM-score 0.30; 0.5 is wanted"


def test_a_protein_of_35000_residues():
    filler = random_proteins(35_000 - 140, seed=3).sequences[0]
    long = filler[:20_000] + DOMAINS["globin"] + filler[20_000:]
    rows = annotate(batch_of(p=long), min_tm=0.9)
    assert told(rows) == [("p", "globin", 20_000, 20_140)]


def calibration(topology, superfamily):
    """A calibration by the TM-score alone: probabilities at the scores 0 and 1."""
    first = (1.0, *(0.0,) * (len(FEATURES) - 1))
    curves = {
        "topology": Curve(first, 0.0, (0.0, 1.0), topology),
        "superfamily": Curve(first, 0.0, (0.0, 1.0), superfamily),
    }
    return Calibration("e" * 64, curves)


def test_the_superfamily_is_told_where_it_is_sure_enough():
    (row,) = annotate(batch_of(p=DOMAINS["globin"]), calibration((0.0, 0.96), (0.0, 0.9)))
    assert (row.accession, row.evidence["assigned"], row.confidence) == ("1.10.490.10", "superfamily", 0.9)
    assert (row.evidence["superfamily"], row.evidence["topology"]) == ("1.10.490.10", "1.10.490")


def test_the_topology_alone_where_the_superfamily_is_not_sure():
    (row,) = annotate(batch_of(p=DOMAINS["globin"]), calibration((0.0, 0.96), (0.0, 0.9)), min_confidence=0.93)
    assert (row.accession, row.evidence["assigned"], row.confidence) == ("1.10.490", "topology", 0.96)
    assert row.evidence["superfamily"] == ""


def test_the_topology_of_a_domain_without_a_superfamily():
    (row,) = annotate(batch_of(p=DOMAINS["barrel"]), calibration((0.0, 0.96), (0.0, 0.9)))
    assert (row.accession, row.evidence["assigned"], row.confidence) == ("3.20.20", "topology", 0.96)


def test_nothing_is_told_where_nothing_is_sure():
    (row,) = annotate(batch_of(p=DOMAINS["globin"]), calibration((0.0, 0.4), (0.0, 0.3)))
    assert row.target == "unassigned"
    assert row.evidence["reason"] == (
        "the nearest is globin (1.10.490.10), TM-score 1.00; of one topology with probability 0.40, 0.5 is wanted"
    )


def test_a_calibration_of_other_weights_does_not_count():
    other = Calibration("f" * 64, calibration((0.0, 0.9), (0.0, 0.9)).curves)
    (row,) = annotate(batch_of(p=DOMAINS["globin"]), other)
    assert row.confidence is None
    assert row.evidence["reason"] == "no calibration for these weights: by the TM-score alone"


def test_more_neighbours_of_a_place():
    globin = DOMAINS["globin"]
    catalogue = Catalogue(("one", "two"), (globin, f"{globin[:100]}{'W' * 40}"), ("1.10.490.10", "1.10.490.20"), ("", ""))
    targets = TargetTable(catalogue.ids, np.arange(3))
    batch = batch_of(p=globin)
    candidates = Candidates(batch.ids, offsets_of([2]), np.array([0, 1], np.int32), np.ones(2, np.float32))
    for shown, expected in ((1, ["one"]), (2, ["one", "two"])):
        annotator = SiameseAnnotator(catalogue, None, targets, SiameseAnnotatorConfig(shown=shown), Runtime())
        annotator.use_encoder(SiameseEncoder(LetterModel(), 128))
        assert [row.target for row in annotator.annotate(batch, candidates)] == expected


def test_domains_and_index_of_two_builds():
    with pytest.raises(DatabaseError, match="the index has 1 targets and the annotator 4 domains.*build the database again"):
        SiameseAnnotator(CATALOGUE, None, TargetTable(("a",), np.arange(2)), SiameseAnnotatorConfig(), Runtime())


def test_another_encoder():
    class Other:
        pass

    annotator, _ = opened()
    with pytest.raises(PluginError, match="annotator siamese aligns the residue vectors of encoder siamese.* has Other"):
        annotator.use_encoder(Other())


def test_without_an_encoder():
    annotator = SiameseAnnotator(CATALOGUE, None, TARGETS, SiameseAnnotatorConfig(), Runtime())
    batch = batch_of(p=DOMAINS["globin"])
    candidates = Candidates(batch.ids, offsets_of([1]), np.zeros(1, np.int32), np.ones(1, np.float32))
    with pytest.raises(PluginError, match=r"was not given the encoder of its chain \(use_encoder\)"):
        annotator.annotate(batch, candidates)


def test_candidates_of_another_batch():
    annotator, _ = opened()
    candidates = Candidates(("q",), offsets_of([0]), np.zeros(0, np.int32), np.zeros(0, np.float32))
    with pytest.raises(DataError, match="annotator siamese: the candidates are not those of the batch"):
        annotator.annotate(batch_of(p="MKV"), candidates)


def test_residue_vectors_of_the_last_batch_are_at_hand(monkeypatch):
    _, encoder = opened()
    batch = batch_of(p=DOMAINS["globin"], q=DOMAINS["barrel"])
    expected = encoder.residues(batch.sequences)
    encoder.encode(batch)
    asked = []
    monkeypatch.setattr(encoder.model, "represent", lambda sequences: asked.extend(sequences) or iter(()))
    found = encoder.residues(batch.sequences)
    assert asked == []
    assert all(np.array_equal(found[sequence], expected[sequence]) for sequence in batch.sequences)


def test_more_residue_vectors_than_are_kept(monkeypatch):
    monkeypatch.setattr("photophore_siamese.encoder.KEPT_BYTES", 20_000)
    _, encoder = opened()
    batch = batch_of(p=DOMAINS["ferredoxin"], q=DOMAINS["globin"], r=DOMAINS["barrel"])
    encoder.encode(batch)
    assert list(encoder._kept) == [DOMAINS["ferredoxin"]]  # 80 x 26 x 4 bytes; the others go beyond
    assert encoder.residues(batch.sequences).keys() == set(batch.sequences)


def test_cigar():
    pairs = np.array([[3, 0], [4, 1], [7, 2], [8, 5], [10, 7]], np.int32)
    assert cigar(pairs) == "2M2D1M2I1M1I1D1M"
    assert cigar(pairs[:1]) == "1M"
    assert cigar(pairs[:0]) == ""


def test_long_pairs_align_in_bands_as_short_ones_do(monkeypatch):
    model = LetterModel()
    globin = DOMAINS["globin"]
    one, other = residues_of(model, [f"{LINKER}{globin}", f"{globin[:60]}{globin[70:]}{LINKER}"])
    whole = compare(model, one, other)
    monkeypatch.setattr("photophore_siamese.comparing.LONG_CELLS", 100)
    bands = compare(model, one, other)
    assert bands.pairs.tolist() == whole.pairs.tolist()
    assert (bands.tm_score, bands.similarity) == (whole.tm_score, whole.similarity)
    assert len(whole.pairs) == 130


def test_the_order_of_two_proteins_turns_the_alignment_round():
    model = LetterModel()
    globin = DOMAINS["globin"]
    one, other = residues_of(model, [globin, f"{globin[:60]}{globin[70:]}"])
    there, back = compare(model, one, other), compare(model, other, one)
    assert there.pairs.tolist() == back.pairs[:, ::-1].tolist()
    assert (there.tm_score, there.tm_score_other) == (back.tm_score_other, back.tm_score)


def test_candidates_that_are_worth_more_go_first_at_their_place():
    names = list(DOMAINS)
    targets = np.array([names.index(name) for name in ("globin", "barrel", "ferredoxin")], np.int32)
    evidence = {"offset": np.array([0, 0, 400], np.int32)}
    given = Candidates(("p",), np.array([0, 3]), targets, np.array([3, 2, 1], np.float32), evidence)
    sizes = [len(sequence) for sequence in DOMAINS.values()]

    def chosen(worth, **options):
        config = SiameseAnnotatorConfig(**{"aligned": 1, **options})
        return [names[each.target] for each in choose(given, 0, 600, sizes, config, worth)]

    assert chosen(None) == ["globin", "ferredoxin"]
    worth = {names.index("globin"): 10, names.index("barrel"): 30, names.index("ferredoxin"): 20}
    assert chosen(worth) == ["barrel", "ferredoxin"]
    # Two of a place, if the second is worth nearly as much; elsewhere it does not matter what is worth most here.
    assert chosen(worth, aligned=2) == ["barrel", "ferredoxin"]
    assert chosen(worth, aligned=2, nearly=0.3) == ["barrel", "ferredoxin", "globin"]
    assert chosen(None, aligned=2) == ["globin", "barrel", "ferredoxin"]
