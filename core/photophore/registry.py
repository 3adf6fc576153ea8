"""The plugins that can be used, and what is wrong with the others.

Every plugin, built-in or not, comes in through an entry point of the group ``photophore.v1``. One that breaks is rolled
back whole and remembered as a `PluginProblem`; it never takes the rest down.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pluggy

from photophore import hookspecs
from photophore.config import near_miss
from photophore.contract import HOOKS, KINDS, spec_faults
from photophore.entrypoints import BUILTIN, Found, Origin, PluginProblem, find_entry_points, locate
from photophore.errors import PhotophoreError, PluginError, Problems
from photophore.hookspecs import Requirement, Spec

__all__ = ["KINDS", "Origin", "PluginProblem", "Registry", "load_registry", "missing_requirements", "require_modules"]

Key = tuple[str, str]

#: Beginnings of the files that stand between the core and a plugin in a traceback.
_OUR_SIDE = (
    "<",
    str(Path(__file__).parent),
    str(Path(pluggy.__file__).parent),
    str(Path(importlib.__file__).parent),
)


@dataclass(frozen=True, slots=True)
class Registry:
    """Specs of every usable plugin by kind and name, and the problems of the unusable ones.

    Parameters
    ----------
    entries
        ``(kind, name)`` to the spec and its origin.
    problems
        What was left out, and why.
    manager
        The pluggy manager, in which exactly the usable plugins are registered.
    """

    entries: Mapping[Key, tuple[Spec, Origin]]
    problems: tuple[PluginProblem, ...]
    manager: pluggy.PluginManager

    def specs(self, kind: str | None = None) -> tuple[Spec, ...]:
        """Return the specs of ``kind`` by name, or of all kinds in the order of the chain."""
        if kind is None:
            return tuple(spec for each in KINDS for spec in self.specs(each))
        _check_kind(kind)
        return tuple(
            spec for (of, _), (spec, _) in sorted(self.entries.items(), key=lambda item: item[0]) if of == kind
        )

    def spec(self, kind: str, name: str) -> Spec:
        """Return the spec of ``name``, or raise `PluginError` saying why there is none and what is near."""
        _check_kind(kind)
        entry = self.entries.get((kind, name))
        if entry is None:
            raise PluginError(self._absence(kind, name))
        return entry[0]

    def origin(self, spec: Spec) -> Origin:
        """Return where ``spec`` comes from."""
        entry = self.entries.get((spec.kind, spec.name))
        if entry is None or entry[0] is not spec:
            raise PluginError(f"{spec.kind} {spec.name!r} did not come from an installed plugin")
        return entry[1]

    def _absence(self, kind: str, name: str) -> str:
        for problem in self.problems:
            if (kind, name) in problem.specs:
                return f"{kind} {name!r} cannot be used: {problem}; {problem.remedy}"
        names = [spec.name for spec in self.specs(kind)]
        listing = f"installed are: {', '.join(names)}" if names else f"no {kind} is installed"
        miss = near_miss(name, names)
        text = f"there is no {kind} {name!r}{miss}{' ' if miss else '; '}{listing}"
        others = [of for of in KINDS if (of, name) in self.entries]
        if others:
            text += f" ({name!r} is an {others[0]})" if others[0][0] in "aei" else f" ({name!r} is a {others[0]})"
        broken = [problem for problem in self.problems if not problem.specs]
        for problem in broken:
            text += f"\n  left out, and may have brought it: {problem}; {problem.remedy}"
        return text


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A plugin that passed every check of its own; conflicts with others are still to be settled."""

    origin: Origin
    plugin: Any
    specs: tuple[Spec, ...]

    @property
    def keys(self) -> tuple[Key, ...]:
        return tuple((spec.kind, spec.name) for spec in self.specs)


