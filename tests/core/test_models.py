"""Weights: found by name, checked byte for byte, and downloaded over a connection that breaks."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from photophore.cli import main
from photophore.download import fetch
from photophore.errors import ModelError
from photophore.models import add_model, find_model, list_models, read_facts, scan_models, verify_model, write_facts

WEIGHTS = bytes(range(256)) * 8192  # 2 MiB
SHA256 = hashlib.sha256(WEIGHTS).hexdigest()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the user's folder of models, empty."""
    path = tmp_path / "models"
    monkeypatch.setenv("PHOTOPHORE_MODELS", str(path))
    return path


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Return a weights file that is not yet a model."""
    path = tmp_path / "mine.v2.pt"
    path.write_bytes(WEIGHTS)
    return path


class Server(ThreadingHTTPServer):
    """Serves `content`, and breaks off as often as `breaks` says; remembers the ranges that were asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = WEIGHTS
        self.tag = '"1"'
        self.breaks = 0
        self.ranges: list[str | None] = []
        self.status = 0
        self.shift = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/weights.pt"


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.ranges.append(wanted)
        if self.server.status:
            self.send_error(self.server.status)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if self.headers.get("If-Range", self.server.tag) != self.server.tag:
            start = 0
        body = self.server.content[start:]
        if start and not body:
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", self.server.tag)
        if start:
            self.send_header("Content-Range", f"bytes {start + self.server.shift}-{len(self.server.content) - 1}/*")
        self.end_headers()
        if self.server.breaks:
            self.server.breaks -= 1
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            self.close_connection = True
            return
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Keep quiet."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Return a server on this machine; waiting between tries is left out."""
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def bundle(site, name: str = "acme-small") -> Path:
    """Install a plugin package that brings a model, and return the folder of the weights."""
    package = site.folder / "acme_bundle"
    place = package / "weights"
    place.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')\n")
    site.install("acme-bundle", None, entry_points="[photophore.v1]\nacme = acme_bundle.plugin\n")
    (place / f"{name}.safetensors").write_bytes(WEIGHTS)
    (place / f"{name}.int8.onnx").write_bytes(b"onnx")
    (place / f"{name}.md").write_text("# Card\n")
    files = [f"{name}.safetensors", f"{name}.int8.onnx"]
    write_facts(place, name, files, encoder="near", licence="BSD-3-Clause", card=f"{name}.md", summary="Small.", dim=64)
    return place


def test_bundled_models_are_found_without_importing_their_plugin(site) -> None:
    place = bundle(site)
    (model,) = [model for model in list_models() if model.name == "acme-small"]
    assert model.bundled
    assert (model.encoder, model.licence, model.summary, model.card) == (
        "near",
        "BSD-3-Clause",
        "Small.",
        "acme-small.md",
    )
    assert [file.name for file in model.files] == ["acme-small.safetensors", "acme-small.int8.onnx", "acme-small.md"]
    assert model.bytes == len(WEIGHTS) + 4 + 7
    assert model.facts["dim"] == 64
    assert find_model("acme-small") == place / "acme-small.safetensors"
    assert find_model("acme-small", suffix=".int8.onnx") == place / "acme-small.int8.onnx"
    with pytest.raises(
        ModelError, match="'acme-small' has no file that ends with '.pt'; its files are: acme-small.safetensors, "
    ):
        find_model("acme-small", suffix=".pt")
    assert verify_model(model) == ()


def test_bundled_models_of_this_package_are_whole() -> None:
    models, problems = scan_models()
    assert problems == ()
    assert [fault for model in models for fault in verify_model(model)] == []


def test_a_path_stands_for_itself(weights) -> None:
    assert find_model(weights) == weights
    assert find_model(str(weights)) == weights
    assert find_model(weights.parent) == weights.parent


def test_an_absent_model_is_answered_with_near_misses(site) -> None:
    bundle(site)
    with pytest.raises(
        ModelError, match="no model and no file is called 'acme-smal'; did you mean 'acme-small'. .known models: "
    ):
        find_model("acme-smal")


def test_a_model_in_two_places_must_be_named_by_path(site, folder) -> None:
    bundle(site)
    folder.mkdir()
    (folder / "x.pt").write_bytes(b"x")
    write_facts(folder, "acme-small", ["x.pt"], encoder="", licence="")
    with pytest.raises(
        ModelError, match="model 'acme-small' exists in .*acme_bundle/weights and .*models; name the file by its path"
    ):
        find_model("acme-small")


def test_damage_is_found(site, capsys) -> None:
    place = bundle(site)
    path = place / "acme-small.safetensors"
    path.write_bytes(WEIGHTS[:-1] + b"\0")
    (place / "acme-small.md").unlink()
    assert main(["models", "verify", "acme-small"]) == 5
    captured = capsys.readouterr()
    assert captured.out.startswith("damaged  acme-small  ")
    assert f"{path}: SHA-256 is " in captured.err
    assert f"not {SHA256} as its facts say; reinstall the package that brought it" in captured.err
    assert "acme-small.md: file of model 'acme-small' is missing; reinstall" in captured.err
    path.write_bytes(WEIGHTS[:-1])
    with pytest.raises(ModelError, match="has 2097151 bytes, not 2097152 as its facts say; reinstall"):
        find_model("acme-small")
    path.unlink()
    with pytest.raises(ModelError, match="file of model 'acme-small' is missing; reinstall"):
        find_model("acme-small")


