"""The configuration of one run: made once, from a YAML file and the command line, and never changed.

    database: default
    threads: 8
    aggregator: near-sum
    annotator: {name: hmmer, options: {evalue: 1e-5}}
    set: {aggregator.threshold: 0.5}

What the command line says wins over the file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from photophore.config import near_miss, options_of, parse_option
from photophore.errors import PhotophoreError, Problems, UsageError
from photophore.fasta import STOPS

#: Links of the chain, in its order.
KINDS = ("encoder", "index", "aggregator", "annotator")

#: Default size of a batch: the costs that the annotator has once a profile are spread over this much.
BATCH_RECORDS, BATCH_RESIDUES = 4_000, 1_200_000

_DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?")


@dataclass(frozen=True, slots=True)
class LinkChoice:
    """What the user asked of one link: its name (None leaves it to the database) and options by field."""

    name: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


Links = Mapping[str, LinkChoice]


def available_cpus() -> int:
    """Return the number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """Everything that decides what ``photophore annotate`` does. Fields with help are keys of the YAML file."""

    inputs: tuple[str, ...] = field(default=(), metadata={"help": "FASTA files; - is standard input"})
    output: str = field(default="", metadata={"help": "folder for the results"})
    database: str | None = field(default=None, metadata={"help": "name or folder of a database"})
    formats: tuple[str, ...] = field(default=(), metadata={"help": "output formats; empty for all"})
    threads: int = field(default_factory=available_cpus, metadata={"help": "processor threads to use"})
    device: str = field(default="auto", metadata={"help": "cpu, cuda, cuda:N or auto"})
    stops: str = field(default="mask", metadata={"help": "a * inside a sequence: mask or fail", "choices": STOPS})
    allow_nucleotide_like: bool = field(default=False, metadata={"help": "take input that looks like DNA"})
    batch_records: int = field(default=BATCH_RECORDS, metadata={"help": "proteins in one batch, at most"})
    batch_residues: int = field(default=BATCH_RESIDUES, metadata={"help": "residues in one batch, at most"})
    force: bool = field(default=False, metadata={"help": "replace earlier results"})
    dry_run: bool = field(default=False, metadata={"help": "check everything, annotate nothing"})
    links: Links = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("threads", "batch_records", "batch_residues"):
            if getattr(self, name) < 1:
                raise UsageError(f"{_flag(name)} is {getattr(self, name)}; give a whole number of at least 1")
        check_device(self.device)


def check_device(device: str) -> None:
    """Raise `UsageError` unless ``device`` has the form of one."""
    if not _DEVICE.fullmatch(device):
        raise UsageError(f"--device is {device!r}; give cpu, cuda, cuda:N (such as cuda:0) or auto")


def load_run_config(file: Path | None, options: Mapping[str, Any], links: Links) -> RunConfig:
    """Return the configuration out of a YAML ``file`` and the command line, which wins.

    Parameters
    ----------
    file
        YAML file, or None.
    options
        Fields of `RunConfig` that the command line sets; None and empty values are not set.
    links
        Links that the command line sets.

    Raises
    ------
    UsageError
        For an unknown key or a value of the wrong type; several faults come together as `Problems`.
    """
    values, file_links = _read_yaml(file) if file else ({}, {})
    values.update({name: value for name, value in options.items() if value not in (None, (), "")})
    return RunConfig(**values, links=merge_links(file_links, links))


def merge_links(below: Links, above: Links) -> dict[str, LinkChoice]:
    """Lay ``above`` over ``below``; another name of a link leaves the options behind that were meant for the first."""
    merged = dict(below)
    for kind, choice in above.items():
        under = below.get(kind, LinkChoice())
        same = choice.name is None or under.name is None or choice.name == under.name
        merged[kind] = LinkChoice(choice.name or under.name, {**(under.options if same else {}), **choice.options})
    return merged


