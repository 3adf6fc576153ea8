"""Options of a plugin: the fields of its frozen config dataclass, parsed by their types and listed for help.

Field types are ``str``, ``int``, ``float``, ``bool``, ``Path``, ``Literal[...]``, ``tuple[T, ...]`` of those, and
``T | None``. Values come as text from the command line (``--set KIND.FIELD=VALUE``) or typed from YAML.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from photophore.errors import PhotophoreError, Problems, UsageError

if TYPE_CHECKING:
    from photophore.hookspecs import Spec

_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})
_NONE = frozenset({"none", "null", ""})
_SCALARS: Mapping[Any, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    Path: "a path",
}


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a plugin, as its config dataclass declares it.

    Parameters
    ----------
    name
        Field name; on the command line hyphens may stand for underscores.
    type
        Resolved annotation.
    default
        Value used when the option is not given.
    help
        One line for the user.
    choices
        Allowed values, empty where any value of the type will do.
    """

    name: str
    type: Any
    default: Any
    help: str
    choices: tuple[Any, ...] = ()

    @property
    def expected(self) -> str:
        """What a value must look like, in words."""
        if self.choices:
            return "one of " + ", ".join(map(str, self.choices))
        return _expected(self.type)


def options_of(config: type) -> tuple[Option, ...]:
    """List the options that ``config`` declares, in the order of its fields."""
    hints = typing.get_type_hints(config)
    return tuple(
        Option(
            name=item.name,
            type=hints[item.name],
            default=_default(item),
            help=str(item.metadata.get("help", "")),
            choices=tuple(item.metadata.get("choices", ())),
        )
        for item in dataclasses.fields(config)
    )


def options_help(spec: Spec, *, indent: str = "  ") -> str:
    """Return the options of ``spec`` as text: one line with name, values and default, one with the help."""
    lines = []
    for option in options_of(spec.config):
        lines.append(f"{indent}{spec.kind}.{option.name}: {option.expected} (default: {show_value(option.default)})")
        lines.append(f"{indent}    {option.help}")
    return "\n".join(lines) or f"{indent}no options"


def make_config(spec: Spec, options: Mapping[str, Any]) -> Any:
    """Return the config of ``spec`` with ``options`` set.

    Parameters
    ----------
    spec
        The plugin whose options these are.
    options
        Values by field name, as text or as YAML gave them.

    Raises
    ------
    UsageError
        An option is unknown or its value is of the wrong type; several such faults come together as `Problems`.
    """
    known = {option.name: option for option in options_of(spec.config)}
    values: dict[str, Any] = {}
    problems: list[PhotophoreError] = []
    for given, value in options.items():
        name = given.replace("-", "_")
        option = known.get(name)
        if option is None:
            problems.append(UsageError(_unknown(spec, given, tuple(known))))
        elif name in values:
            problems.append(UsageError(f"{spec.kind}.{name} is given twice (as {given!r}); give it once"))
        else:
            try:
                values[name] = parse_option(option, value)
            except ValueError as error:
                problems.append(UsageError(f"{spec.kind}.{name} of {spec.name!r}: {error}"))
    if problems:
        raise problems[0] if len(problems) == 1 else Problems(problems)
    try:
        return spec.config(**values)
    except ValueError as error:
        raise UsageError(f"options of {spec.kind} {spec.name!r}: {error}") from error


def parse_option(option: Option, value: Any) -> Any:
    """Return ``value`` in the type of ``option``, or raise ValueError saying what was expected."""
    try:
        parsed = _parse(value, option.type)
    except ValueError as error:
        because = f" ({error})" if str(error) else ""
        raise ValueError(
            f"expected {option.expected}, got {value!r}{because}; it sets: {option.help} "
            f"(default: {show_value(option.default)})"
        ) from error
    if option.choices:
        for part in parsed if isinstance(parsed, tuple) else (parsed,):
            if part is not None and part not in option.choices:
                raise ValueError(f"{part!r} is not {option.expected}{near_miss(str(part), map(str, option.choices))}")
    return parsed


def config_faults(config: object) -> list[str]:
    """Say what keeps ``config`` from being a plugin's config class; empty when nothing does."""
    if not (isinstance(config, type) and dataclasses.is_dataclass(config)):
        return [f"config must be a dataclass, got {config!r}"]
    name = config.__qualname__
    faults = []
    if not config.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        faults.append(f"config {name} is not frozen; declare it with @dataclass(frozen=True)")
    for item in dataclasses.fields(config):
        if item.name.startswith("_") or not item.init:
            faults.append(
                f"config {name}.{item.name} cannot be set as an option; make it a public field with init=True"
            )
        if item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING:
            faults.append(f"config {name}.{item.name} has no default")
        text = item.metadata.get("help")
        if not (isinstance(text, str) and text.strip()):
            faults.append(f'config {name}.{item.name} has no help; add field(metadata={{"help": "..."}})')
    return faults or _type_faults(config)


