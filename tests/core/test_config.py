"""Options of a plugin: every type, from text and from YAML, and what each wrong value is answered with."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
import yaml

from photophore.config import make_config, options_help, options_of, show_value
from photophore.errors import Problems, UsageError
from photophore.hookspecs import AggregatorSpec


def option(default, text, **more):
    return field(default=default, metadata={"help": text, **more})


@dataclass(frozen=True)
class Everything:
    gate: float = option(0.5, "smallest score that counts")
    bins: int = option(16, "diagonals in a bin")
    exact: bool = option(default=False, text="whether to sum exactly")
    mode: str = option("sum", "how to add up", choices=("sum", "max"))
    weights: Path = field(default=Path("w.pt"), metadata={"help": "weights file"})
    limit: int | None = option(None, "most candidates, or none")
    scales: tuple[float, ...] = option((1.0, 2.0), "scales to try")
    links: tuple[str, ...] = option((), "links to use", choices=("a", "b"))
    level: Literal["low", "high"] = option("low", "effort")

    def __post_init__(self) -> None:
        if self.bins < 1:
            raise ValueError(f"bins must be at least 1, got {self.bins}")


SPEC = AggregatorSpec(name="every", summary="Every type.", config=Everything, create=lambda config, _runtime: config)


def test_defaults_hold_where_nothing_is_set() -> None:
    assert make_config(SPEC, {}) == Everything()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("gate", "0.25", 0.25),
        ("gate", "1e-5", 1e-5),
        ("gate", "3", 3.0),
        ("gate", "inf", math.inf),
        ("bins", " 8 ", 8),
        ("bins", "1_000", 1000),
        ("exact", "yes", True),
        ("exact", "TRUE", True),
        ("exact", "0", False),
        ("mode", "max", "max"),
        ("weights", "a/b.pt", Path("a/b.pt")),
        ("limit", "7", 7),
        ("limit", "None", None),
        ("scales", "0.5, 4", (0.5, 4.0)),
        ("scales", "", ()),
        ("links", "b,a", ("b", "a")),
        ("level", "high", "high"),
    ],
)
def test_text_becomes_the_type_of_the_field(name, text, value) -> None:
    made = getattr(make_config(SPEC, {name: text}), name)
    assert made == value
    assert type(made) is type(value)


def test_home_is_expanded_in_paths() -> None:
    assert make_config(SPEC, {"weights": "~/w.pt"}).weights == Path.home() / "w.pt"


def test_yaml_values_are_taken_as_they_are() -> None:
    text = "{gate: 1, bins: 8, exact: true, limit: null, scales: [1, 2.5], mode: max, weights: x.npz}"
    assert make_config(SPEC, yaml.safe_load(text)) == Everything(
        gate=1.0, bins=8, exact=True, limit=None, scales=(1.0, 2.5), mode="max", weights=Path("x.npz")
    )


def test_yaml_reads_an_exponent_without_a_dot_as_text_and_we_as_a_number() -> None:
    assert make_config(SPEC, yaml.safe_load("gate: 1e-5")).gate == 1e-5


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("gate", "much", "expected a number, got 'much' .*; it sets: smallest score that counts (default: 0.5)"),
        ("gate", "nan", "expected a number, got 'nan'"),
        ("gate", True, "expected a number, got True"),
        ("bins", "1.5", "expected a whole number, got '1.5'"),
        ("bins", 1.5, "expected a whole number, got 1.5"),
        ("bins", False, "expected a whole number, got False"),
        ("bins", None, "expected a whole number, got None"),
        ("exact", "perhaps", "expected true or false, got 'perhaps'"),
        ("exact", 2, "expected true or false, got 2"),
        ("mode", "mx", "'mx' is not one of sum, max; did you mean 'max'?"),
        ("mode", 5, "expected one of sum, max, got 5 (quote it to make it text)"),
        ("weights", "", "expected a path, got ''"),
        ("limit", "few", "expected a whole number or none, got 'few'"),
        ("scales", "1,x", "expected a comma-separated list, each a number, got '1,x'"),
        ("scales", 3, "expected a comma-separated list, each a number, got 3"),
        ("links", "a,c", "'c' is not one of a, b"),
        ("level", "mid", "expected one of low, high, got 'mid'"),
        ("bins", "0", "options of aggregator 'every': bins must be at least 1, got 0"),
    ],
)
def test_a_wrong_value_is_answered_with_what_was_expected(name, value, message) -> None:
    with pytest.raises(UsageError) as caught:
        make_config(SPEC, {name: value})
    start, _, end = message.partition(" .*")
    assert start in str(caught.value)
    assert end in str(caught.value)
    assert f"aggregator.{name} of 'every'" in str(caught.value) or "options of" in message


def test_an_unknown_option_is_answered_with_near_misses() -> None:
    with pytest.raises(
        UsageError, match="aggregator 'every' has no option 'gates'; did you mean 'gate'. its options are: gate, bins,"
    ):
        make_config(SPEC, {"gates": "1"})


def test_hyphens_stand_for_underscores() -> None:
    @dataclass(frozen=True)
    class Config:
        max_hits: int = option(3, "most hits")

    spec = AggregatorSpec(name="top", summary="Top.", config=Config, create=lambda config, _runtime: config)
    assert [item.name for item in options_of(Config)] == ["max_hits"]
    assert make_config(spec, {"max-hits": "5"}).max_hits == 5
    with pytest.raises(UsageError, match="aggregator.max_hits is given twice"):
        make_config(spec, {"max-hits": "5", "max_hits": "6"})


def test_all_wrong_options_are_reported_together() -> None:
    with pytest.raises(Problems) as caught:
        make_config(SPEC, {"gate": "x", "bin": "1", "exact": "2"})
    assert len(caught.value.problems) == 3
    assert caught.value.exit_code == UsageError.exit_code


def test_help_lists_every_field() -> None:
    text = options_help(SPEC)
    assert "aggregator.gate: a number (default: 0.5)\n      smallest score that counts\n" in text
    assert "aggregator.mode: one of sum, max (default: sum)" in text
    assert "aggregator.limit: a whole number or none (default: none)" in text
    assert "aggregator.scales: a comma-separated list, each a number (default: 1.0,2.0)" in text
    assert "aggregator.links: one of a, b (default: empty)" in text


def test_a_plugin_without_options_says_so() -> None:
    @dataclass(frozen=True)
    class Nothing:
        pass

    spec = AggregatorSpec(name="top", summary="Top.", config=Nothing, create=lambda config, _runtime: config)
    assert options_help(spec) == "  no options"
    with pytest.raises(UsageError, match="has no option 'k'; it has no options"):
        make_config(spec, {"k": 1})


def test_a_shown_default_can_be_typed_back() -> None:
    shown = {item.name: show_value(item.default) for item in options_of(Everything) if item.name != "links"}
    assert make_config(SPEC, shown) == Everything()