def load_registry(*, only: tuple[str, ...] | None = None, strict: bool | None = None) -> Registry:
    """Load every installed plugin, leaving out the broken ones.

    Parameters
    ----------
    only
        Entry points or distributions to load; None takes ``PHOTOPHORE_PLUGINS`` (comma-separated), or all where that is unset.
    strict
        Whether a broken plugin is an error; None takes ``PHOTOPHORE_STRICT``.

    Raises
    ------
    PluginError
        With ``strict``, for a broken plugin (several come together as `Problems`); always, for a name in ``only`` that is not installed.
    """
    found, unusable = find_entry_points()
    wanted = _wanted(only)
    if wanted is not None:
        found = _choose(found, wanted)
        unusable = tuple(item for item in unusable if not wanted.isdisjoint(_names(item.origin)))
    manager = pluggy.PluginManager("photophore")
    manager.add_hookspecs(hookspecs)
    problems = list(unusable)
    loaded = []
    for item in found:
        outcome = _load(manager, item)
        if isinstance(outcome, PluginProblem):
            problems.append(outcome)
        else:
            loaded.append(outcome)
    entries = _settle(manager, loaded, problems)
    if problems and (_strict_by_environment() if strict is None else strict):
        faults: list[PhotophoreError] = [PluginError(f"{problem}; {problem.remedy}") for problem in problems]
        raise faults[0] if len(faults) == 1 else Problems(faults)
    return Registry(MappingProxyType(entries), tuple(problems), manager)


def missing_requirements(spec: Spec) -> tuple[Requirement, ...]:
    """Return the modules that ``spec`` needs and that are not installed; nothing is imported to find out."""
    return tuple(requirement for requirement in spec.requires if locate(requirement.module) is None)


def require_modules(spec: Spec) -> None:
    """Raise `PluginError` with the commands to run where a module that ``spec`` needs is not installed."""
    missing = missing_requirements(spec)
    if missing:
        modules = ", ".join(requirement.module for requirement in missing)
        commands = "; ".join(dict.fromkeys(requirement.install for requirement in missing))
        raise PluginError(f"{spec.kind} {spec.name!r} needs {modules}, which is not installed; run: {commands}")


def _load(manager: pluggy.PluginManager, found: Found) -> _Loaded | PluginProblem:
    """Import, register, ask and check one plugin; on any fault nothing of it stays."""
    plugin: Any = None
    specs: list[Spec] = []
    known = set(map(id, manager.get_plugins()))
    try:
        with _stage(f"importing {found.entry.value!r}"), redirect_stdout(sys.stderr):
            plugin = found.entry.load()
        _check_new(found, plugin, known)
        with _stage("registering its hooks"):
            manager.register(plugin, name=str(found.origin))
        _check_hooks(manager, plugin)
        for hook, expected in HOOKS.items():
            with redirect_stdout(sys.stderr):
                specs += _ask(manager, plugin, hook, expected)
        return _checked(_Loaded(found.origin, plugin, tuple(specs)))
    except PluginError as error:
        if plugin is not None and id(plugin) not in known and manager.is_registered(plugin):
            manager.unregister(plugin)
        keys = tuple((spec.kind, spec.name) for spec in specs)
        return PluginProblem(found.origin, str(error), keys, error.__cause__ or error)


def _check_new(found: Found, plugin: Any, known: set[int]) -> None:
    if plugin is None:
        raise PluginError(f"{found.entry.value!r} is None, not a module or an object with hooks")
    if id(plugin) in known:
        raise PluginError(f"{found.entry.value!r} is already loaded by another entry point; name it once")


@contextmanager
def _stage(what: str) -> Iterator[None]:
    """Turn whatever a plugin throws, SystemExit too, into a `PluginError` that says at which step and line."""
    try:
        yield
    except (KeyboardInterrupt, PluginError):
        raise
    except BaseException as error:
        places = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
        theirs = [f" ({file}:{line})" for file, line in places if not file.startswith(_OUR_SIDE)]
        where = theirs[-1] if theirs else ""
        raise PluginError(f"{what} failed: {type(error).__name__}: {error}{where}") from error


def _check_hooks(manager: pluggy.PluginManager, plugin: Any) -> None:
    """Raise unless the plugin implements hooks that exist, and as plain functions."""
    names = [caller.name for caller in manager.get_hookcallers(plugin) or ()]
    if not names:
        raise PluginError(f"it implements no hook; mark at least one of {', '.join(HOOKS)} with @hookimpl")
    for name in names:
        if name not in HOOKS:
            miss = near_miss(name, HOOKS)
            raise PluginError(
                f"it implements {name!r}, which is not a hook{miss or '; hooks are: ' + ', '.join(HOOKS)}"
            )
        for implementation in getattr(manager.hook, name).get_hookimpls():
            if implementation.plugin is plugin and (implementation.wrapper or implementation.hookwrapper):
                raise PluginError(f"{name} is a hook wrapper; a plugin returns its own specs and touches no others")


