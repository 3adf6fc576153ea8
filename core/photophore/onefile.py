"""Plugins in one file, for those who do not package: found in folders, loaded by their path, named like distributions."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from photophore.entrypoints import Found, Origin, PluginProblem
from photophore.errors import PluginError

#: Folders of one-file plugins, separated as in PATH; ``--plugins-dir`` sets it for one command.
FOLDERS_VARIABLE = "PHOTOPHORE_PLUGINS_DIR"
#: The file that is looked for beside a configuration file.
BESIDE_CONFIG = "photophore_plugin.py"


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file that is loaded as a module of its own; its folder is not searched for other modules."""

    path: Path

    @property
    def value(self) -> str:
        """The path."""
        return str(self.path)

    def load(self) -> Any:
        """Execute the file and return its module, which stays known by its name, so that its classes can be pickled."""
        name = f"photophore_one_file_{self.path.stem}_{hashlib.sha256(str(self.path).encode()).hexdigest()[:8]}"
        spec = importlib.util.spec_from_file_location(name, self.path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{self.path} is no Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            sys.modules.pop(name, None)
            raise
        return module


def plugin_folders() -> tuple[Path, ...]:
    """Return the folders that `FOLDERS_VARIABLE` names; `PluginError` where one does not exist or cannot be read."""
    folders = tuple(Path(name).expanduser() for name in os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep) if name)
    for folder in folders:
        if not folder.is_dir():
            raise PluginError(
                f"{folder}: there is no such folder of plugins; check --plugins-dir or {FOLDERS_VARIABLE}"
            )
        if not os.access(folder, os.R_OK | os.X_OK):
            raise PluginError(f"{folder}: this folder of plugins cannot be read; change its permissions")
    return folders


def find_files(folders: Iterable[Path], beside: Path | None) -> tuple[tuple[Found, ...], tuple[PluginProblem, ...]]:
    """Return the plugins in one file, and those that cannot be read.

    Parameters
    ----------
    folders
        Every ``*.py`` in them is a plugin, but those whose names begin with an underscore or a dot.
    beside
        Configuration file of the run: `BESIDE_CONFIG` in its folder is a plugin.
    """
    paths = [path for folder in folders for path in sorted(folder.glob("[!_.]*.py"))]
    if beside is not None and (beside.parent / BESIDE_CONFIG).is_file():
        paths.append(beside.parent / BESIDE_CONFIG)
    found, problems = [], []
    # Under the name that the user gave it; two links to one file are one plugin.
    distinct: dict[str, Path] = {}
    for path in paths:
        distinct.setdefault(os.path.realpath(path), path.parent.resolve() / path.name)
    for path in distinct.values():
        try:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            origin = Origin(path.name, "unread", path.stem, str(path), one_file=True)
            problems.append(PluginProblem(origin, f"cannot be read: {error.strerror}", cause=error))
            continue
        origin = Origin(path.name, f"sha256:{digest[:12]}", path.stem, str(path), one_file=True)
        found.append(Found(origin, FileEntry(path)))
    return tuple(found), tuple(problems)
