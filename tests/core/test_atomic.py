"""Results appear only when whole: errors, signals, a full disk, a second run, an earlier run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.core.writer_cases import HMMER_COLUMNS, RESULT, facts, write_all

from photophore.errors import DataError, OutputError
from photophore.runfacts import read_run
from photophore.writers import ALL_FILES, FORMATS, open_writers
from photophore.writers.atomic import OutputFolder

ROOT = Path(__file__).parents[2]

#: Writes until it is stopped; says so once the first batch is on its way to the disk.
ENDLESS = """
import sys, time
from pathlib import Path
from tests.core.writer_cases import HMMER_COLUMNS, RESULT, facts
from photophore.writers import FORMATS, open_writers
with open_writers(Path(sys.argv[1]), FORMATS, HMMER_COLUMNS, facts(), force=True) as writer:
    writer.write(RESULT)
    print("writing", flush=True)
    while True:
        writer.write(RESULT)
        time.sleep(0.001)
"""


def start(folder):
    """A run in a process of its own, in the middle of writing."""
    process = subprocess.Popen(
        [sys.executable, "-c", ENDLESS, folder], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "writing\n", process.communicate()[1]
    return process


def stop(process, signum):
    process.send_signal(signum)
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def snapshot(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("signum", "code"), [(signal.SIGINT, -signal.SIGINT), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_signal_leaves_nothing(tmp_path, signum, code):
    folder = tmp_path / "new" / "out"
    returned, errors = stop(start(folder), signum)
    assert returned == code
    assert ("Traceback" in errors) == (signum == signal.SIGINT)  # main() turns KeyboardInterrupt into a line
    assert not (tmp_path / "new").exists()


def test_signal_keeps_results_of_an_earlier_run(tmp_path):
    folder = write_all(tmp_path / "out", [RESULT])
    before = snapshot(folder)
    stop(start(folder), signal.SIGTERM)
    assert snapshot(folder) == before


def test_kill_leaves_a_hidden_folder_that_the_next_run_removes(tmp_path):
    folder = tmp_path / "out"
    process = start(folder)
    stop(process, signal.SIGKILL)
    assert names(folder) == [f".partial-{process.pid}"]
    write_all(folder, [RESULT])
    assert names(folder) == sorted(ALL_FILES)


def test_second_run_into_the_same_folder_is_refused(tmp_path):
    process = start(tmp_path / "out")
    try:
        with pytest.raises(OutputError) as caught:
            write_all(tmp_path / "out", [RESULT])
        assert str(caught.value) == (
            f"{tmp_path / 'out'}: another run is writing here; wait for it or give another folder with -o"
        )
        assert names(tmp_path / "out") == [f".partial-{process.pid}"]
    finally:
        stop(process, signal.SIGTERM)


def test_error_leaves_nothing_and_keeps_what_the_user_had(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(DataError), open_writers(tmp_path, FORMATS, HMMER_COLUMNS, facts()) as writer:
        writer.write(RESULT)
        raise DataError("stop")
    assert names(tmp_path) == ["notes.txt"]


def test_results_of_an_earlier_run_need_force(tmp_path):
    folder = write_all(tmp_path / "out", [RESULT], formats=("tsv", "gff3"))
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(OutputError) as caught:
        write_all(folder, [RESULT])
    assert str(caught.value) == (
        f"{folder}: holds results of an earlier run (annotations.tsv, annotations.gff3, proteins.tsv, failures.tsv, "
        "run.json); give another folder with -o, or --force to replace them"
    )
    write_all(folder, [], formats=("tsv",), force=True)
    assert names(folder) == ["annotations.tsv", "failures.tsv", "notes.txt", "proteins.tsv", "run.json"]
    assert read_run(folder)["counts"]["proteins"] == 0


def test_old_results_stand_until_the_new_ones_are_whole(tmp_path):
    folder = write_all(tmp_path / "out", [RESULT])
    before = snapshot(folder)
    with open_writers(folder, FORMATS, HMMER_COLUMNS, facts(), force=True) as writer:
        writer.write(RESULT)
        assert {name: data for name, data in snapshot_files(folder).items() if name in before} == before
    assert names(folder) == sorted(ALL_FILES)


def snapshot_files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_marker_is_published_last(tmp_path):
    """A fault in the middle of the renames leaves no ``run.json``: the folder does not look complete."""
    with (
        pytest.raises(OutputError, match=r"b\.txt: cannot be written: Is a directory; check the disk"),
        OutputFolder(tmp_path, ("a.txt", "b.txt", "run.json"), marker="run.json", force=True) as folder,
    ):
        folder.create("run.json").write_text("{}")
        folder.create("a.txt").write_text("a")
        folder.create("b.txt").write_text("b")
        (tmp_path / "b.txt").mkdir()
        folder.publish()
    assert names(tmp_path) == ["a.txt", "b.txt"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_that_may_not_be_written_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match=r"out: cannot be written: Permission denied; give a folder that you may"):
        write_all(tmp_path / "out", [RESULT])


def test_folder_that_is_a_file_is_named(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(OutputError) as caught:
        write_all(tmp_path / "out", [RESULT])
    assert str(caught.value) == (
        f"{tmp_path / 'out'}: cannot be written: File exists; check the disk or give another folder with -o"
    )


FULL = """
import resource, sys
from pathlib import Path
from tests.core.writer_cases import HMMER_COLUMNS, RESULT, write_all
from photophore.errors import OutputError
import pyarrow.parquet
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    write_all(Path(sys.argv[1]), [RESULT] * 100_000, formats=(sys.argv[2],), force=True)
except OutputError as error:
    print(error)
"""


@pytest.mark.parametrize("name", ["tsv", "parquet"])
def test_full_disk_is_an_error_that_names_the_file_and_touches_nothing(tmp_path, name):
    """The system refuses to let files grow beyond a limit, as a full disk or quota does."""
    folder = write_all(tmp_path / "out", [RESULT], formats=(name,))
    before = snapshot(folder)
    done = subprocess.run(
        [sys.executable, "-c", FULL, folder, name], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.stderr == ""
    assert done.returncode == 0
    file, _, reason = done.stdout.partition(": ")
    assert file in {str(folder / f"annotations.{name}"), str(folder / "proteins.tsv"), str(folder / "failures.tsv")}
    assert reason == "cannot be written: File too large; free some space or give another folder with -o\n"
    assert snapshot(folder) == before


def test_parquet_on_a_full_disk_is_an_error_too(tmp_path):
    """The footer does not fit: the last write of all."""
    code = FULL.replace("[RESULT] * 100_000", "[RESULT]").replace("50_000", "2_000")
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "out", "parquet"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith(f"{tmp_path / 'out' / 'annotations.parquet'}: cannot be written: File too large")
    assert done.stderr == ""
    assert not (tmp_path / "out").exists()
