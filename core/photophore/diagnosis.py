"""What ``photophore plugins doctor`` tells: what is installed, from where, what is broken, in conflict or of another version."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from importlib import metadata
from typing import Any

from photophore.config import options_of, show_value
from photophore.entrypoints import BUILTIN, Origin, find_entry_points
from photophore.hookspecs import API_VERSION, GROUP, Spec
from photophore.models import list_models
from photophore.onefile import FOLDERS_VARIABLE, find_files, plugin_folders
from photophore.registry import SUBSET_VARIABLE, Registry, missing_requirements

#: A plugin that needs longer to be imported and asked is told to import its runtime later.
SLOW_S = 0.2
#: A plugin that did not answer by then never will.
PATIENCE_S = 60.0

#: Loads plugins in a process of its own; only one that comes to its end says so.
_TRIAL = """
import sys
from photophore.registry import load_registry
load_registry(only=tuple(sys.argv[1:]) or None, strict=False).problems
print("came to its end")
"""


def report(registry: Registry) -> dict[str, Any]:
    """Return the registry as JSON-ready facts: ``plugins list --json``."""
    absent = absent_models(registry)
    return {
        "photophore": metadata.version(BUILTIN),
        "api": API_VERSION,
        "plugins": [
            {
                "kind": spec.kind,
                "name": spec.name,
                "summary": spec.summary,
                **asdict(registry.origin(spec)),
                "missing": [asdict(requirement) for requirement in missing_requirements(spec)],
                "models": {name: name not in absent for name in spec.models},
                "options": [
                    {"name": item.name, "values": item.expected, "default": show_value(item.default), "help": item.help}
                    for item in options_of(spec.config)
                ],
            }
            for spec in registry.specs()
        ],
        "problems": [
            {
                **asdict(problem.origin),
                "reason": problem.reason,
                "remedy": problem.remedy,
                "conflict": problem.conflict,
                "missing": [{"kind": kind, "name": name} for kind, name in problem.specs],
            }
            for problem in registry.problems
        ],
    }


def diagnose(registry: Registry) -> dict[str, Any]:
    """Return `report` and beyond it what only the doctor looks at: ``plugins doctor --json``."""
    seconds = registry.seconds
    origins = {registry.origin(spec) for spec in registry.specs()} | {problem.origin for problem in registry.problems}
    names = sorted({origin.distribution for origin in origins | set(registry.left_out) if not origin.one_file})
    return {
        **report(registry),
        "python": platform.python_version(),
        "group": GROUP,
        "subset": os.environ.get(SUBSET_VARIABLE) or None,
        "folders": os.environ.get(FOLDERS_VARIABLE) or None,
        "not_loaded": [asdict(origin) for origin in registry.left_out],
        "seconds": {str(origin): round(taken, 4) for origin, taken in seconds.items()},
        "slow": [str(origin) for origin, taken in seconds.items() if taken > SLOW_S],
        "misfits": [misfit for name in names for misfit in misfits(name)],
    }


def absent_models(registry: Registry) -> frozenset[str]:
    """Return the names of models that plugins speak of and that are not here."""
    known = {model.name for model in list_models()}
    return frozenset(name for spec in registry.specs() for name in spec.models if name not in known)


def needs(spec: Spec, absent: frozenset[str]) -> tuple[str, ...]:
    """Return what ``spec`` lacks, each with what brings it."""
    commands = dict.fromkeys(requirement.install for requirement in missing_requirements(spec))
    models = [f"has no model {name}; photophore models add brings it" for name in spec.models if name in absent]
    return (*(f"needs: {command}" for command in commands), *models)


def misfits(name: str) -> list[str]:
    """Say which versions of other distributions do not go with what the distribution ``name`` asks for."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        asking = metadata.distribution(name)
    except (metadata.PackageNotFoundError, ValueError):
        return []
    who = f"{name} {asking.version}"
    found = []
    python = next(iter(asking.metadata.get_all("Requires-Python") or ()), "")
    try:
        if not SpecifierSet(python).contains(platform.python_version(), prereleases=True):
            found.append(f"{who} asks for Python {python}, this is {platform.python_version()}; use another Python")
    except InvalidSpecifier:
        found.append(f"{who} asks for Python {python!r}, which is no range of versions; report it to its authors")
    return found + [misfit for text in asking.requires or () if (misfit := _misfit(name, who, text))]


def _misfit(name: str, who: str, text: str) -> str:
    """Say how one requirement of the distribution ``name`` is not met, or nothing."""
    from packaging.markers import UndefinedEnvironmentName
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.version import Version

    try:
        wanted = Requirement(text)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            return ""
    except (InvalidRequirement, UndefinedEnvironmentName):
        return f"{who} asks for {text!r}, which is no requirement; report it to its authors"
    try:
        version = Version(metadata.version(wanted.name))
    except metadata.PackageNotFoundError:
        if name == BUILTIN:  # packagers give our own dependencies other names
            return ""
        fault = f"which is not installed; run: pip install '{wanted}'"
    except (ValueError, LookupError, TypeError):  # metadata that is damaged, without a version, or with an impossible one
        fault = f"whose installed version cannot be told; run: pip install --force-reinstall '{wanted}'"
    else:
        if wanted.specifier.contains(version, prereleases=True):
            return ""
        change = f"upgrade {name}" if wanted.name == BUILTIN else f"run: pip install '{wanted}'"
        fault = f"installed is {version}; {change}"
    return f"{who} asks for {wanted}, {fault}"


def fatal_plugins() -> Mapping[Origin, str]:
    """Return the plugins that end or hang the whole process when they are imported, found out in processes of their own."""
    if _trial() is None:
        return {}
    found = (*find_entry_points()[0], *find_files(plugin_folders(), None)[0])
    strangers = [item.origin for item in found if not item.origin.builtin]
    names = {origin: origin.location if origin.one_file else origin.distribution for origin in strangers}
    faults = {name: _trial(name) for name in dict.fromkeys(names.values())}
    return {
        origin: f"importing it {faults[name]}; nothing can be caught there" for origin, name in names.items() if faults[name]
    }


def _trial(*names: str) -> str | None:
    """Load plugins in a process of its own, and say how that ended where it did not come to its end."""
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter
            [sys.executable, "-P", "-c", _TRIAL, *names],  # -P: modules in the user's folder are none of ours
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"does not come back within {PATIENCE_S:.0f} s"
    if done.stdout.endswith(b"came to its end\n"):
        return None
    if done.returncode < 0:
        return f"kills the process with {signal.Signals(-done.returncode).name}"
    return f"ends the process with code {done.returncode}"
