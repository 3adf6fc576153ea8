"""The plugins that can be used, and what is wrong with the others.

Every plugin, built-in or not, comes in through an entry point of the group ``photophore.v1``, or as one file. One that
breaks is rolled back whole and remembered as a `PluginProblem`; it never takes the rest down.

Strangers are imported only when something asks for them: a run whose links are built-in imports none, and a run that
names a link as exactly one entry point is called imports that one alone. The rules by which names are given away are
such that this makes no difference: a built-in keeps its names, and of several strangers the one whose entry point is
called as the plugin owns it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

import pluggy

from photophore import hookspecs
from photophore.config import near_miss
from photophore.contract import KINDS
from photophore.entrypoints import BUILTIN, Found, Origin, PluginProblem, find_entry_points, locate
from photophore.errors import PhotophoreError, PluginError, Problems
from photophore.hookspecs import Requirement, Spec
from photophore.loading import Key, Loaded, load_plugin
from photophore.onefile import find_files, plugin_folders

__all__ = ["KINDS", "Origin", "PluginProblem", "Registry", "load_registry", "missing_requirements", "require_modules"]

#: Names of the plugins to load, comma-separated; the built-in ones are always loaded.
SUBSET_VARIABLE = "PHOTOPHORE_PLUGINS"

Entries = Mapping[Key, tuple[Spec, Origin]]


class Registry:
    """Specs of every usable plugin by kind and name, and the problems of the unusable ones.

    Parameters
    ----------
    entries
        ``(kind, name)`` to the spec and its origin, of what is loaded already.
    problems
        What was left out, and why.
    manager
        The pluggy manager, in which exactly the usable plugins are registered.
    strangers
        Plugins that are loaded when they are asked for.
    left_out
        Plugins that are installed and were not chosen.
    beside
        Configuration file in whose folder a plugin was sought, too.
    """

    def __init__(
        self,
        entries: Entries,
        problems: Iterable[PluginProblem],
        manager: pluggy.PluginManager,
        *,
        strangers: tuple[Found, ...] = (),
        left_out: tuple[Origin, ...] = (),
        beside: Path | None = None,
    ) -> None:
        self.left_out, self.beside = left_out, beside
        self._entries = dict(entries)
        self._problems = list(problems)
        self._manager = manager
        self._strangers = strangers
        self._outcomes: dict[Found, Loaded | PluginProblem] = {}
        self._claimed: dict[Key, tuple[Spec, Origin]] = {}
        self._complete = not strangers

    @property
    def entries(self) -> Entries:
        """``(kind, name)`` to the spec and its origin."""
        self._load_strangers()
        return MappingProxyType(self._entries)

    @property
    def problems(self) -> tuple[PluginProblem, ...]:
        """What was left out, and why."""
        self._load_strangers()
        return tuple(self._problems)

    @property
    def manager(self) -> pluggy.PluginManager:
        """The pluggy manager, in which exactly the usable plugins are registered."""
        self._load_strangers()
        return self._manager

    @property
    def seconds(self) -> Mapping[Origin, float]:
        """What importing and asking each stranger took."""
        self._load_strangers()
        return {found.origin: outcome.seconds for found, outcome in self._outcomes.items()}

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
        key = (kind, name)
        entry = self._entries.get(key) or self._claim(key) or self.entries.get(key)
        if entry is None:
            raise PluginError(self._absence(kind, name))
        return entry[0]

    def origin(self, spec: Spec) -> Origin:
        """Return where ``spec`` comes from."""
        key = (spec.kind, spec.name)
        entry = self._claimed.get(key) or self._entries.get(key)
        if entry is None or entry[0] is not spec:
            raise PluginError(f"{spec.kind} {spec.name!r} did not come from an installed plugin")
        return entry[1]

    def _claim(self, key: Key) -> tuple[Spec, Origin] | None:
        """Load the one stranger whose entry point is called so, and return what it declares under ``key``."""
        claimants = [found for found in self._strangers if found.origin.entry_point == key[1]]
        if self._complete or len(claimants) != 1:
            return None
        outcome = self._outcome(claimants[0])
        if not isinstance(outcome, Loaded) or any(taken in self._entries for taken in outcome.keys):
            return None
        for spec in outcome.specs:
            self._claimed[spec.kind, spec.name] = (spec, outcome.origin)
        return self._claimed.get(key)

    def _outcome(self, found: Found) -> Loaded | PluginProblem:
        if found not in self._outcomes:
            self._outcomes[found] = load_plugin(self._manager, found)
        return self._outcomes[found]

    def _load_strangers(self) -> None:
        if self._complete:
            return
        self._complete = True
        outcomes = [self._outcome(found) for found in self._strangers]
        self._problems += [outcome for outcome in outcomes if isinstance(outcome, PluginProblem)]
        loaded = [outcome for outcome in outcomes if isinstance(outcome, Loaded)]
        _settle_strangers(self._manager, loaded, self._entries, self._problems)

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
        strangers = [str(origin) for origin in self.left_out if not origin.builtin]
        if strangers:
            text += f"\n  left out by --no-plugins or {SUBSET_VARIABLE}: {', '.join(strangers)}"
        broken = [problem for problem in self.problems if not problem.specs]
        for problem in broken:
            text += f"\n  left out, and may have brought it: {problem}; {problem.remedy}"
        return text


def load_registry(
    *,
    only: tuple[str, ...] | None = None,
    strict: bool | None = None,
    beside: Path | None = None,
    barred: Mapping[Origin, str] | None = None,
) -> Registry:
    """Find every installed plugin, and those in one file; broken ones are left out.

    Parameters
    ----------
    only
        Entry points, distributions or files to load, and no others; None takes ``PHOTOPHORE_PLUGINS`` (comma-separated) and
        the built-in plugins, or all where that is unset.
    strict
        Whether a broken plugin is an error, for which all of them are loaded at once; None takes ``PHOTOPHORE_STRICT``.
    beside
        Configuration file of the run: a ``photophore_plugin.py`` in its folder is a plugin.
    barred
        Plugins that must not be imported, and why: they count as broken.

    Raises
    ------
    PluginError
        With ``strict``, for a broken plugin (several come together as `Problems`); always, for a name in ``only`` that is not installed.
    """
    installed, unusable = find_entry_points()
    files, unread = find_files(plugin_folders(), beside)
    found, problems = installed + files, [*unusable, *unread]
    left_out: tuple[Origin, ...] = ()
    wanted = _wanted(only)
    if wanted is not None:
        _check_known(wanted, [*(item.origin for item in found), *(item.origin for item in problems)])
        chosen = tuple(item for item in found if not wanted.isdisjoint(_names(item.origin)))
        left_out = tuple(item.origin for item in found if item not in chosen)
        found = chosen
        problems = [item for item in problems if not wanted.isdisjoint(_names(item.origin))]
    barred = barred or {}
    problems += [PluginProblem(item.origin, barred[item.origin]) for item in found if item.origin in barred]
    found = tuple(item for item in found if item.origin not in barred)
    manager = pluggy.PluginManager("photophore")
    manager.add_hookspecs(hookspecs)
    entries: dict[Key, tuple[Spec, Origin]] = {}
    for item in found:
        if item.origin.builtin:
            outcome = load_plugin(manager, item)
            if isinstance(outcome, PluginProblem):
                problems.append(outcome)
            elif not _clashes(manager, outcome, entries, problems):
                entries.update({(spec.kind, spec.name): (spec, item.origin) for spec in outcome.specs})
    strangers = tuple(item for item in found if not item.origin.builtin)
    registry = Registry(entries, problems, manager, strangers=strangers, left_out=left_out, beside=beside)
    if _strict_by_environment() if strict is None else strict:
        _refuse(registry.problems)
    return registry


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


def _refuse(problems: tuple[PluginProblem, ...]) -> None:
    faults: list[PhotophoreError] = [PluginError(f"{problem}; {problem.remedy}") for problem in problems]
    if faults:
        raise faults[0] if len(faults) == 1 else Problems(faults)


def _clashes(
    manager: pluggy.PluginManager, item: Loaded, entries: Entries, problems: list[PluginProblem]
) -> bool:
    """Leave out all of a plugin that wants a name of a built-in one, and tell whether it did."""
    taken = [key for key in item.keys if key in entries]
    if taken:
        manager.unregister(item.plugin)
        clashes = "; ".join(f"{kind} {name!r} is already {entries[kind, name][1]}'s" for kind, name in taken)
        reason = f"{clashes}; the built-in stays, all of this plugin is left out"
        keys = tuple(key for key in item.keys if key not in entries)
        problems.append(PluginProblem(item.origin, reason, keys, conflict=True))
    return bool(taken)


def _settle_strangers(
    manager: pluggy.PluginManager,
    loaded: Iterable[Loaded],
    entries: dict[Key, tuple[Spec, Origin]],
    problems: list[PluginProblem],
) -> None:
    """Give each name to one stranger: to the only one that wants it or is called so, else to nobody."""
    owners: dict[Key, list[tuple[Spec, Origin]]] = {}
    for item in [each for each in loaded if not _clashes(manager, each, entries, problems)]:
        for key, spec in zip(item.keys, item.specs, strict=True):
            owners.setdefault(key, []).append((spec, item.origin))
    for (kind, name), sides in owners.items():
        named = [side for side in sides if side[1].entry_point == name]
        owner = sides[0] if len(sides) == 1 else named[0] if len(named) == 1 else None
        if owner is not None:
            entries[kind, name] = owner
        if len(sides) == 1:
            continue
        names = " and by ".join(str(origin) for _, origin in sides)
        if owner is None:
            reason = f"{kind} {name!r} is declared by {names}; neither is used until one of them is removed"
            problems.append(PluginProblem(sides[0][1], reason, ((kind, name),), conflict=True))
            continue
        for _, origin in sides:
            if origin is not owner[1]:
                reason = f"{kind} {name!r} is declared by {names}; that of {owner[1]} is used, whose entry point is called so"
                problems.append(PluginProblem(origin, reason, conflict=True))


def _wanted(only: tuple[str, ...] | None) -> frozenset[str] | None:
    if only is not None:
        return frozenset(only)
    names = frozenset(filter(None, (name.strip() for name in os.environ.get(SUBSET_VARIABLE, "").split(","))))
    return names | {BUILTIN} if names else None


def _check_known(wanted: frozenset[str], origins: Iterable[Origin]) -> None:
    known = {name for origin in origins for name in _names(origin)}
    unknown = sorted(wanted - known - {BUILTIN})
    if unknown:
        miss = near_miss(unknown[0], known)
        raise PluginError(
            f"{SUBSET_VARIABLE}: no entry point, distribution or file of plugins is called {unknown[0]!r}{miss}"
            f"{' ' if miss else '; '}there are: {', '.join(sorted(known))}"
        )


def _names(origin: Origin) -> frozenset[str]:
    """Return what a plugin may be chosen by; "photophore" is the built-in ones alone."""
    names = {origin.entry_point, origin.distribution} | ({origin.location} if origin.one_file else set())
    return frozenset(names if origin.builtin else names - {BUILTIN})


def _strict_by_environment() -> bool:
    return os.environ.get("PHOTOPHORE_STRICT", "").strip().lower() in {"1", "true", "yes", "on"}


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise PluginError(f"there is no kind of plugin {kind!r}; kinds are: {', '.join(KINDS)}")
