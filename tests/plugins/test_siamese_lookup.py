"""Tables of domains, the catalogue that a database keeps of them, and calibrations: what is read, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

from photophore.errors import DatabaseError, InputError, ModelError
from photophore_siamese.calibration import (
    CALIBRATION_FILE,
    FEATURES,
    Calibration,
    Curve,
    copy_calibration,
    open_calibration,
)
from photophore_siamese.catalogue import DOMAINS_FILE, Catalogue
from photophore_siamese.config import SiameseAnnotatorConfig
from photophore_siamese.lookup import read_domains, read_targets

TABLE = "id\tcath\tsequence\tdescription\n1abcA00\t3.40.50.300\tMKVLA\tP-loop\n2xyzB01\t1.10.490\tmkw*\t\n\n"
CURVE = Curve((1.0, *(0.0,) * (len(FEATURES) - 1)), -0.5, (-0.5, 0.0, 0.5), (0.1, 0.5, 0.9))


def write(folder, text):
    (folder / "domains.tsv").write_text(text)
    return folder / "domains.tsv"


def test_a_table_of_domains(tmp_path):
    source = read_targets([write(tmp_path, TABLE)], tmp_path, SiameseAnnotatorConfig())
    assert source.items.ids == ("1abcA00", "2xyzB01")
    assert source.items.sequences == ("MKVLA", "MKW")
    assert source.items.sources == (f"{tmp_path}/domains.tsv:2", f"{tmp_path}/domains.tsv:3")
    assert source.metadata == {"domains": 2, "topologies": 2, "superfamilies": 1}
    catalogue = Catalogue.load(tmp_path)
    assert catalogue == Catalogue(
        ("1abcA00", "2xyzB01"), ("MKVLA", "MKW"), ("3.40.50.300", "1.10.490"), ("P-loop", "")
    )
    assert [catalogue.superfamily(domain) for domain in (0, 1)] == ["3.40.50.300", ""]
    assert [catalogue.topology(domain) for domain in (0, 1)] == ["3.40.50", "1.10.490"]


def test_other_names_of_the_columns(tmp_path):
    path = write(tmp_path, "Domain\tSeq\tSuperfamily\nd1\tMKV\t1.10.490.10\n")
    (domain,) = read_domains(path)
    assert (domain.id, domain.sequence, domain.code, domain.name) == ("d1", "MKV", "1.10.490.10", "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "domains.tsv: the file is empty; give a tab-separated table with the columns id, sequence and cath"),
        ("id\tsequence\nd\tMK\n", r"domains.tsv:1: the header has no column 'cath' \(it has: id, sequence\); give"),
        ("id\tcath\tsequence\nd\t1.10.8\n", "domains.tsv:2: has 2 cells, the header has 3; write every cell"),
        ("id\tcath\tsequence\n\t1.10.8\tMK\n", "domains.tsv:2: the domain has no id; write one"),
        ("id\tcath\tsequence\nd\t1.10.8\t\n", "domains.tsv:2: 'd' has no residues; remove the row"),
        ("id\tcath\tsequence\nd\t1.10.8\tMK1\n", "domains.tsv:2: 'd' has '1' at residue 3; only the letters"),
        ("id\tcath\tsequence\nd\t1.10\tMK\n", "domains.tsv:2: 'd' has the CATH code '1.10'; give a superfamily such as"),
        ("id\tcath\tsequence\nd\ta.1.1.1\tMK\n", "domains.tsv:2: 'd' has the CATH code 'a.1.1.1'"),
        (
            "id\tcath\tsequence\nd\t1.10.8\tMK\nd\t1.10.8\tMK\n",
            r"domains.tsv:3: 'd' stands at .*domains.tsv:2 already; give each domain a name of its own",
        ),
    ],
)
def test_tables_that_are_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_targets([write(tmp_path, text)], tmp_path, SiameseAnnotatorConfig())


def test_a_damaged_catalogue(tmp_path):
    (tmp_path / DOMAINS_FILE).write_bytes(b"PK not really")
    with pytest.raises(DatabaseError, match=r"domains.npz: cannot be read as a table of domains .*photophore db verify"):
        Catalogue.load(tmp_path)


def test_a_catalogue_of_another_version(tmp_path):
    Catalogue(("a",), ("MK",), ("1.10.8",), ("",)).save(tmp_path)
    with np.load(tmp_path / DOMAINS_FILE) as stored:
        columns = {**stored, "schema": np.array(9)}
    np.savez(tmp_path / DOMAINS_FILE, **columns)
    with pytest.raises(DatabaseError, match="the domains are stored in schema 9, this version reads 1; build"):
        Catalogue.load(tmp_path)


def test_a_catalogue_cut_short(tmp_path):
    Catalogue(("a", "b"), ("MK", "MV"), ("1.10.8", "1.10.8"), ("", "")).save(tmp_path)
    with np.load(tmp_path / DOMAINS_FILE) as stored:
        columns = {**stored, "codes": stored["codes"][:6]}
    np.savez(tmp_path / DOMAINS_FILE, **columns)
    with pytest.raises(DatabaseError, match="its columns have 2, 2, 1, 2 entries"):
        Catalogue.load(tmp_path)


def features(value):
    return np.array([[value, *(7.0,) * (len(FEATURES) - 1)]])


def test_probability_by_eye():
    """The evidence is the TM-score less 0.5; between the points of the curve the share runs straight."""
    assert CURVE.probability(features(0.0)) == pytest.approx(0.1)
    assert CURVE.probability(features(0.5)) == pytest.approx(0.5)
    assert CURVE.probability(features(0.75)) == pytest.approx(0.7)
    assert CURVE.probability(features(2.0)) == pytest.approx(0.9)


def test_a_calibration_is_stored_and_copied(tmp_path):
    calibration = Calibration("d" * 64, {"superfamily": CURVE, "topology": CURVE})
    calibration.save(tmp_path / "mine.json")
    (tmp_path / "annotator").mkdir()
    assert open_calibration(tmp_path / "annotator") is None
    assert copy_calibration(str(tmp_path / "mine.json"), tmp_path / "annotator")
    assert open_calibration(tmp_path / "annotator") == calibration
    source = read_targets(
        [write(tmp_path, TABLE)], tmp_path / "annotator", SiameseAnnotatorConfig(calibration=str(tmp_path / "mine.json"))
    )
    assert source.files == (DOMAINS_FILE, CALIBRATION_FILE)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"schema": 2}, "schema 2 on tm_score"),
        ({"features": ["luck"]}, "schema 1 on luck"),
        ({"curves": {}}, "'superfamily'"),
    ],
)
def test_a_calibration_of_another_kind(tmp_path, change, reason):
    path = tmp_path / CALIBRATION_FILE
    Calibration("d" * 64, {"superfamily": CURVE, "topology": CURVE}).save(path)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ModelError, match=rf"calibration.json: not a calibration of this version \(.*{reason}.*fit one"):
        Calibration.load(path)
    with pytest.raises(DatabaseError, match="not a calibration of this version.*or build the database again"):
        open_calibration(tmp_path)


@pytest.mark.parametrize(
    ("curve", "reason"),
    [
        ({"weights": (1.0,)}, f"has 1 weights, there are {len(FEATURES)} features"),
        ({"share": (0.1, 0.5)}, "has 3 points of evidence and 2 shares"),
        ({"share": (0.1, 0.5, 0.4)}, "its evidence and shares do not rise"),
        ({"share": (0.1, 0.5, 1.4)}, "a share is not between 0 and 1"),
    ],
)
def test_curves_that_make_no_sense(curve, reason):
    values = {name: getattr(CURVE, name) for name in ("weights", "offset", "evidence", "share")}
    with pytest.raises(ValueError, match=reason):
        Curve(**{**values, **curve})


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"min_tm": 1.5}, "min_tm is 1.5; give a number from 0 to 1"),
        ({"min_confidence": -0.1}, "min_confidence is -0.1; give a number from 0 to 1"),
        ({"aligned": 0}, "aligned is 0; give at least 1"),
        ({"shown": 0}, "shown is 0; give at least 1"),
        ({"min_residues": 0}, "min_residues is 0; give at least 1"),
    ],
)
def test_options(options, text):
    with pytest.raises(ValueError, match=text):
        SiameseAnnotatorConfig(**options)
