"""The links that a run or a database was asked for, looked up, checked and configured, with every problem at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from photophore.config import make_config
from photophore.contract import KINDS
from photophore.errors import PhotophoreError, UsageError
from photophore.registry import Registry, require_modules
from photophore.runconfig import LinkChoice, Links
from photophore.trace import calling

if TYPE_CHECKING:
    from photophore.hookspecs import Spec

#: Links of each method by kind; the first is what ``db build`` uses unless told otherwise.
METHODS: Mapping[str, Mapping[str, str]] = {
    "near-hmmer": {"encoder": "near", "index": "ivf-lists", "aggregator": "diagonal", "annotator": "hmmer"},
    "hifinn": {"encoder": "hifinn", "index": "flat", "aggregator": "label-density", "annotator": "hifinn"},
    "siamese": {"encoder": "siamese-residues", "index": "ivf-lists", "aggregator": "diagonal", "annotator": "siamese"},
}

#: Options that belong to a method: for its links, unless the user sets others or takes another link.
METHOD_OPTIONS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "near-hmmer": {"index": {"k": 96, "nprobe": 32}, "aggregator": {"pairs": 0.2, "bins": 3, "nearest": 0.001}},
    "hifinn": {"index": {"k": 20}},
    "siamese": {
        "index": {"keep": 0.18, "stride": 1, "asked": 0.33, "k": 32, "nprobe": 6},
        "aggregator": {"max_candidates": 30},
    },
}


@dataclass(frozen=True)
class Link:
    """One link that can be opened: its spec, its configuration, and the options that were set by someone.

    ``maker`` is the distribution and version of a plugin that is not built in.
    """

    spec: Any
    config: Any
    options: Mapping[str, Any]
    maker: str = ""

    @property
    def name(self) -> str:
        """Name of the plugin."""
        return str(self.spec.name)

    def create(self, *opened: Any) -> Any:
        """Call the spec's ``create``: with the runtime, or for an annotator with folder, targets and runtime."""
        *before, runtime = opened
        with self.calling("create"):
            return self.spec.create(*before, self.config, runtime)

    @contextmanager
    def calling(self, what: str) -> Iterator[None]:
        """Run code of this plugin; an error that nobody foresaw gets a note that names it."""
        plugin = f"{self.spec.kind} {self.name}{f' of {self.maker}' if self.maker else ''}"
        try:
            with calling(plugin, what):
                yield
        except PhotophoreError:
            raise
        except Exception as error:
            error.add_note(f"in {plugin}, {what}")
            raise

    def all_options(self) -> dict[str, Any]:
        """Return every option, defaults included, JSON-ready."""
        return {name: json_ready(value) for name, value in asdict(self.config).items()}


def json_ready(value: Any) -> Any:
    """Return an option's value as JSON can hold it."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple | list):
        return [json_ready(item) for item in value]
    return value


def method_links(method: str) -> Links:
    """Return the links of a method, with the options that belong to it."""
    if method not in METHODS:
        raise UsageError(f"--method {method}: there is no such method; choose one of {', '.join(METHODS)}")
    options = METHOD_OPTIONS.get(method, {})
    return {kind: LinkChoice(name, options.get(kind, {})) for kind, name in METHODS[method].items()}


def method_name(links: Mapping[str, Link]) -> str:
    """Return the name of the method that these links make, or the names of the links where it has none."""
    names = {kind: link.name for kind, link in links.items()}
    for method, wanted in METHODS.items():
        if names == wanted:
            return method
    return "+".join(names[kind] for kind in KINDS)


def choose_links(registry: Registry, choices: Links) -> tuple[dict[str, Link], list[PhotophoreError]]:
    """Return the links that can be used, and what is wrong with the others; ``choices`` must name each kind."""
    links: dict[str, Link] = {}
    problems: list[PhotophoreError] = []
    for kind in KINDS:
        choice = choices[kind]
        try:
            spec: Spec = registry.spec(kind, str(choice.name))
            require_modules(spec)
            config = make_config(spec, choice.options)
            options = {name: getattr(config, name) for name in (given.replace("-", "_") for given in choice.options)}
            origin = registry.origin(spec)
            maker = "" if origin.builtin else f"{origin.distribution} {origin.version}"
            links[kind] = Link(spec, config, options, maker)
        except PhotophoreError as error:
            problems.append(error)
    return links, problems
