"""Model weights: bundled with a plugin, or added by the user; found by name, and checked by their SHA-256.

A model is a facts file ``NAME.json`` beside the files that it names. Bundled ones lie in ``weights/`` of a plugin's package;
the user's in ``$PHOTOPHORE_MODELS``, or ``~/.local/share/photophore/models``. Facts are written by `write_facts`:

    {"schema_version": 1, "name": "near-small", "encoder": "near", "summary": "...", "licence": "BSD-3-Clause",
     "card": "near-small.md", "source": "",
     "files": {"near-small.safetensors": {"sha256": "...", "bytes": 4600000}, "near-small.md": {...}}}
"""

from __future__ import annotations

import json
import os
import re
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from photophore.config import near_miss
from photophore.download import Progress, fetch, is_url, sha256_of
from photophore.errors import ModelError

SCHEMA_VERSION = 1

#: How files of torch begin: a zip archive, or (before torch 1.6) a pickle.
_TORCH_MAGIC = (b"PK\x03\x04", b"\x80\x02")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class WeightFile:
    """One file of a model: name beside the facts file, SHA-256 in hexadecimal, size in bytes."""

    name: str
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Model:
    """What is known of a model.

    Parameters
    ----------
    name, encoder, summary, licence
        As in the facts; ``encoder`` names the plugin that loads it and may be empty for files added by hand.
    files
        Its files, the principal one first; the model card is one of them.
    folder
        Where they lie.
    bundled
        Whether a plugin brought it.
    card
        File name of the model card, empty where there is none.
    source
        Where a model that was added came from.
    facts
        Everything that the facts file says.
    """

    name: str
    encoder: str
    summary: str
    licence: str
    files: tuple[WeightFile, ...]
    folder: Path
    bundled: bool
    card: str = ""
    source: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(file.bytes for file in self.files)


def user_folder() -> Path:
    """Return the folder of the user's own models; it need not exist."""
    chosen = os.environ.get("PHOTOPHORE_MODELS")
    if chosen:
        return Path(chosen).expanduser()
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(data).expanduser() / "photophore" / "models"


def scan_models() -> tuple[tuple[Model, ...], tuple[ModelError, ...]]:
    """Return every model by name, bundled ones first, and what is wrong with facts files that cannot be read."""
    models: list[Model] = []
    problems: list[ModelError] = []
    for folder, bundled in [*((folder, True) for folder in _bundled_folders()), (user_folder(), False)]:
        for path in sorted(folder.glob("*.json")):
            try:
                models.append(read_facts(path, bundled=bundled))
            except ModelError as error:
                problems.append(error)
    models.sort(key=lambda model: (not model.bundled, model.name))
    return tuple(models), tuple(problems)


def list_models() -> tuple[Model, ...]:
    """Return every model whose facts can be read."""
    return scan_models()[0]


def find_model(name_or_path: str | Path, *, suffix: str = "") -> Path:
    """Return the weights file of a model, or the path itself where a file or folder is given.

    Parameters
    ----------
    name_or_path
        Name as in ``photophore models list``, or a path.
    suffix
        End of the wanted file name, such as ``.int8.onnx``; without it, the first file of the model.

    Raises
    ------
    ModelError
        Neither a model nor a path has that name, or the file is missing or cut short.
    """
    models, problems = scan_models()
    named = [model for model in models if model.name == str(name_or_path)]
    if len(named) > 1:
        places = " and ".join(str(model.folder) for model in named)
        raise ModelError(f"model {named[0].name!r} exists in {places}; name the file by its path, or remove one")
    if named:
        return _file_of(named[0], suffix)
    path = Path(name_or_path).expanduser()
    if path.exists():
        return path
    known = [model.name for model in models]
    notes = "".join(f"\n  {problem}" for problem in problems)
    raise ModelError(
        f"no model and no file is called {str(name_or_path)!r}{near_miss(str(name_or_path), known)} (known models: "
        f"{', '.join(known) or 'none'}); photophore models add FILE_OR_URL brings one{notes}"
    )