def parse_settings(settings: Iterable[str]) -> dict[str, LinkChoice]:
    """Return the options in ``KIND.FIELD=VALUE`` texts by kind."""
    options: dict[str, dict[str, Any]] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise UsageError(f"--set {setting!r} has no '='; write KIND.FIELD=VALUE, such as aggregator.threshold=0.5")
        kind, name = _split_key(key.strip(), f"--set {setting!r}")
        if name in options.setdefault(kind, {}):
            raise UsageError(f"--set {setting!r}: {kind}.{name} is given twice; give it once")
        options[kind][name] = value.strip()
    return {kind: LinkChoice(options=values) for kind, values in options.items()}


def _split_key(key: str, where: str) -> tuple[str, str]:
    kind, dot, name = key.partition(".")
    if kind not in KINDS:
        raise UsageError(f"{where}: {kind!r} is no link of the chain{_listed(kind, KINDS)}")
    if not dot or not name:
        raise UsageError(f"{where}: names no option; write {kind}.FIELD, photophore plugins list shows the fields")
    return kind, name.replace("-", "_")


def _read_yaml(file: Path) -> tuple[dict[str, Any], Links]:
    """Return the plain values and the links in a YAML file, every fault of it reported together."""
    content = _load_yaml(file)
    fields = {option.name: option for option in options_of(RunConfig) if option.name != "links"}
    values: dict[str, Any] = {}
    links: dict[str, LinkChoice] = {}
    problems: list[PhotophoreError] = []
    for given, value in content.items():
        key = str(given).replace("-", "_")
        try:
            if key in fields:
                text_input = key == "inputs" and isinstance(value, str)
                values[key] = parse_option(fields[key], (value,) if text_input else value)
            else:
                links = merge_links(links, _links(key, value, file, (*fields, *KINDS, "set")))
        except ValueError as error:
            problems.append(UsageError(f"{file}: {key}: {error}"))
        except UsageError as error:
            problems.append(error)
    if problems:
        raise problems[0] if len(problems) == 1 else Problems(problems)
    return values, links


def _load_yaml(file: Path) -> dict[Any, Any]:
    import yaml

    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror}; check the path given to --config") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: this is not YAML: {' '.join(str(error).split())}; correct it there") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise UsageError(f"{file}: holds {type(content).__name__}, not keys with values; write lines like 'threads: 8'")
    return content


def _links(key: str, value: Any, file: Path, keys: Sequence[str]) -> Links:
    """Return what one key of the file that is no plain value says of the links."""
    if key == "set":
        return _settings(value, file)
    if key not in KINDS:
        raise UsageError(f"{file}: there is no key {key!r}{_listed(key, keys)}")
    return {key: _link(value, f"{file}: {key}")}


def _link(value: Any, where: str) -> LinkChoice:
    """Return a link out of its name, or out of ``{name: ..., options: {...}}``."""
    if isinstance(value, str):
        return LinkChoice(value)
    if not isinstance(value, dict):
        raise UsageError(f"{where}: is {value!r}; write a name, or {{name: ..., options: {{FIELD: VALUE}}}}")
    for key in value:
        if key not in ("name", "options"):
            raise UsageError(f"{where}: there is no key {key!r}{_listed(str(key), ('name', 'options'))}")
    options = value.get("options") or {}
    if not isinstance(options, dict):
        raise UsageError(f"{where}: options are {options!r}; write {{FIELD: VALUE}}")
    return LinkChoice(value.get("name"), {str(name).replace("-", "_"): item for name, item in options.items()})


def _settings(value: Any, file: Path) -> dict[str, LinkChoice]:
    """Return ``set: {KIND.FIELD: VALUE}`` by kind."""
    if not isinstance(value, dict):
        raise UsageError(f"{file}: set: is {value!r}; write {{KIND.FIELD: VALUE}}")
    options: dict[str, dict[str, Any]] = {}
    for key, item in value.items():
        kind, name = _split_key(str(key), f"{file}: set")
        options.setdefault(kind, {})[name] = item
    return {kind: LinkChoice(options=values) for kind, values in options.items()}


def _listed(given: str, known: Sequence[str]) -> str:
    miss = near_miss(given, known)
    return f"{miss}{' ' if miss else '; '}known are: {', '.join(known)}"


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
