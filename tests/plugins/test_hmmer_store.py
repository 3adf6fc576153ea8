"""What `db build` leaves for the annotator `hmmer`: whole, small, read lazily, and refused when damaged."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pyhmmer.plan7 import HMM, HMMFile
from tests.plugins.hmmer_cases import DATA, HMMS, METAGENOME, PROTEIN_HMMS, HmmerDatabase, read_fasta, read_hmms

from photophore.config import make_config
from photophore.contract import spec_faults
from photophore.errors import DatabaseError, UsageError
from photophore.hookspecs import AnnotatorSpec, Runtime
from photophore.types import ProfileBatch
from photophore_hmmer import store as store_module
from photophore_hmmer.config import HmmerConfig
from photophore_hmmer.plugin import check, create, photophore_annotators
from photophore_hmmer.profiles import match_emissions
from photophore_hmmer.store import SCORED_TOGETHER, Preparer, ProfileStore


def test_profiles_come_back_as_they_were_given(tmp_path: Path) -> None:
    database = HmmerDatabase(PROTEIN_HMMS, tmp_path)
    store = ProfileStore(tmp_path)
    assert [store.read(number) for number in range(len(store))] == read_hmms(PROTEIN_HMMS)
    assert database.source.files == ("profiles.json", "profiles.h3m.zst")
    assert set(database.source.files) == {path.name for path in tmp_path.iterdir()}


def test_emissions_are_the_profiles_own(tmp_path: Path) -> None:
    profiles = HmmerDatabase(PROTEIN_HMMS, tmp_path).source.items
    assert isinstance(profiles, ProfileBatch)
    hmms = read_hmms(PROTEIN_HMMS)
    assert profiles.ids == tuple(hmm.name for hmm in hmms)
    assert np.diff(profiles.offsets).tolist() == [hmm.M for hmm in hmms]
    assert np.allclose(profiles.values.sum(axis=1), 1, atol=1e-6)
    number = profiles.ids.index("2-Hacid_dh_C")
    first = profiles.values[profiles.offsets[number]]
    line = next(line for line in (HMMS / "PF02826.hmm").read_text().splitlines() if line.split()[:1] == ["1"])
    assert np.allclose(first, np.exp(-np.array(line.split()[1:21], dtype=float)), atol=1e-5)
    assert np.array_equal(match_emissions(hmms[number])[0], first)


def test_metadata_for_the_manifest(tmp_path: Path) -> None:
    metadata = HmmerDatabase(PROTEIN_HMMS, tmp_path).source.metadata
    assert json.loads(json.dumps(metadata)) == {
        "profiles": 14,
        "positions": 2030,
        "cutoffs": {"ga": 2, "tc": 3, "nc": 2},
    }


def test_uncompressed_profiles_are_a_file_that_hmmer_reads_and_give_the_same(tmp_path: Path) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    small.mkdir()
    large.mkdir()
    batch = read_fasta(DATA / "seqs" / "LuxC.faa")
    compressed = HmmerDatabase(PROTEIN_HMMS, small)
    plain = HmmerDatabase(PROTEIN_HMMS, large, HmmerConfig(compress=False))
    assert plain.source.files == ("profiles.json", "profiles.h3m")
    assert plain.annotate(batch) == compressed.annotate(batch)
    with HMMFile(large / "profiles.h3m") as stream:
        assert list(stream) == read_hmms(PROTEIN_HMMS)
    assert (small / "profiles.h3m.zst").stat().st_size < (large / "profiles.h3m").stat().st_size / 2


def test_only_the_profiles_that_are_searched_are_read(tmp_path: Path) -> None:
    HmmerDatabase(PROTEIN_HMMS, tmp_path)
    store = ProfileStore(tmp_path)
    path = tmp_path / "profiles.h3m.zst"
    damaged = bytearray(path.read_bytes())
    damaged[store.table.offsets[3] + 20 : store.table.offsets[4]] = bytes(
        store.table.offsets[4] - store.table.offsets[3] - 20
    )
    path.write_bytes(damaged)
    store = ProfileStore(tmp_path)
    assert store.read(4).name == store.table.names[4]
    with pytest.raises(DatabaseError) as error:
        store.read(3)
    assert f"{path}: profile 'Stand_Alone_Lasso_RRE' (number 4) cannot be read (" in str(error.value)
    assert "run photophore db verify, then build or fetch the database again" in str(error.value)


def test_a_profile_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """First what all score on diagonals is wanted, then HMMER's form of each."""
    HmmerDatabase(PROTEIN_HMMS, tmp_path)
    store, preparer, read = ProfileStore(tmp_path), Preparer(), []
    from_file = ProfileStore.read

    def counted(store: ProfileStore, target: int) -> HMM:
        read.append(target)
        return from_file(store, target)

    monkeypatch.setattr(ProfileStore, "read", counted)
    targets = range(min(len(store), SCORED_TOGETHER))
    for target in targets:
        store.scores(target, preparer)
    for target in targets:
        store.optimized(target, preparer)
    assert read == list(targets)


def test_a_preparer_remembers_the_last_profiles_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    HmmerDatabase(PROTEIN_HMMS, tmp_path)
    monkeypatch.setattr(store_module, "SCORED_TOGETHER", 2)
    store, preparer = ProfileStore(tmp_path), Preparer()
    kept = [preparer.read(store, target) for target in (0, 1, 2)]
    assert preparer.read(store, 1) is kept[1]
    assert preparer.read(store, 2) is kept[2]
    assert preparer.read(store, 0) is not kept[0]
    assert preparer.read(store, 2) is kept[2]
    assert preparer.read(store, 1) is not kept[1]