def show_value(value: Any) -> str:
    """Return ``value`` as the user would type it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(map(show_value, value)) or "empty"
    return str(value) or "empty"


def near_miss(name: str, known: typing.Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` where a known name is close to ``name``, else nothing."""
    close = difflib.get_close_matches(name.lower(), list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _type_faults(config: type) -> list[str]:
    name = config.__qualname__
    try:
        options = options_of(config)
    except (NameError, AttributeError, TypeError) as error:
        return [f"the annotations of config {name} cannot be resolved: {error}"]
    faults = []
    for option in options:
        if not _supported(option.type):
            faults.append(
                f"config {name}.{option.name} has type {option.type}; options may be str, int, float, bool, Path, "
                "Literal, tuple[T, ...] and T | None"
            )
            continue
        try:
            parse_option(option, option.default)
        except ValueError as error:
            faults.append(f"config {name}.{option.name} has a default that it would not accept: {error}")
    return faults


def _default(item: dataclasses.Field[Any]) -> Any:
    if item.default_factory is not dataclasses.MISSING:
        return item.default_factory()
    return item.default


def _unknown(spec: Spec, given: str, known: tuple[str, ...]) -> str:
    listing = f"its options are: {', '.join(known)}" if known else "it has no options"
    miss = near_miss(given.replace("-", "_"), known)
    return f"{spec.kind} {spec.name!r} has no option {given!r}{miss}{' ' if miss else '; '}{listing}"


def _is_union(annotation: Any) -> bool:
    return typing.get_origin(annotation) in (typing.Union, types.UnionType)


def _supported(annotation: Any) -> bool:
    arguments = typing.get_args(annotation)
    if _is_union(annotation):
        return (
            len(arguments) == 2
            and type(None) in arguments
            and all(part is type(None) or _supported(part) for part in arguments)
        )
    if typing.get_origin(annotation) is tuple:
        return len(arguments) == 2 and arguments[1] is Ellipsis and arguments[0] in _SCALARS
    return annotation in _SCALARS or typing.get_origin(annotation) is Literal


def _expected(annotation: Any) -> str:
    arguments = typing.get_args(annotation)
    if _is_union(annotation):
        return " or ".join("none" if part is type(None) else _expected(part) for part in arguments)
    if typing.get_origin(annotation) is tuple:
        return f"a comma-separated list, each {_expected(arguments[0])}"
    if typing.get_origin(annotation) is Literal:
        return "one of " + ", ".join(map(str, arguments))
    return _SCALARS[annotation]


def _parse(value: Any, annotation: Any) -> Any:
    arguments = typing.get_args(annotation)
    if _is_union(annotation):
        if value is None or (isinstance(value, str) and value.strip().lower() in _NONE):
            return None
        return _parse(value, next(part for part in arguments if part is not type(None)))
    if typing.get_origin(annotation) is tuple:
        parts = [part for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        if not isinstance(parts, list | tuple):
            raise ValueError("")
        return tuple(_parse(part, arguments[0]) for part in parts)
    if typing.get_origin(annotation) is Literal:
        for choice in arguments:
            if value == choice or (isinstance(value, str) and value.strip() == str(choice)):
                return choice
        raise ValueError("")
    return _parse_scalar(value, annotation)


def _parse_scalar(value: Any, kind: Any) -> Any:
    """Return ``value`` as one of `_SCALARS`; numbers are never taken for truth values, nor the other way round."""
    if kind is bool:
        word = value.strip().lower() if isinstance(value, str) else value
        if word is True or word in _TRUE:
            return True
        if word is False or word in _FALSE:
            return False
    elif kind is Path and isinstance(value, str | Path) and str(value):
        return Path(value).expanduser()
    elif kind is str and isinstance(value, str):
        return value
    elif kind is int and isinstance(value, int | str) and not isinstance(value, bool):
        return int(value)
    elif kind is float and isinstance(value, int | float | str) and not isinstance(value, bool):
        number = float(value)
        if not math.isnan(number):
            return number
    raise ValueError("quote it to make it text" if kind is str else "")
