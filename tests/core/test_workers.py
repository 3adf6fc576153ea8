"""Processes that annotate batches side by side: what they give is what one process gives, and each of their ends is noticed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.core import toy_chain
from tests.core.toy_runs import TARGETS, build_toys, run_toys

from photophore.errors import OutOfMemoryError, PluginError
from photophore.registry import load_registry
from photophore.workers import MOST_PROCESSES, Workers

#: A protein by which the plugin ends its own process, with a signal, with an exit status, or not before long.
KILLED, LEFT, SLEPT = "MKKKKM", "MLLLLM", "MSSSSM"
_ENDS = f"""
            if sequence == "{KILLED}":
                import os
                os.kill(os.getpid(), 9)
            if sequence == "{LEFT}":
                import os
                os._exit(3)
            if sequence == "{SLEPT}":
                import time
                time.sleep(600)
"""
WORDS = ["MMCATMM", "MHATMCATM", "MMMM", "WILDWILD", "HATCAT", "MM"]


@pytest.fixture
def registry(site):
    """Return a registry with the toy chain, whose annotator says that it holds the lock."""
    code = Path(toy_chain.__file__).read_text()
    code = code.replace('name="words",', 'name="words", holds_lock=True,', 1)
    loop = "        for row, (name, sequence) in enumerate(zip(batch.ids, batch.sequences, strict=True)):\n"
    assert loop in code
    code = code.replace(loop, loop + _ENDS.strip("\n") + "\n", 1)
    site.install("toys", code, version="3.1", module="toys_plugin")
    return load_registry()


@pytest.fixture
def toys(registry, tmp_path):
    """Return a folder with a database."""
    build_toys(tmp_path / "toys", registry, TARGETS)
    return tmp_path


def fasta(sequences):
    return "".join(f">p{number}\n{sequence}\n" for number, sequence in enumerate(sequences))


def results(folder):
    names = ("annotations.tsv", "annotations.jsonl", "failures.tsv")
    return {name: (folder / "out" / name).read_bytes() for name in names}


def test_processes_give_what_one_gives_in_the_same_order(toys, registry):
    proteins = fasta(WORDS * 7)
    once = run_toys(toys, registry, proteins)
    expected = results(toys)
    options = {"batch_records": 2, "threads": 3, "force": True}
    shared = run_toys(toys, registry, proteins, **options)
    assert results(toys) == expected
    assert (shared.counts, shared.residues) == (once.counts, once.residues)
    facts = json.loads((toys / "out" / "run.json").read_text())
    assert facts["resources"]["processes"] == 3
    assert {"open", "encode", "search", "aggregate", "annotate", "write"} <= facts["seconds"].keys()


def test_failing_records_are_set_aside_in_a_process_too(toys, registry):
    proteins = fasta([*WORDS, "MQQM", *WORDS])
    refuse = {"encoder": {"refuse": "QQ"}}
    run_toys(toys, registry, proteins, set_=refuse)
    expected = results(toys)
    summary = run_toys(toys, registry, proteins, set_=refuse, batch_records=3, threads=2, force=True)
    assert summary.counts.failed == 1
    assert results(toys) == expected


def test_one_batch_needs_no_process(toys, registry):
    run_toys(toys, registry, fasta(WORDS), threads=2)
    assert "processes" not in json.loads((toys / "out" / "run.json").read_text())["resources"]


def test_an_encoder_may_refuse_copies(site, tmp_path):
    code = Path(toy_chain.__file__).read_text().replace('name="words",', 'name="words", holds_lock=True,', 1)
    assert 'name="letters",' in code
    code = code.replace('name="letters",', 'name="letters", own_copies=lambda config: config.weights != "a",', 1)
    site.install("toys", code, version="3.1", module="toys_plugin")
    registry = load_registry()
    build_toys(tmp_path / "toys", registry, TARGETS)
    run_toys(tmp_path, registry, fasta(WORDS), batch_records=1, threads=2)
    assert "processes" not in json.loads((tmp_path / "out" / "run.json").read_text())["resources"]


def test_an_error_in_a_process_is_raised_with_its_place(toys, registry):
    with pytest.raises(ZeroDivisionError, match="the encoder fell over") as caught:
        run_toys(toys, registry, fasta(WORDS), set_={"encoder": {"fault": "crash"}}, batch_records=1, threads=2)
    notes = "".join(caught.value.__notes__)
    assert "in encode\n" in notes
    assert "in encoder letters of toys 3.1" in notes
    assert not list((toys / "out").glob("*"))


def test_a_chain_that_does_not_open_is_an_error_as_in_one_process(toys, registry):
    for threads in (1, 2):
        with pytest.raises(Exception, match="was made with other weights of encoder 'letters'") as caught:
            run_toys(toys, registry, fasta(WORDS), set_={"encoder": {"weights": "b"}}, batch_records=1, threads=threads)
        assert type(caught.value).__name__ == "DatabaseError"


@pytest.mark.parametrize(
    ("protein", "error", "message"),
    [(KILLED, OutOfMemoryError, "was killed, most likely for want of memory"), (LEFT, PluginError, "exit status 3")],
)
def test_a_process_that_ends_is_noticed(toys, registry, protein, error, message):
    with pytest.raises(error, match=message):
        run_toys(toys, registry, fasta([*WORDS, protein, *WORDS]), batch_records=1, threads=2)
    assert not list((toys / "out").glob("*"))


def processes_of(folder):
    """Return processes whose environment names ``folder``."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (
                str(folder).encode() in (entry / "environ").read_bytes()
                and b"worker_process" in (entry / "cmdline").read_bytes()
            ):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes under /proc")
@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_processes_end_with_the_command(toys, site, by):
    queries = toys / "queries.faa"
    queries.write_text(fasta([SLEPT if by != signal.SIGKILL else "MCATM"] * 2000))
    command = [sys.executable, "-m", "photophore", "annotate", str(queries), "-d", str(toys / "toys"), "-q"]
    options = ["-o", str(toys / "out"), "--threads", "2", "--batch-records", "1", "--allow-nucleotide-like"]
    process = subprocess.Popen(
        [*command, *options],
        env={**os.environ, "PYTHONPATH": str(site.folder)},
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    until = time.monotonic() + 60
    while len(processes_of(site.folder)) < 2 and process.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    assert len(processes_of(site.folder)) == 2
    os.killpg(process.pid, by) if by == signal.SIGINT else process.send_signal(by)
    process.communicate(timeout=60)
    assert process.returncode != 0
    while processes_of(site.folder) and time.monotonic() < until:
        time.sleep(0.05)
    assert not processes_of(site.folder)
    assert not (toys / "out" / "annotations.tsv").exists()


def test_there_are_never_too_many_processes(tmp_path):
    assert Workers(tmp_path, {}, 3).most == 3
    assert Workers(tmp_path, {}, 100).most == MOST_PROCESSES
