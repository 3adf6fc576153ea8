"""Installed plugins as their metadata tells them: found, ordered and named without importing any of them."""

from __future__ import annotations

import email
import importlib.machinery
import importlib.util
import json
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from photophore.hookspecs import API_VERSION, GROUP

#: The distribution whose plugins are built in.
BUILTIN = "photophore"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a plugin comes from.

    Parameters
    ----------
    distribution, version
        Of the installed distribution; for a plugin in one file the name of the file and the beginning of its SHA-256.
    entry_point
        Name of the entry point; for a plugin in one file the name of the file without its ending.
    location
        Folder of the installed distribution (the source folder of an editable one), or path of the file.
    one_file
        Whether the plugin is a file that nobody installed.
    """

    distribution: str
    version: str
    entry_point: str
    location: str = ""
    one_file: bool = False

    def __str__(self) -> str:
        if self.one_file:
            return f"{self.location} (one file, {self.version})"
        return f"{self.distribution} {self.version} (entry point {self.entry_point!r})"

    @property
    def builtin(self) -> bool:
        """Whether Photophore itself brings the plugin."""
        return not self.one_file and _normal(self.distribution) == BUILTIN


@dataclass(frozen=True, slots=True)
class PluginProblem:
    """Why a plugin, or some of its names, cannot be used.

    Parameters
    ----------
    origin
        The plugin at fault.
    reason
        What is wrong with it.
    specs
        ``(kind, name)`` of what is therefore missing, as far as it is known.
    cause
        The exception behind it, for ``--debug``.
    conflict
        Whether the plugin is sound, and another one wants the same names.
    seconds
        What finding that out took.
    """

    origin: Origin
    reason: str
    specs: tuple[tuple[str, str], ...] = ()
    cause: BaseException | None = field(default=None, compare=False, repr=False)
    conflict: bool = False
    seconds: float = field(default=0.0, compare=False)

    def __str__(self) -> str:
        return f"plugin {self.origin}: {self.reason}"

    @property
    def remedy(self) -> str:
        """What the user can do about it."""
        name = self.origin.distribution
        if self.origin.one_file:
            return f"correct or remove the file {self.origin.location}"
        if self.origin.builtin:
            return f"reinstall it: pip install --force-reinstall {name}"
        return f"update or remove it: pip install --upgrade {name}, or pip uninstall {name}"


class Entry(Protocol):
    """What can be loaded: an entry point, or a file."""

    @property
    def value(self) -> str:
        """What is loaded, in words for messages."""

    def load(self) -> Any: ...


@dataclass(frozen=True, slots=True)
class Found:
    """One entry point of the group that Photophore reads, or one file."""

    origin: Origin
    entry: Entry


def find_entry_points() -> tuple[tuple[Found, ...], tuple[PluginProblem, ...]]:
    """Return every plugin that is installed, built-ins first, and those whose metadata cannot be used."""
    found: list[Found] = []
    problems: list[PluginProblem] = []
    for name, version, distribution in _distributions():
        try:
            entries = list(distribution.entry_points)
        except Exception as error:  # noqa: BLE001 - any fault of a stranger's metadata is reported, not raised
            reason = f"its entry_points.txt cannot be read: {type(error).__name__}: {error}"
            problems.append(PluginProblem(Origin(name, version, "?", _location(distribution)), reason, cause=error))
            continue
        ours = {entry.name for entry in entries if entry.group == GROUP}
        location = _location(distribution)
        for entry in entries:
            origin = Origin(name, version, entry.name, location)
            if entry.group == GROUP:
                found.append(Found(origin, entry))
            elif entry.group.startswith(f"{BUILTIN}.") and entry.name not in ours:
                problems.append(PluginProblem(origin, _wrong_group(origin, entry.group)))
    found.sort(key=lambda item: (not item.origin.builtin, item.origin.distribution, item.origin.entry_point))
    return tuple(found), tuple(problems)


def locate(module: str) -> importlib.machinery.ModuleSpec | None:
    """Find ``module`` as import would, without importing it or its parents; None where it is not installed."""
    parent, _, _ = module.rpartition(".")
    if module in sys.modules and sys.modules[module] is not None and sys.modules[module].__spec__ is not None:
        return sys.modules[module].__spec__
    if not parent:
        return importlib.util.find_spec(module)
    package = locate(parent)
    if package is None or package.submodule_search_locations is None:
        return None
    return importlib.machinery.PathFinder.find_spec(module, list(package.submodule_search_locations))


def _distributions() -> Iterator[tuple[str, str, metadata.Distribution]]:
    """Yield name, version and distribution of those that speak of Photophore; the first on the path wins, as in import."""
    seen: set[str] = set()
    for candidate in metadata.distributions():
        if not _speaks_of_us(candidate):
            continue
        name, version = _identity(candidate)
        if _normal(name) in seen:
            continue
        seen.add(_normal(name))
        try:
            first = metadata.distribution(name)
        except (metadata.PackageNotFoundError, ValueError):
            first = candidate
        if first is not candidate:
            if not _speaks_of_us(first):
                continue
            name, version = _identity(first)
        yield name, version, first


def _speaks_of_us(distribution: metadata.Distribution) -> bool:
    try:
        text = distribution.read_text("entry_points.txt")
    except UnicodeDecodeError:
        return False
    return text is not None and f"{BUILTIN}." in text


def _identity(distribution: metadata.Distribution) -> tuple[str, str]:
    try:
        text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    except UnicodeDecodeError:  # what it says of itself cannot be told; where it is can
        text = ""
    message = email.message_from_string(text)
    return message["Name"] or "unnamed distribution", message["Version"] or "of unknown version"


def _location(distribution: metadata.Distribution) -> str:
    """Return the folder that a distribution was installed into, or the source folder of an editable installation."""
    with suppress(ValueError, LookupError, TypeError):  # there is none, or it is not as installers write it
        direct = json.loads(distribution.read_text("direct_url.json") or "{}")
        if direct["dir_info"]["editable"]:
            return unquote(urlsplit(str(direct["url"])).path)
    return str(distribution.locate_file("")).rstrip("/")


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _wrong_group(origin: Origin, group: str) -> str:
    match = re.fullmatch(rf"{BUILTIN}\.v(\d+)", group)
    if match is None:
        return f"stands in the entry-point group {group!r}, which nothing reads; it belongs into {GROUP!r}"
    number = int(match[1])
    words = f"is written for plugin interface v{number}, and this Photophore speaks v{API_VERSION}"
    remedy = "upgrade Photophore" if number > API_VERSION else f"upgrade {origin.distribution}"
    return f"{words}; {remedy}"