GOOD_FACTS = {"schema_version": 1, "name": "m", "files": {"m.pt": {"sha256": SHA256, "bytes": 3}}}


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ("{", "not a facts file of a model"),
        ("[]", "a facts file holds an object, not list"),
        ({**GOOD_FACTS, "schema_version": 2}, "schema_version is 2, and this Photophore reads 1"),
        ({**GOOD_FACTS, "name": "n"}, "name is 'n', but the file is called 'm.json'"),
        ({**GOOD_FACTS, "licence": 3}, "licence must be text, got 3"),
        ({**GOOD_FACTS, "card": "m.md"}, "the card 'm.md' is not among files; list it with its sha256 and bytes"),
        ({**GOOD_FACTS, "files": []}, "files must map file names to sha256 and bytes, got"),
        ({**GOOD_FACTS, "files": {"../m.pt": {}}}, "'../m.pt' is not a plain file name"),
        (
            {**GOOD_FACTS, "files": {"m.pt": {"sha256": "abc"}}},
            "sha256 of 'm.pt' must be 64 hexadecimal digits, got 'abc'",
        ),
        ({**GOOD_FACTS, "files": {"m.pt": {"sha256": SHA256}}}, "bytes of 'm.pt' must be a whole number, got None"),
    ],
)
def test_facts_that_cannot_be_used_are_named_and_harm_no_others(folder, weights, capsys, facts, message) -> None:
    add_model(str(weights))
    path = folder / "m.json"
    path.write_text(facts if isinstance(facts, str) else json.dumps(facts))
    with pytest.raises(ModelError) as caught:
        read_facts(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert "mine.v2" in {model.name for model in list_models()}
    assert main(["models", "list"]) == 0
    assert f"left out: {path}: " in capsys.readouterr().err
    assert main(["models", "verify"]) == 5


def test_a_file_is_added_listed_and_verified(weights, folder, capsys) -> None:
    assert main(["models", "add", str(weights), "--encoder", "near", "--licence", "MIT"]) == 0
    captured = capsys.readouterr()
    assert captured.out == f"added mine.v2 in {folder}\n  mine.v2.pt  2.1 MB  sha256 {SHA256}\n"
    assert "no --sha256 was given" in captured.err
    assert sorted(path.name for path in folder.iterdir()) == ["mine.v2.json", "mine.v2.pt"]
    assert find_model("mine.v2").read_bytes() == WEIGHTS
    assert main(["models", "verify"]) == 0
    assert f"ok       mine.v2  {folder}\n" in capsys.readouterr().out
    assert main(["models", "list"]) == 0
    assert "mine.v2" in capsys.readouterr().out
    assert main(["models", "list", "--json"]) == 0
    (mine,) = [item for item in json.loads(capsys.readouterr().out) if item["name"] == "mine.v2"]
    assert mine["source"] == str(weights)
    assert mine["files"] == [{"name": "mine.v2.pt", "sha256": SHA256, "bytes": len(WEIGHTS)}]


def test_a_wrong_checksum_keeps_nothing(weights, folder, capsys) -> None:
    assert main(["models", "add", str(weights), "--sha256", "0" * 64]) == 5
    assert f"SHA-256 is {SHA256}, not {'0' * 64}; the file was not kept" in capsys.readouterr().err
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sha256": "abc"}, "--sha256 'abc' is not a SHA-256: 64 hexadecimal digits"),
        ({"name": "../x"}, "'../x' cannot name a model"),
        ({"name": ""}, ""),
    ],
)
def test_odd_arguments_of_add(weights, arguments, message) -> None:
    if not message:
        assert add_model(str(weights), **arguments).name == "mine.v2"
        return
    with pytest.raises(ModelError, match=message):
        add_model(str(weights), **arguments)


def test_names_and_files_are_not_taken_twice(weights, tmp_path) -> None:
    add_model(str(weights))
    with pytest.raises(ModelError, match="model 'mine.v2' exists in .*; give another --name, or remove that one"):
        add_model(str(weights))
    with pytest.raises(ModelError, match="mine.v2.pt belongs to model 'mine.v2'; rename your file"):
        add_model(str(weights), name="other")
    with pytest.raises(ModelError, match="absent.pt: cannot be copied to .*: No such file"):
        add_model(str(tmp_path / "absent.pt"))


def test_a_model_with_facts_brings_all_its_files(site, folder, tmp_path) -> None:
    place = bundle(site)
    moved = place.rename(tmp_path / "trained")
    model = add_model(str(moved / "acme-small.json"))
    assert not model.bundled
    assert {path.name for path in folder.iterdir()} == {
        "acme-small.json", "acme-small.md", "acme-small.safetensors", "acme-small.int8.onnx"
    }  # fmt: skip
    assert verify_model(model) == ()


