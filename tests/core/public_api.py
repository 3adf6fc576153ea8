"""What plugin authors may rely on, as text: names, signatures, fields, defaults and values, one a line.

`python -m tests.core.public_api` writes `public_api.txt` anew and prints its digest, which CHANGELOG.md has to name.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import inspect
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

LISTING = Path(__file__).with_name("public_api.txt")

#: The public modules, and the names of each that are public where not all of its own are.
PUBLIC: dict[str, tuple[str, ...]] = {
    "photophore.hookspecs": (),
    "photophore.types": (),
    "photophore.comparison": ("Comparison",),
    "photophore.errors": (),
    "photophore.config": ("Option", "make_config", "options_of"),
    "photophore.fasta": ("FastaReader", "Record", "read_fasta"),
    "photophore.inputs": ("open_input",),
    "photophore.examples": ("example_names", "example_path"),
    "photophore.testing": (),
    "photophore.testing.annotators": ("every_candidate",),
    "photophore.testing.samples": (),
}


def public_names(module: ModuleType) -> tuple[str, ...]:
    """Return the public names of a public module, in its own order."""
    chosen = PUBLIC[module.__name__] or tuple(getattr(module, "__all__", ()))
    if chosen:
        return chosen
    return tuple(name for name, value in vars(module).items() if not name.startswith("_") and _is_own(module, value))


def render() -> str:
    """Return the listing."""
    return "\n".join(line for name in PUBLIC for line in _module_lines(importlib.import_module(name))) + "\n"


def digest(listing: str) -> str:
    """Return the twelve figures by which the changelog names a listing."""
    return hashlib.sha256(listing.encode()).hexdigest()[:12]


def _is_own(module: ModuleType, value: Any) -> bool:
    """Whether a module made the value itself; plain values and aliases of types are taken for its own."""
    if inspect.ismodule(value):
        return False
    if isinstance(value, (pluggy.HookspecMarker, pluggy.HookimplMarker)) or _is_alias(value):
        return True
    return getattr(value, "__module__", module.__name__) == module.__name__


def _is_alias(value: Any) -> bool:
    return isinstance(value, types.GenericAlias | types.UnionType)


def _module_lines(module: ModuleType) -> Iterator[str]:
    yield f"[{module.__name__}]"
    for name in public_names(module):
        value = getattr(module, name)
        if inspect.isclass(value):
            yield from _class_lines(name, value)
        elif inspect.isfunction(value):
            yield f"def {name}{_signature(value)}"
        elif isinstance(value, str | int | float | tuple):
            yield f"{name} = {value!r}"
        else:
            yield f"{name}: {'type' if _is_alias(value) else type(value).__name__}"
    yield ""


def _class_lines(name: str, value: type) -> Iterator[str]:
    bases = ", ".join(base.__name__ for base in value.__bases__ if base is not object)
    yield f"class {name}({bases})"
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield f"    {field.name}: {field.type}{_default(field)}"
    elif hasattr(value, "_fields"):
        for field_name in value._fields:
            default = f" = {value._field_defaults[field_name]!r}" if field_name in value._field_defaults else ""
            yield f"    {field_name}: {_bare(value.__annotations__[field_name])}{default}"
    elif "__init__" in vars(value) and "Protocol" not in bases:
        yield f"    def __init__{_signature(vars(value)['__init__'])}"
    fields = {field.name for field in dataclasses.fields(value)} if dataclasses.is_dataclass(value) else set()
    for member, attribute in vars(value).items():
        if not member.startswith(("_", "test_")) and member not in fields | set(getattr(value, "_fields", ())):
            yield f"    {_member(member, attribute)}"


def _member(name: str, attribute: Any) -> str:
    """Return one line of a class; fixtures of the suites are of a type of pytest's own."""
    if isinstance(attribute, property):
        return f"property {name}{_signature(attribute.fget)}"
    if isinstance(attribute, classmethod | staticmethod):
        return f"{type(attribute).__name__} {name}{_signature(attribute.__func__)}"
    if inspect.isfunction(attribute) and not hasattr(attribute, "_pytestfixturefunction"):
        return f"def {name}{_signature(attribute)}"
    if isinstance(attribute, str | int | float | tuple | None):
        return f"{name} = {attribute!r}"
    return f"fixture {name}"


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default is not dataclasses.MISSING:
        return f" = {field.default!r}"
    return "" if field.default_factory is dataclasses.MISSING else " = ..."


def _signature(function: Any) -> str:
    signature = inspect.signature(function)
    parameters = [each.replace(annotation=_Bare(each.annotation)) if each.annotation is not each.empty else each
                  for each in signature.parameters.values()]  # fmt: skip
    returned = signature.return_annotation
    return str(
        signature.replace(
            parameters=parameters,
            return_annotation=returned if returned is inspect.Signature.empty else _Bare(returned),
        )
    )


class _Bare:
    """An annotation that shows itself as it is written."""

    def __init__(self, annotation: Any) -> None:
        self.annotation = annotation

    def __repr__(self) -> str:
        return _bare(self.annotation)


def _bare(annotation: Any) -> str:
    text = getattr(annotation, "__forward_arg__", annotation)
    return text if isinstance(text, str) else getattr(text, "__name__", repr(text))


if __name__ == "__main__":
    LISTING.write_text(render(), encoding="utf-8")
    sys.stdout.write(f"{LISTING}: CHANGELOG.md has to say: public API `{digest(render())}`\n")