def _ask(manager: pluggy.PluginManager, plugin: Any, hook: str, expected: type[Spec]) -> list[Spec]:
    """Call one hook of one plugin and return its specs, checked for their class alone."""
    if all(caller.name != hook for caller in manager.get_hookcallers(plugin) or ()):
        return []
    others = [other for other in manager.get_plugins() if other is not plugin]
    with _stage(f"calling {hook}"):
        results = manager.subset_hook_caller(hook, others)()
        returned = results[0] if results else None
        if returned is None or isinstance(returned, str | bytes | Mapping) or not hasattr(returned, "__iter__"):
            raise PluginError(f"{hook} must return a list of {expected.__name__}, got {returned!r}")
        specs = list(returned)
    for spec in specs:
        if not isinstance(spec, expected):
            raise PluginError(f"{hook} must return a list of {expected.__name__}, got one with {spec!r}")
    return specs


def _checked(loaded: _Loaded) -> _Loaded:
    faults = []
    for spec in loaded.specs:
        with _stage(f"checking {spec.kind} {spec.name!r}"):
            faults += spec_faults(spec, type(spec))
    twice = sorted({key for key in loaded.keys if loaded.keys.count(key) > 1})
    faults += [f"{kind} {name!r} is declared twice" for kind, name in twice]
    if not loaded.specs:
        faults.append("its hooks return no spec at all")
    if faults:
        raise PluginError("; ".join(faults))
    return loaded


def _settle(
    manager: pluggy.PluginManager, loaded: Sequence[_Loaded], problems: list[PluginProblem]
) -> dict[Key, tuple[Spec, Origin]]:
    """Give each name to one plugin: a built-in keeps its own, and a name that two strangers want goes to neither."""
    entries: dict[Key, tuple[Spec, Origin]] = {}
    strangers: list[_Loaded] = []
    for item in loaded:
        taken = [key for key in item.keys if key in entries]
        if taken:
            manager.unregister(item.plugin)
            clashes = "; ".join(f"{kind} {name!r} is already {entries[kind, name][1]}'s" for kind, name in taken)
            keys = tuple(key for key in item.keys if key not in entries)
            problems.append(
                PluginProblem(item.origin, f"{clashes}; the built-in stays, all of this plugin is left out", keys)
            )
        elif item.origin.builtin:
            entries.update({(spec.kind, spec.name): (spec, item.origin) for spec in item.specs})
        else:
            strangers.append(item)
    owners: dict[Key, list[tuple[Spec, Origin]]] = {}
    for item in strangers:
        for key, spec in zip(item.keys, item.specs, strict=True):
            owners.setdefault(key, []).append((spec, item.origin))
    for (kind, name), sides in owners.items():
        if len(sides) == 1:
            entries[kind, name] = sides[0]
        else:
            names = " and by ".join(str(origin) for _, origin in sides)
            reason = f"{kind} {name!r} is declared by {names}; neither is used until one of them is removed"
            problems.append(PluginProblem(sides[0][1], reason, ((kind, name),)))
    return entries


def _wanted(only: tuple[str, ...] | None) -> frozenset[str] | None:
    if only is not None:
        return frozenset(only)
    names = [name.strip() for name in os.environ.get("PHOTOPHORE_PLUGINS", "").split(",")]
    return frozenset(filter(None, names)) or None


def _choose(found: tuple[Found, ...], wanted: frozenset[str]) -> tuple[Found, ...]:
    known = {name for item in found for name in _names(item.origin)}
    unknown = sorted(wanted - known - {BUILTIN})
    if unknown:
        miss = near_miss(unknown[0], known)
        raise PluginError(
            f"no plugin {unknown[0]!r} is installed{miss}{' ' if miss else '; '}"
            f"installed are: {', '.join(sorted(known))} (asked for by --no-plugins or PHOTOPHORE_PLUGINS)"
        )
    return tuple(item for item in found if not wanted.isdisjoint(_names(item.origin)))


def _names(origin: Origin) -> frozenset[str]:
    return frozenset({origin.entry_point, origin.distribution})


def _strict_by_environment() -> bool:
    return os.environ.get("PHOTOPHORE_STRICT", "").strip().lower() in {"1", "true", "yes", "on"}


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise PluginError(f"there is no kind of plugin {kind!r}; kinds are: {', '.join(KINDS)}")