def test_facts_whose_files_are_damaged_add_no_model(site, folder, tmp_path) -> None:
    moved = bundle(site).rename(tmp_path / "trained")
    (moved / "acme-small.int8.onnx").write_bytes(b"other")
    with pytest.raises(ModelError, match="acme-small.int8.onnx: SHA-256 is"):
        add_model(str(moved / "acme-small.json"))
    assert not (folder / "acme-small.json").exists()
    assert [model.name for model in list_models() if not model.bundled] == []


def test_a_broken_download_goes_on_where_it_stopped(server, folder) -> None:
    server.breaks = 3
    seen: list[tuple[int, int | None]] = []
    model = add_model(server.url, sha256=SHA256, progress=lambda done, total: seen.append((done, total)))
    assert find_model("weights").read_bytes() == WEIGHTS
    assert server.ranges == [None, "bytes=1048576-", "bytes=1572864-", "bytes=1835008-"]
    assert seen[-1] == (len(WEIGHTS), len(WEIGHTS))
    assert model.source == server.url
    assert sorted(path.name for path in folder.iterdir()) == ["weights.json", "weights.pt"]


def test_a_later_command_goes_on_too(server, tmp_path) -> None:
    target = tmp_path / "w.pt"
    part = tmp_path / "w.pt.part"
    server.breaks = 1
    server.status = 0
    part.write_bytes(WEIGHTS[:1000])
    (tmp_path / "w.pt.part.version").write_text(f"{server.url}\n{server.tag}\n")
    assert fetch(server.url, target, sha256=SHA256) == SHA256
    assert server.ranges[0] == "bytes=1000-"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["w.pt"]


def test_a_file_that_changed_meanwhile_is_begun_again(server, tmp_path) -> None:
    (tmp_path / "w.pt.part").write_bytes(b"old" * 100)
    (tmp_path / "w.pt.part.version").write_text(f'{server.url}\n"0"\n')
    assert fetch(server.url, tmp_path / "w.pt", sha256=SHA256) == SHA256
    assert (tmp_path / "w.pt").read_bytes() == WEIGHTS


def test_a_part_that_is_too_long_is_begun_again(server, tmp_path) -> None:
    (tmp_path / "w.pt.part").write_bytes(WEIGHTS + b"more")
    (tmp_path / "w.pt.part.version").write_text(f"{server.url}\n{server.tag}\n")
    assert fetch(server.url, tmp_path / "w.pt", sha256=SHA256) == SHA256
    assert server.ranges == ["bytes=2097156-", None]


def test_another_part_than_was_asked_for_is_not_taken(server, tmp_path) -> None:
    (tmp_path / "w.pt.part").write_bytes(WEIGHTS[:1000])
    server.shift = 5
    assert fetch(server.url, tmp_path / "w.pt", sha256=SHA256) == SHA256
    assert server.ranges == ["bytes=1000-", None]


def test_a_server_that_stays_broken_is_given_up_and_what_arrived_is_kept(server, tmp_path) -> None:
    (tmp_path / "w.pt.part").write_bytes(WEIGHTS[:1000])
    server.status = 503
    with pytest.raises(
        ModelError, match="503 Service Unavailable; 1000 bytes are kept, the same command goes on from there"
    ):
        fetch(server.url, tmp_path / "w.pt", sha256=SHA256)
    assert len(server.ranges) == 5
    assert not (tmp_path / "w.pt").exists()


def test_a_wrong_address_is_not_tried_again(server, tmp_path) -> None:
    server.status = 404
    with pytest.raises(ModelError, match="the server answers 404 Not Found; check the address"):
        fetch(server.url, tmp_path / "w.pt", sha256=SHA256)
    assert len(server.ranges) == 1


def test_plain_http_needs_a_checksum(server) -> None:
    with pytest.raises(ModelError, match="plain http protects nothing on the way; pass --sha256, or use https"):
        add_model(server.url)
    assert server.ranges == []


def test_facts_over_http_bring_their_files(server, site, tmp_path, folder, monkeypatch) -> None:
    moved = bundle(site).rename(tmp_path / "trained")
    served = {path.name: path.read_bytes() for path in moved.iterdir()}

    def get(self: Handler) -> None:
        self.server.content = served[self.path.rpartition("/")[2]]
        plain(self)

    plain = Handler.do_GET
    monkeypatch.setattr(Handler, "do_GET", get)
    digest = hashlib.sha256(served["acme-small.json"]).hexdigest()
    model = add_model(server.url.replace("weights.pt", "acme-small.json"), sha256=digest)
    assert verify_model(model) == ()
    assert (folder / "acme-small.int8.onnx").read_bytes() == b"onnx"


def test_two_processes_do_not_write_one_file(weights, tmp_path) -> None:
    target = tmp_path / "w.pt"
    outcome: list[str] = []

    def second(_done: int, _total: int | None) -> None:
        try:
            fetch(str(weights), target)
        except ModelError as error:
            outcome.append(str(error))

    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        fetch(server.url, target, sha256=SHA256, progress=second)
        server.shutdown()
        thread.join()
    assert outcome
    assert "another process is fetching this file; wait for it to end" in outcome[0]