def is_checkpoint(path: Path) -> bool:
    """Whether a file is a checkpoint of torch, by its first bytes; our own weights are safetensors."""
    if not path.is_file():
        raise ModelError(f"{path}: is no file; give the path of a checkpoint or of a .safetensors file")
    with path.open("rb") as stream:
        return stream.read(4).startswith(_TORCH_MAGIC)


def verify_model(model: Model) -> tuple[ModelError, ...]:
    """Recompute size and SHA-256 of every file and return what does not hold."""
    problems = []
    for file in model.files:
        try:
            path = _checked_size(model, file)
            found = sha256_of(path)
        except ModelError as error:
            problems.append(error)
            continue
        if found != file.sha256:
            problems.append(
                ModelError(f"{path}: SHA-256 is {found}, not {file.sha256} as its facts say; {_remedy(model)}")
            )
    return tuple(problems)


def read_facts(path: Path, *, bundled: bool = False) -> Model:
    """Read one facts file; raise `ModelError` with the file and the field at fault."""
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ModelError(f"{path}: not a facts file of a model: {error}") from error
    if not isinstance(facts, dict):
        raise ModelError(f"{path}: a facts file holds an object, not {type(facts).__name__}")
    if facts.get("schema_version") != SCHEMA_VERSION:
        raise ModelError(
            f"{path}: schema_version is {facts.get('schema_version')!r}, and this Photophore reads {SCHEMA_VERSION}"
        )
    texts = {key: facts.get(key, "") for key in ("name", "encoder", "summary", "licence", "card", "source")}
    for key, value in texts.items():
        if not isinstance(value, str):
            raise ModelError(f"{path}: {key} must be text, got {value!r}")
    if texts["name"] != path.stem:
        raise ModelError(f"{path}: name is {texts['name']!r}, but the file is called {path.name!r}; they must agree")
    files = tuple(_read_files(path, facts.get("files")))
    if texts["card"] and texts["card"] not in {file.name for file in files}:
        raise ModelError(f"{path}: the card {texts['card']!r} is not among files; list it with its sha256 and bytes")
    return Model(files=files, folder=path.parent, bundled=bundled, facts=facts, **texts)


def write_facts(
    folder: Path, name: str, files: Sequence[str], *, encoder: str, licence: str, card: str = "", **more: Any
) -> Model:
    """Measure ``files`` in ``folder`` and write ``NAME.json`` beside them.

    Parameters
    ----------
    folder
        Where the files lie.
    name
        Name of the model; also the stem of the facts file.
    files
        File names, the principal one first.
    card
        File name of the model card; it is added to the files.
    more
        Further facts: ``summary`` and ``source`` are shown to the user, others are kept.
    """
    _check_name(name)
    measured = {
        file: {"sha256": sha256_of(folder / file), "bytes": (folder / file).stat().st_size}
        for file in [*files, *([card] if card and card not in files else [])]
    }
    facts = {
        "schema_version": SCHEMA_VERSION,
        "name": name,
        "encoder": encoder,
        "licence": licence,
        "card": card,
        **more,
        "files": measured,
    }
    path = folder / f"{name}.json"
    beside = path.with_name(path.name + ".part")
    beside.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    beside.replace(path)
    return read_facts(path)


def add_model(
    source: str,
    *,
    sha256: str | None = None,
    name: str | None = None,
    encoder: str = "",
    licence: str = "unknown",
    progress: Progress | None = None,
) -> Model:
    """Copy or download a model into the user's folder and return it.

    Parameters
    ----------
    source
        Path or address of a weights file, or of a facts file (``.json``), whose files are then fetched from beside it.
    sha256
        What the checksum of ``source`` must be.
    name
        Name for the model; by default the file name without its last suffix.
    """
    if sha256 is not None and not _SHA256.fullmatch(sha256.lower()):
        raise ModelError(f"--sha256 {sha256!r} is not a SHA-256: 64 hexadecimal digits")
    filename = Path(urllib.parse.unquote(urllib.parse.urlsplit(source).path) if is_url(source) else source).name
    _check_name(filename)
    name = name or Path(filename).stem
    _check_name(name)
    _check_free(name, filename)
    folder = user_folder()
    if filename.endswith(".json"):
        return _add_with_facts(source, folder / f"{name}.json", sha256=sha256, progress=progress)
    fetch(source, folder / filename, sha256=sha256, progress=progress)
    return write_facts(folder, name, [filename], encoder=encoder, licence=licence, source=_absolute(source))