def test_a_damaged_profile_stops_every_thread(tmp_path: Path) -> None:
    database = HmmerDatabase(PROTEIN_HMMS, tmp_path)
    path = tmp_path / "profiles.h3m.zst"
    whole = path.read_bytes()
    path.write_bytes(bytes(len(whole)))
    batch = read_fasta(METAGENOME, 20)
    with pytest.raises(DatabaseError, match="cannot be read"):
        database.annotate(batch, threads=2)
    path.write_bytes(whole)
    assert database.annotate(batch, threads=2) == database.annotate(batch)


def test_profiles_of_another_order_are_noticed(tmp_path: Path) -> None:
    database = HmmerDatabase([HMMS / "RREFam.hmm"], tmp_path)
    table = json.loads((tmp_path / "profiles.json").read_text())
    table["names"][0], table["names"][1] = table["names"][1], table["names"][0]
    (tmp_path / "profiles.json").write_text(json.dumps(table))
    with pytest.raises(
        DatabaseError, match="'Thiopeptide_F_RRE' .number 1. cannot be read .found 'Stand_Alone_Lasso_RRE'"
    ):
        ProfileStore(tmp_path).read(0)
    with pytest.raises(DatabaseError, match="or their names or order differ"):
        create(tmp_path, database.targets, HmmerConfig(), Runtime())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "profiles.json: cannot be read as a table of profiles"),
        ("[]", "profiles.json: cannot be read as a table of profiles"),
        ('{"schema": 1}', "profiles.json: cannot be read as a table of profiles ('file')"),
        ('{"schema": 1, "file": "../../etc/passwd"}', "profiles.json: cannot be read as a table of profiles"),
        ('{"schema": 2}', "the profiles are stored in schema 2, this version reads 1; build the database again"),
    ],
)
def test_damaged_table(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "profiles.json").write_text(text)
    with pytest.raises(DatabaseError) as error:
        ProfileStore(tmp_path)
    assert said in str(error.value)


def test_missing_and_cut_profiles(tmp_path: Path) -> None:
    HmmerDatabase([HMMS / "KR.hmm"], tmp_path)
    path = tmp_path / "profiles.h3m.zst"
    whole = path.read_bytes()
    path.write_bytes(whole[:-7])
    with pytest.raises(DatabaseError) as error:
        ProfileStore(tmp_path)
    assert f"{path}: has {len(whole) - 7} bytes, not {len(whole)}; run photophore db verify" in str(error.value)
    path.unlink()
    with pytest.raises(DatabaseError, match="cannot be opened .No such file or directory."):
        ProfileStore(tmp_path)


def test_check_names_the_profiles_without_the_cut_off(tmp_path: Path) -> None:
    metadata = HmmerDatabase(PROTEIN_HMMS, tmp_path).source.metadata
    assert check(tmp_path, metadata, HmmerConfig()) == []
    (problem,) = check(tmp_path, metadata, HmmerConfig(cut="ga"))
    assert isinstance(problem, UsageError)
    assert str(problem) == (
        "cut=ga: 12 of 14 profiles have no GA line: KR, Stand_Alone_Lasso_RRE, Thiopeptide_F_RRE, PqqD_RRE, "
        "Proteusin_Epimerase_RRE and 7 more; use an E-value (evalue=) or score threshold (score=), "
        "or build the database without them"
    )


def test_check_says_which_cut_offs_would_do(tmp_path: Path) -> None:
    metadata = HmmerDatabase([HMMS / "KR.hmm"], tmp_path).source.metadata
    assert check(tmp_path, metadata, HmmerConfig(cut="tc")) == []
    (problem,) = check(tmp_path, metadata, HmmerConfig(cut="ga"))
    assert "1 of 1 profiles have no GA line: KR; use cut=tc or an E-value" in str(problem)


def test_check_reports_a_missing_table(tmp_path: Path) -> None:
    (problem,) = check(tmp_path, {}, HmmerConfig(cut="ga"))
    assert isinstance(problem, DatabaseError)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"evalue": "0"}, "evalue is 0.0; give a number above 0, such as 0.001"),
        ({"dom_evalue": "-1"}, "dom_evalue is -1.0; give a number above 0, such as 0.001"),
        ({"z": "-5"}, "z is -5.0; give a number above 0, or 0 for the number of profiles in the database"),
        ({"z": "inf"}, "z is inf; give a number above 0"),
        ({"cut": "gathering"}, "'gathering' is not one of none, ga, tc, nc"),
        ({"cut": "ga", "score": "20"}, "cut=ga reports by the profiles' own cut-offs and cannot go with score=20.0"),
        ({"cut": "tc", "evalue": "1e-5"}, "cannot go with evalue=1e-05; leave one of the two out"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError) as error:
        make_config(spec(), options)
    assert said in str(error.value)


def test_options_from_the_command_line() -> None:
    config = make_config(spec(), {"evalue": "1e-5", "dom-score": "12.5", "z": "1000"})
    assert config == HmmerConfig(evalue=1e-5, dom_score=12.5, z=1000.0)
    assert make_config(spec(), {}).score is None


def test_the_spec_keeps_the_contract() -> None:
    assert spec_faults(spec(), AnnotatorSpec) == []


def test_declaring_imports_no_pyhmmer() -> None:
    code = "import sys, photophore_hmmer.plugin as p; p.photophore_annotators(); sys.exit('pyhmmer' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def spec() -> AnnotatorSpec:
    (only,) = photophore_annotators()
    return only
