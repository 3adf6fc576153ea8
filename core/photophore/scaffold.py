"""``photophore plugins new``: a working distribution with one small plugin, its tests, CI and licence, from a template."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib import metadata
from pathlib import Path

from photophore.entrypoints import locate
from photophore.errors import OutputError, PluginError, UsageError
from photophore.registry import KINDS, Registry

TEMPLATES = Path(__file__).parent / "data" / "plugin_template"
#: What everyone has who installed ``photophore[kit]``.
COMMAND = "pip install 'photophore[kit]'"
LONGEST_NAME = 30

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_SUMMARIES: Mapping[str, str] = {
    "encoder": "One vector a residue: the amino acids around it.",
    "index": "Compares each vector with every row, a block at a time.",
    "aggregator": "Best similarity at each residue, summed over the protein.",
    "annotator": "Reference proteins that share a gapless stretch.",
}
_USAGE: Mapping[str, str] = {
    "encoder": "photophore db build profiles.hmm -o db --encoder {name}",
    "index": "photophore db build profiles.hmm -o db --index {name}",
    "aggregator": "photophore db build profiles.hmm -o db --aggregator {name}",
    "annotator": "photophore db build references.faa -o db --annotator {name}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPlugin:
    """What a new distribution is called, and whose it is.

    Parameters
    ----------
    name
        Name of the plugin, as users will type it: lower-case letters, digits and single hyphens.
    kind
        One of `photophore.contract.KINDS`.
    author
        Copyright holder; empty for "The authors of DISTRIBUTION".
    """

    name: str
    kind: str
    author: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UsageError(f"--kind {self.kind}: there is no such kind; choose one of {', '.join(KINDS)}")
        if not _NAME.fullmatch(self.name):
            raise UsageError(
                f"{self.name!r} is no name for a plugin; begin with a lower-case letter, and use lower-case letters, digits and "
                "single hyphens between them, such as 'best-match'"
            )
        if self.name.startswith("photophore"):
            shorter = self.name.removeprefix("photophore").lstrip("-") or "best-match"
            raise UsageError(
                f"{self.name!r}: the distribution is called photophore-NAME already; give the rest, {shorter!r}"
            )
        if len(self.name) > LONGEST_NAME:
            raise UsageError(f"{self.name!r} has {len(self.name)} letters; give at most {LONGEST_NAME}, it will be typed")
        if keyword.iskeyword(self.name):
            raise UsageError(f"{self.name!r} is a word of Python; give another name")
        if '"' in self.author or "\\" in self.author or not (self.author.isprintable()):
            raise UsageError(f"--author {self.author!r} has quotes, backslashes or line breaks; leave them out")

    @property
    def distribution(self) -> str:
        """What pip installs."""
        return f"photophore-{self.name}"

    @property
    def module(self) -> str:
        """What Python imports."""
        return self.distribution.replace("-", "_")

    def variables(self) -> dict[str, str]:
        """Return what the template is filled with."""
        return {
            "name": self.name,
            "kind": self.kind,
            "article": "an" if self.kind[0] in "aei" else "a",
            "distribution": self.distribution,
            "module": self.module,
            "source": self.kind,
            "camel": "".join(part.capitalize() for part in self.name.split("-")),
            "summary": _SUMMARIES[self.kind],
            "usage": f"{_USAGE[self.kind].format(name=self.name)}\nphotophore annotate proteins.faa -d db -o out",
            "author": self.author or f"The authors of {self.distribution}",
            "year": str(date.today().year),  # noqa: DTZ011 - the year that the author's calendar shows
            "photophore": metadata.version("photophore"),
            # In the names of template files, which neither Python nor packagers may take for their own.
            "py": ".py",
            "toml": ".toml",
            "dot": ".",
        }


def make_plugin(new: NewPlugin, parent: Path, registry: Registry) -> Path:
    """Write the distribution into a new folder in ``parent`` and return that folder.

    Raises
    ------
    PluginError
        Where cookiecutter is not installed, or the name is taken by an installed plugin or module.
    OutputError
        Where the folder exists or cannot be written.
    """
    if locate("cookiecutter") is None:
        raise PluginError(f"photophore plugins new needs cookiecutter, which is not installed; run: {COMMAND}")
    _check_free(new, registry)
    folder = parent / new.distribution
    if folder.exists():
        raise OutputError(f"{folder}: exists already; move it away, or give another folder with -o")
    from cookiecutter.exceptions import CookiecutterException
    from cookiecutter.generate import generate_files

    context = {"cookiecutter": new.variables()}
    try:
        for part in ("common", new.kind):
            generate_files(TEMPLATES / part, context, output_dir=parent, overwrite_if_exists=True, accept_hooks=False)
    except (OSError, CookiecutterException) as error:
        raise OutputError(f"{folder}: cannot be written: {error}; give another folder with -o") from error
    return folder


def _check_free(new: NewPlugin, registry: Registry) -> None:
    """Raise `PluginError` where the name is an installed plugin's, or the module is one that exists."""
    taken = {spec.name: spec for spec in registry.specs(new.kind)}.get(new.name)
    if taken is not None:
        raise PluginError(f"{new.kind} {new.name!r} is already {registry.origin(taken)}'s; give another name")
    found = locate(new.module)
    if found is not None:
        raise PluginError(f"{new.name!r}: a module {new.module!r} is installed already ({found.origin}); give another name")