def _add_with_facts(source: str, target: Path, *, sha256: str | None, progress: Progress | None) -> Model:
    """Fetch a facts file, then every file that it names; the facts get their final name last."""
    arrived = target.parent / ".incoming" / target.name
    try:
        fetch(source, arrived, sha256=sha256)
        facts = read_facts(arrived)
        for file in facts.files:
            _check_free(facts.name, file.name)
            fetch(_beside(source, file.name), target.parent / file.name, sha256=file.sha256, progress=progress)
        arrived.replace(target)
    finally:
        arrived.unlink(missing_ok=True)
        arrived.parent.rmdir()
    return read_facts(target)


def _bundled_folders() -> Iterator[Path]:
    """Yield ``weights/`` of every package that holds a plugin, broken plugins included; nothing is imported."""
    from photophore.entrypoints import find_entry_points, locate

    seen: set[Path] = set()
    for found in find_entry_points()[0]:
        parts = found.entry.value.partition(":")[0].strip().split(".")
        for depth in range(len(parts), 0, -1):
            spec = locate(".".join(parts[:depth]))
            for place in (spec.submodule_search_locations or ()) if spec else ():
                folder = Path(place) / "weights"
                if folder.is_dir() and folder not in seen:
                    seen.add(folder)
                    yield folder


def _file_of(model: Model, suffix: str) -> Path:
    for file in model.files:
        if file.name.endswith(suffix):
            return _checked_size(model, file)
    names = ", ".join(file.name for file in model.files)
    raise ModelError(f"model {model.name!r} has no file that ends with {suffix!r}; its files are: {names}")


def _checked_size(model: Model, file: WeightFile) -> Path:
    path = model.folder / file.name
    if not path.is_file():
        raise ModelError(f"{path}: file of model {model.name!r} is missing; {_remedy(model)}")
    size = path.stat().st_size
    if size != file.bytes:
        raise ModelError(f"{path}: has {size} bytes, not {file.bytes} as its facts say; {_remedy(model)}")
    return path


def _remedy(model: Model) -> str:
    if model.bundled:
        return "reinstall the package that brought it"
    return f"remove {model.folder / model.name}.json and add the model again"


def _read_files(path: Path, files: object) -> Iterator[WeightFile]:
    if not isinstance(files, dict) or not files:
        raise ModelError(f"{path}: files must map file names to sha256 and bytes, got {files!r}")
    for name, entry in files.items():
        if not _NAME.fullmatch(name):
            raise ModelError(f"{path}: {name!r} is not a plain file name")
        digest, size = (entry.get("sha256"), entry.get("bytes")) if isinstance(entry, dict) else (None, None)
        if not (isinstance(digest, str) and _SHA256.fullmatch(digest)):
            raise ModelError(f"{path}: sha256 of {name!r} must be 64 hexadecimal digits, got {digest!r}")
        if not isinstance(size, int):
            raise ModelError(f"{path}: bytes of {name!r} must be a whole number, got {size!r}")
        yield WeightFile(name, digest, size)


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ModelError(
            f"{name!r} cannot name a model; use letters, digits, '.', '_' and '-', beginning with a letter or digit"
        )


def _check_free(name: str, filename: str) -> None:
    """Raise where another model has the name, or a model of the user has the file."""
    for model in list_models():
        if model.name == name:
            raise ModelError(f"model {name!r} exists in {model.folder}; give another --name, or remove that one")
        if not model.bundled and any(file.name == filename for file in model.files):
            raise ModelError(
                f"{model.folder / filename} belongs to model {model.name!r}; rename your file, or remove that model"
            )


def _absolute(source: str) -> str:
    return source if is_url(source) else str(Path(source).expanduser().resolve())


def _beside(source: str, filename: str) -> str:
    if is_url(source):
        return urllib.parse.urljoin(source, urllib.parse.quote(filename))
    return str(Path(source).expanduser().parent / filename)
