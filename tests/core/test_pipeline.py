"""The whole chain on proteins that one can check by eye: every one ends somewhere, in order, whatever the batch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.core.toy_runs import PROTEINS, build_toys, install, run_toys

from photophore.database import Database
from photophore.errors import DatabaseError, InputError, OutputError, PhotophoreError, PluginError, Problems, UsageError
from photophore.hookspecs import EncoderSpec
from photophore.pipeline import run
from photophore.progress import LineProgress, duration
from photophore.registry import Registry, load_registry
from photophore.runconfig import LinkChoice, RunConfig, load_run_config, merge_links, parse_settings


@pytest.fixture
def registry(site) -> Registry:
    install(site)
    return load_registry(only=("toys",), strict=True)


@pytest.fixture
def toys(tmp_path: Path, registry: Registry) -> Database:
    return build_toys(tmp_path / "toys", registry)


def rows(folder: Path, name: str = "annotations.tsv") -> list[dict[str, str]]:
    """Return a table of a run."""
    lines = [line.split("\t") for line in (folder / "out" / name).read_text().splitlines()]
    return [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]


def hits(folder: Path) -> list[tuple[str, str, str, str]]:
    """Return protein, target, start and end of each annotation."""
    return [(row["protein"], row["target"], row["start"], row["end"]) for row in rows(folder)]


def fates(folder: Path) -> dict[str, str]:
    """Return what became of each protein."""
    return {row["protein"]: row["status"] for row in rows(folder, "proteins.tsv")}


HITS = [("p1", "cat", "3", "5"), ("p2", "hat", "2", "4"), ("p2", "cat", "6", "8"), ("p4", "wild", "1", "4")]


def test_proteins_are_annotated_in_order_and_counted(tmp_path: Path, registry: Registry, toys: Database) -> None:
    summary = run_toys(tmp_path, registry)
    assert sorted(hits(tmp_path)) == sorted(HITS)
    assert [hit[0] for hit in hits(tmp_path)] == ["p1", "p2", "p2", "p4"]
    assert fates(tmp_path) == {"p1": "annotated", "p2": "annotated", "p3": "unannotated", "p4": "annotated"}
    counts = summary.counts
    assert (counts.proteins, counts.annotated, counts.unannotated, counts.failed, counts.annotations) == (4, 3, 1, 0, 4)
    assert summary.residues == 28
    assert summary.warnings == []


def test_run_json_can_be_repeated(tmp_path: Path, registry: Registry, toys: Database) -> None:
    run_toys(tmp_path, registry, set_={"aggregator": {"threshold": "0.75"}})
    facts = json.loads((tmp_path / "out" / "run.json").read_text())
    encoder, index, aggregator, annotator = facts["plugins"]
    assert (encoder["name"], encoder["distribution"], encoder["version"]) == ("letters", "toys", "3.1")
    assert encoder["digest"] == toys.manifest.links["encoder"].digest
    assert (index["options"], aggregator["options"], annotator["name"]) == ({"k": 4}, {"threshold": 0.75}, "words")
    assert facts["database"]["digest"] == toys.digest
    assert facts["options"]["links"]["aggregator"] == {"name": "sum", "threshold": 0.75}
    assert set(facts["seconds"]) >= {"open", "read", "encode", "search", "aggregate", "annotate", "write"}
    assert facts["counts"]["proteins"] == 4


@pytest.mark.parametrize("sizes", [(1, 1), (2, 10**6), (10**6, 13), (3, 20)])
def test_the_answer_does_not_depend_on_the_batch(
    tmp_path: Path, registry: Registry, toys: Database, sizes: tuple[int, int]
) -> None:
    run_toys(tmp_path, registry)
    whole = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir() if path.name != "run.json"}
    run_toys(tmp_path, registry, force=True, batch_records=sizes[0], batch_residues=sizes[1])
    for name, content in whole.items():
        if name != "annotations.parquet":
            assert (tmp_path / "out" / name).read_bytes() == content, name


def test_every_protein_ends_somewhere(tmp_path: Path, registry: Registry, toys: Database) -> None:
    proteins = ">a\nCAT\n>b\nM-M\n>c\nMMYYMM\n>\nMM\n>d\nMM*CAT*\n>e\n>a\nHAT\n>f\nMMYY\n>g\nWILD\n"
    summary = run_toys(tmp_path, registry, proteins, set_={"encoder": {"refuse": "YY"}})
    counts = summary.counts
    assert (counts.proteins, counts.annotated, counts.unannotated, counts.failed) == (9, 4, 0, 5)
    failures = rows(tmp_path, "failures.tsv")
    queries = tmp_path / "queries.faa"
    assert [(row["protein"], row["stage"]) for row in failures] == [
        ("b", "read"),
        ("c", "encoder letters"),
        ("", "read"),
        ("e", "read"),
        ("f", "encoder letters"),
    ]
    assert failures[0]["reason"].startswith(f"{queries}:4: 'b' has '-' at residue 2; remove gaps")
    assert failures[1]["reason"] == "'c' holds YY; take it out"
    assert [row["status"] for row in rows(tmp_path, "proteins.tsv")] == [
        "annotated",
        "failed",
        "failed",
        "failed",
        "annotated",
        "failed",
        "annotated",
        "failed",
        "annotated",
    ]
    assert summary.warnings == [
        "names that came before: 1; each of these proteins was annotated on its own",
        "stop codons (*) inside sequences, read as X: 1",
        "proteins that could not be worked on: 5; failures.tsv says why",
    ]


def test_stops_may_fail_the_protein(tmp_path: Path, registry: Registry, toys: Database) -> None:
    run_toys(tmp_path, registry, ">a\nMM*CAT*\n>b\nCAT*\n", stops="fail")
    assert fates(tmp_path) == {"a": "failed", "b": "annotated"}


def test_a_batch_too_large_for_the_memory_is_halved(tmp_path: Path, registry: Registry, toys: Database) -> None:
    run_toys(tmp_path, registry, set_={"encoder": {"memory": 9}})
    assert sorted(hits(tmp_path)) == sorted(HITS)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("nan", "encoder letters: the vector of 'p1' at residue 2 is not finite"),
        ("ids", "encoder letters: returned 'p4' where 'p1' was given; this is a fault of the plugin"),
        ("digest", "encoder letters: its vectors are marked 'letters' '000000000000', not 'letters'"),
    ],
)
def test_a_plugin_that_breaks_its_contract_is_named(
    tmp_path: Path, registry: Registry, toys: Database, fault: str, message: str
) -> None:
    with pytest.raises(PluginError, match=message):
        run_toys(tmp_path, registry, set_={"encoder": {"fault": fault}})
    assert not (tmp_path / "out").exists()


def test_an_unforeseen_error_names_plugin_and_batch(tmp_path: Path, registry: Registry, toys: Database) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        run_toys(tmp_path, registry, set_={"encoder": {"fault": "crash"}})
    queries = tmp_path / "queries.faa"
    assert caught.value.__notes__ == [
        f"in encoder letters of toys 3.1, on a batch of 4 proteins (28 residues) from 'p1' ({queries}:1) to 'p4'"
    ]
    assert not (tmp_path / "out").exists()


def test_a_cut_input_leaves_nothing(tmp_path: Path, registry: Registry, toys: Database) -> None:
    cut = tmp_path / "cut.faa.gz"
    import gzip

    cut.write_bytes(gzip.compress(PROTEINS.encode() * 99)[:-9])
    with pytest.raises(InputError, match="cut.faa.gz: cannot be read to its end"):
        run_toys(tmp_path, registry, inputs=(str(cut),), batch_records=2)
    assert not (tmp_path / "out").exists()


def test_other_weights_are_refused(tmp_path: Path, registry: Registry, toys: Database) -> None:
    with pytest.raises(
        DatabaseError, match=r"toys: was made with other weights of encoder 'letters' \(\w{12}, these are"
    ):
        run_toys(tmp_path, registry, set_={"encoder": {"weights": "b"}})


def test_all_problems_come_together(tmp_path: Path, registry: Registry, toys: Database) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "run.json").write_text("{}")
    with pytest.raises(Problems) as caught:
        run_toys(
            tmp_path,
            registry,
            inputs=("absent.faa",),
            device="cuda:99",
            formats=("tsv", "domtblout"),
            links={
                "index": LinkChoice("exacd"),
                "aggregator": LinkChoice(options={"treshold": 1}),
                "annotator": LinkChoice(options={"shortest": 50}),
            },
        )
    lines = str(caught.value).splitlines()
    assert len(lines) == 7
    for line, text in zip(
        lines,
        (
            "absent.faa: there is no such file; check the path",
            "out: is not empty (it holds run.json); give another folder with -o, or --force to replace results",
            "--device cuda:99: ",
            "there is no index 'exacd'; did you mean 'exact'?",
            "aggregator 'sum' has no option 'treshold'; did you mean 'threshold'?",
            "annotator.shortest is 50; no word is so long",
            "--format domtblout: annotator 'words' cannot be written so; choose from tsv, gff3, jsonl, parquet",
        ),
        strict=True,
    ):
        assert text in line


def test_a_missing_database_comes_with_the_other_problems(tmp_path: Path, registry: Registry) -> None:
    with pytest.raises(Problems, match="(?s)absent.faa: there is no such file.*there is no database 'toyz'"):
        run_toys(tmp_path, registry, inputs=("absent.faa",), database="toyz")


def test_a_link_that_the_database_was_not_built_with(tmp_path: Path, registry: Registry, toys: Database) -> None:
    other = EncoderSpec(
        name="other", summary="Another.", config=registry.spec("encoder", "letters").config, create=lambda *_: None
    )
    key = ("encoder", "other")
    wider = Registry(
        {**registry.entries, key: (other, registry.origin(registry.spec("encoder", "letters")))}, (), registry.manager
    )
    with pytest.raises(
        DatabaseError, match="toys: was built with encoder 'letters', not 'other'; leave --encoder out, or"
    ):
        run_toys(tmp_path, wider, links={"encoder": LinkChoice("other")})


def test_results_are_replaced_only_with_force(tmp_path: Path, registry: Registry, toys: Database) -> None:
    run_toys(tmp_path, registry)
    with pytest.raises(OutputError, match="out: is not empty"):
        run_toys(tmp_path, registry)
    run_toys(tmp_path, registry, ">q\nCAT\n", force=True)
    assert fates(tmp_path) == {"q": "annotated"}
    (tmp_path / "out" / "run.json").unlink()
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file: exists and is no folder"):
        run_toys(tmp_path, registry, output=str(tmp_path / "file"))


def test_dry_run_opens_everything_and_writes_nothing(tmp_path: Path, registry: Registry, toys: Database) -> None:
    summary = run_toys(tmp_path, registry, dry_run=True)
    assert (summary.counts.proteins, summary.plan.runtime.device) == (0, "cpu")
    assert not (tmp_path / "out").exists()
    with pytest.raises(DatabaseError, match="other weights"):
        run_toys(tmp_path, registry, dry_run=True, set_={"encoder": {"weights": "b"}})


def test_yaml_and_command_line(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(
        "inputs: a,b.faa\noutput: out\nthreads: 3\nbatch-records: 7\nformats: [tsv, jsonl]\naggregator: near-sum\n"
        "annotator: {name: hmmer, options: {evalue: 1e-5}}\nset: {aggregator.gate: 0.5, index.k: 3}\n"
    )
    config = load_run_config(
        file, {"threads": 5, "output": None, "formats": ()}, parse_settings(["aggregator.gate=0.7"])
    )
    assert (config.inputs, config.output, config.threads, config.batch_records) == (("a,b.faa",), "out", 5, 7)
    assert config.formats == ("tsv", "jsonl")
    assert config.links == {
        "aggregator": LinkChoice("near-sum", {"gate": "0.7"}),
        "annotator": LinkChoice("hmmer", {"evalue": "1e-5"}),
        "index": LinkChoice(None, {"k": 3}),
    }


def test_options_of_another_link_stay_behind() -> None:
    below = {"index": LinkChoice("ivfpq", {"nprobe": 8})}
    assert merge_links(below, {"index": LinkChoice("hnsw", {"m": 4})}) == {"index": LinkChoice("hnsw", {"m": 4})}
    assert merge_links(below, {"index": LinkChoice("ivfpq", {"k": 4})})["index"].options == {"nprobe": 8, "k": 4}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("treads: 3\n", r"run.yaml: there is no key 'treads'; did you mean 'threads'\? known are: inputs, output"),
        ("threads: many\n", "run.yaml: threads: expected a whole number, got 'many'.*it sets: processor threads"),
        ("threads: 0\n", "--threads is 0; give a whole number of at least 1"),
        ("device: gpu\n", "--device is 'gpu'; give cpu, cuda, cuda:N"),
        ("stops: keep\n", "run.yaml: stops: 'keep' is not one of mask, fail"),
        (
            "index: {nam: x}\n",
            r"run.yaml: index: there is no key 'nam'; did you mean 'name'\? known are: name, options",
        ),
        ("index: 3\n", "run.yaml: index: is 3; write a name, or"),
        ("set: {indx.k: 3}\n", r"run.yaml: set: 'indx' is no link of the chain; did you mean 'index'\?"),
        ("- a\n", "run.yaml: holds list, not keys with values"),
        ("a: [\n", "run.yaml: this is not YAML"),
    ],
)
def test_faults_of_the_yaml_file(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(text)
    with pytest.raises(UsageError, match=message):
        load_run_config(file, {}, {})


def test_faults_of_the_yaml_file_come_together(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("treads: 3\nindx: hnsw\n")
    with pytest.raises(Problems, match="(?s)'treads'.*'indx'; did you mean 'index'"):
        load_run_config(file, {}, {})
    with pytest.raises(UsageError, match=r"absent.yaml: cannot be read: No such file or directory"):
        load_run_config(tmp_path / "absent.yaml", {}, {})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["aggregator.gate"], "has no '='; write KIND.FIELD=VALUE, such as aggregator.threshold=0.5"),
        (["agregator.gate=1"], "'agregator' is no link of the chain; did you mean 'aggregator'?"),
        (["aggregator=1"], "names no option; write aggregator.FIELD"),
        (["index.k=1", "index.k=2"], "index.k is given twice; give it once"),
    ],
)
def test_faults_of_settings(settings: list[str], message: str) -> None:
    with pytest.raises(PhotophoreError) as caught:
        parse_settings(settings)
    assert message in str(caught.value)


def test_lines_of_progress() -> None:
    import io

    stream = io.StringIO()
    with LineProgress(stream, interval_s=0.0) as progress:
        progress.begin("annotating", 200)
        progress.advance(50, "1,000 proteins")
        progress.end()
    assert stream.getvalue()[10:].startswith(" annotating: 1,000 proteins, 25 %, 0.0 s left\n")
    assert [duration(value) for value in (0.44, 31.2, 200, 9000)] == ["0.4 s", "31 s", "3 min", "2.5 h"]


def test_an_input_of_nothing_but_faults(tmp_path: Path, registry: Registry, toys: Database) -> None:
    summary = run_toys(tmp_path, registry, ">a\n1\n>b\n2\n")
    assert (summary.counts.proteins, summary.counts.failed) == (2, 2)
    assert (tmp_path / "out" / "annotations.tsv").read_text().count("\n") == 1


def test_config_is_kept_from_change() -> None:
    config: Any = RunConfig(inputs=("a",), output="b")
    with pytest.raises(AttributeError):
        config.threads = 3


def test_progress_is_told(tmp_path: Path, registry: Registry, toys: Database) -> None:
    told: list[tuple[float, str]] = []

    class Listener:
        def message(self, text: str) -> None: ...

        def begin(self, label: str, total: float | None) -> None:
            told.append((total or 0, label))

        def advance(self, done: float, detail: str) -> None:
            told.append((done, detail))

        def end(self) -> None:
            told.append((0, "end"))

    queries = tmp_path / "q.faa"
    queries.write_text(PROTEINS)
    run(
        RunConfig(
            inputs=(str(queries),),
            output=str(tmp_path / "out"),
            database=str(toys.path),
            device="cpu",
            batch_records=3,
            allow_nucleotide_like=True,
        ),
        registry,
        Listener(),
    )
    size = len(PROTEINS)
    assert told == [
        (size, "annotating"),
        (size, "3 proteins, 3 annotations"),
        (size, "4 proteins, 4 annotations"),
        (0, "end"),
    ]
