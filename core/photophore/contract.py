"""Checks that a spec is what `hookspecs` asks for, before anything relies on it."""

from __future__ import annotations

import re
from typing import Any

from photophore.config import config_faults
from photophore.hookspecs import (
    AggregatorSpec,
    AnnotatorSpec,
    Column,
    EncoderSpec,
    IndexSpec,
    Requirement,
    Spec,
)

#: Hook, and the class of the specs that it returns.
HOOKS: dict[str, type[Spec]] = {
    "photophore_encoders": EncoderSpec,
    "photophore_indexes": IndexSpec,
    "photophore_aggregators": AggregatorSpec,
    "photophore_annotators": AnnotatorSpec,
}
#: Kinds of plugins in the order of the chain.
KINDS = tuple(spec.kind for spec in HOOKS.values())

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_COLUMN_NAME = re.compile(r"[a-z][a-z0-9_]*")
_COLUMN_TYPES = (str, int, float, bool)

# The checks below take `Any`: a stranger's fields may hold anything, whatever their annotations promise.


def spec_faults(spec: object, expected: type[Spec]) -> list[str]:
    """Say what keeps ``spec`` from being used as ``expected``; empty when nothing does."""
    if not isinstance(spec, expected):
        return [f"expected {expected.__name__}, got {spec!r}"]
    faults = _name_faults(spec) + config_faults(spec.config) + _tuple_faults(spec)
    faults += _callable_faults(spec)
    if isinstance(spec, AnnotatorSpec):
        faults += _column_faults(spec)
    return [f"{spec.kind} {spec.name!r}: {fault}" for fault in faults]


def _name_faults(spec: Any) -> list[str]:
    faults = []
    if not (isinstance(spec.name, str) and _NAME.fullmatch(spec.name)):
        faults.append(f"bad name {spec.name!r}; use lower-case letters, digits and single hyphens between them")
    if not (isinstance(spec.summary, str) and spec.summary.strip() and "\n" not in spec.summary):
        faults.append(f"summary must be one line of text, got {spec.summary!r}")
    return faults


def _tuple_faults(spec: Any) -> list[str]:
    faults = []
    if not (isinstance(spec.requires, tuple) and all(isinstance(item, Requirement) for item in spec.requires)):
        faults.append(f"requires must be a tuple of Requirement, got {spec.requires!r}")
    elif not all(item.module and item.install for item in spec.requires):
        faults.append("a Requirement lacks its module or the command that installs it")
    if not (isinstance(spec.models, tuple) and all(isinstance(item, str) for item in spec.models)):
        faults.append(f"models must be a tuple of names, got {spec.models!r}")
    return faults


def _callable_faults(spec: Spec) -> list[str]:
    needed = ("create", "read_targets") if isinstance(spec, AnnotatorSpec) else ("create",)
    faults = [
        f"{name} must be callable, got {getattr(spec, name)!r}" for name in needed if not callable(getattr(spec, name))
    ]
    for name in ("train", "check"):
        value = getattr(spec, name, None)
        if value is not None and not callable(value):
            faults.append(f"{name} must be callable or None, got {value!r}")
    return faults


def _column_faults(spec: Any) -> list[str]:
    if not (isinstance(spec.columns, tuple) and all(isinstance(item, Column) for item in spec.columns)):
        return [f"columns must be a tuple of Column, got {spec.columns!r}"]
    faults = []
    names = [column.name for column in spec.columns]
    for column in spec.columns:
        if not _COLUMN_NAME.fullmatch(column.name):
            faults.append(f"bad column name {column.name!r}; use lower-case letters, digits and underscores")
        if column.type not in _COLUMN_TYPES:
            faults.append(f"column {column.name!r} has type {column.type!r}; use str, int, float or bool")
        if not column.help.strip():
            faults.append(f"column {column.name!r} has no help")
        if names.count(column.name) > 1:
            faults.append(f"column {column.name!r} is declared twice")
    return list(dict.fromkeys(faults))
