"""One plugin at a time: import it, register it, ask its hooks, check what they return; on any fault nothing of it stays."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import pluggy

from photophore.config import near_miss
from photophore.contract import HOOKS, spec_faults
from photophore.entrypoints import Found, Origin, PluginProblem
from photophore.errors import PluginError
from photophore.hookspecs import Spec
from photophore.trace import traced

Key = tuple[str, str]

#: Beginnings of the files that stand between the core and a plugin in a traceback.
_OUR_SIDE = (
    "<",
    str(Path(__file__).parent),
    str(Path(pluggy.__file__).parent),
    str(Path(importlib.__file__).parent),
)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A plugin that passed every check of its own; conflicts with others are still to be settled.

    ``seconds`` is what importing it and asking it took.
    """

    found: Found
    plugin: Any
    specs: tuple[Spec, ...]
    seconds: float = 0.0

    @property
    def origin(self) -> Origin:
        """Where it comes from."""
        return self.found.origin

    @property
    def keys(self) -> tuple[Key, ...]:
        """Kind and name of each spec."""
        return tuple((spec.kind, spec.name) for spec in self.specs)


def load_plugin(manager: pluggy.PluginManager, found: Found) -> Loaded | PluginProblem:
    """Import, register, ask and check one plugin; on any fault nothing of it stays."""
    plugin: Any = None
    specs: list[Spec] = []
    known = set(map(id, manager.get_plugins()))
    begin = perf_counter()
    try:
        with _stage(f"importing {found.entry.value!r}", found), redirect_stdout(sys.stderr):
            plugin = found.entry.load()
        _check_new(found, plugin, known)
        with _stage("registering its hooks", found):
            manager.register(plugin, name=str(found.origin))
        _check_hooks(manager, plugin)
        for hook, expected in HOOKS.items():
            with redirect_stdout(sys.stderr):
                specs += _ask(manager, plugin, hook, expected, found)
        return _checked(Loaded(found, plugin, tuple(specs), perf_counter() - begin))
    except PluginError as error:
        if plugin is not None and id(plugin) not in known and manager.is_registered(plugin):
            manager.unregister(plugin)
        keys = tuple((spec.kind, spec.name) for spec in specs)
        return PluginProblem(found.origin, str(error), keys, error.__cause__ or error, seconds=perf_counter() - begin)


def _check_new(found: Found, plugin: Any, known: set[int]) -> None:
    if plugin is None:
        raise PluginError(f"{found.entry.value!r} is None, not a module or an object with hooks")
    if id(plugin) in known:
        raise PluginError(f"{found.entry.value!r} is already loaded by another entry point; name it once")


@contextmanager
def _stage(what: str, found: Found) -> Iterator[None]:
    """Turn whatever a plugin throws, SystemExit too, into a `PluginError` that says at which step and line."""
    try:
        with traced(f"{found.origin}: {what}"):
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


def _ask(
    manager: pluggy.PluginManager, plugin: Any, hook: str, expected: type[Spec], found: Found
) -> list[Spec]:
    """Call one hook of one plugin and return its specs, checked for their class alone."""
    if all(caller.name != hook for caller in manager.get_hookcallers(plugin) or ()):
        return []
    others = [other for other in manager.get_plugins() if other is not plugin]
    with _stage(f"calling {hook}", found):
        results = manager.subset_hook_caller(hook, others)()
        returned = results[0] if results else None
        if returned is None or isinstance(returned, str | bytes | Mapping) or not hasattr(returned, "__iter__"):
            raise PluginError(f"{hook} must return a list of {expected.__name__}, got {returned!r}")
        specs = list(returned)
    for spec in specs:
        if not isinstance(spec, expected):
            raise PluginError(f"{hook} must return a list of {expected.__name__}, got one with {spec!r}")
    return specs


def _checked(loaded: Loaded) -> Loaded:
    faults = []
    for spec in loaded.specs:
        with _stage(f"checking {spec.kind} {spec.name!r}", loaded.found):
            faults += spec_faults(spec, type(spec))
    twice = sorted({key for key in loaded.keys if loaded.keys.count(key) > 1})
    faults += [f"{kind} {name!r} is declared twice" for kind, name in twice]
    if not loaded.specs:
        faults.append("its hooks return no spec at all")
    if faults:
        raise PluginError("; ".join(faults))
    return loaded
