"""Configurations of training runs: sections in the types of their fields, overrides by dotted keys, errors by their text."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from photophore.errors import InputError, UsageError
from photophore.trainconfig import make_section, read_mapping


@dataclass(frozen=True)
class Loop:
    out: str
    steps: int = 5
    rate: float = 0.1
    fast: bool = False
    files: tuple[str, ...] = ()

    def __post_init__(self):
        if self.steps < 1:
            raise ValueError(f"steps is {self.steps}; give at least 1")


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text("out: here\nloop:\nshape: {trunk: {width: 8}, dim: 4}\n")
    return file


def test_overrides_go_as_deep_as_their_dots(path):
    overrides = {"out": "mine", "loop.steps": "7", "shape.trunk.width": "16", "more.deep.key": "[a, b]"}
    assert read_mapping(path, overrides) == {
        "out": "mine",
        "loop": {"steps": 7},
        "shape": {"trunk": {"width": 16}, "dim": 4},
        "more": {"deep": {"key": ["a", "b"]}},
    }
    assert read_mapping(path, {})["loop"] is None


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"out.x": "1"}, r"--set out\.x=1: 'out' has no keys of its own; set it in .*run\.yaml"),
        ({"shape.dim.x": "1"}, r"--set shape\.dim\.x=1: 'shape\.dim' has no keys of its own; set it in .*run\.yaml"),
        (
            {"loop.steps": "[1"},
            r"--set loop\.steps=\[1: the value cannot be read as YAML \(.*\); put it in quotes",
        ),
    ],
)
def test_overrides_that_do_not_fit(path, overrides, message):
    with pytest.raises(UsageError, match=message):
        read_mapping(path, overrides)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"- a\n", r"run\.yaml: a training configuration is a mapping of keys to values; see docs/training\.md"),
        (b"", r"run\.yaml: a training configuration is a mapping of keys to values"),
        (b"out: [\n", r"run\.yaml: cannot be read as YAML \(.*line 2.*\); repair it"),
        (b"out: \xff\n", r"run\.yaml: cannot be read as YAML \(.*can't decode.*\); repair it"),
    ],
)
def test_files_that_are_no_configuration(path, text, message):
    path.write_bytes(text)
    with pytest.raises(InputError, match=message):
        read_mapping(path, {})


def test_a_file_that_is_missing(tmp_path):
    with pytest.raises(InputError, match=r"none\.yaml: cannot be read as YAML \(.*No such file.*\); repair it"):
        read_mapping(tmp_path / "none.yaml", {})


def test_values_come_in_the_types_of_their_fields():
    made = make_section(Loop, {"out": "x", "rate": "1e-3", "files": ("a",)}, "here")
    assert made == Loop("x", rate=0.001, files=("a",))
    assert isinstance(make_section(Loop, {"out": "x", "rate": 1}, "here").rate, float)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (3, r"here: found 3; give keys and values, known are out, steps, rate, fast, files"),
        ({}, r"here: 'out' is missing; see docs/training\.md"),
        (
            {"out": "x", "step": 1},
            r"here: unknown key 'step'; did you mean 'steps'\?; known are out, steps, rate, fast",
        ),
        ({"out": "x", 5: 1}, r"here: unknown key '5'; known are out"),
        ({"out": 3}, r"here: out is 3; give text"),
        ({"out": "x", "steps": "many"}, r"here: steps is 'many'; give a whole number"),
        ({"out": "x", "steps": 2.5}, r"here: steps is 2\.5; give a whole number"),
        ({"out": "x", "steps": True}, r"here: steps is True; give a whole number"),
        ({"out": "x", "rate": "fast"}, r"here: rate is 'fast'; give a number"),
        ({"out": "x", "rate": False}, r"here: rate is False; give a number"),
        ({"out": "x", "rate": None}, r"here: rate is None; give a number"),
        ({"out": "x", "fast": 1}, r"here: fast is 1; give true or false"),
        ({"out": "x", "steps": 0}, r"here: steps is 0; give at least 1"),
    ],
)
def test_values_that_do_not_fit(values, message):
    with pytest.raises(UsageError, match=message):
        make_section(Loop, values, "here")
