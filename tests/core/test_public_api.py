"""What plugin authors may rely on does not change unless the changelog says so."""

from __future__ import annotations

import difflib
import importlib
import inspect
import re
from pathlib import Path

import pytest
from tests.core.public_api import LISTING, PUBLIC, digest, public_names, render

ROOT = Path(__file__).parents[2]
REFERENCE = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs" / "reference").glob("*.md")))


def test_public_names_and_signatures_are_those_of_the_listing() -> None:
    listed = LISTING.read_text(encoding="utf-8")
    changes = difflib.unified_diff(listed.splitlines(), render().splitlines(), "listed", "now", lineterm="", n=1)
    assert listed == render(), "\n".join(
        [*changes, "if that is meant: python -m tests.core.public_api, and tell what changed in CHANGELOG.md"]
    )


def test_the_changelog_names_the_listing() -> None:
    """The first digest in the changelog, that of the newest change, is the one of the listing."""
    found = re.findall(r"public API `([0-9a-f]{12})`", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    wanted = digest(LISTING.read_text(encoding="utf-8"))
    assert found[:1] == [wanted], f"say in CHANGELOG.md, under the version to come, what changed: public API `{wanted}`"


def test_the_listing_sees_a_change_of_a_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    from photophore import examples

    before = render()
    monkeypatch.setattr(examples, "example_path", lambda name, folder=None: (name, folder))
    assert render() != before


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_documented_and_typed(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__
    for public in public_names(module):
        value = getattr(module, public)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert value.__doc__, f"{name}.{public} has no docstring"
        if inspect.isfunction(value):
            assert "return" in value.__annotations__, f"{name}.{public} does not say what it returns"


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_stands_in_the_reference(name: str) -> None:
    module = importlib.import_module(name)
    whole = f"::: {name}\n" in REFERENCE
    missing = [public for public in public_names(module) if not whole and f"::: {name}.{public}\n" not in REFERENCE]
    assert not missing, f"docs/reference has no `::: {name}.{missing[0]}`"


def test_the_contract_names_every_public_module() -> None:
    contract = (ROOT / "docs" / "contract.md").read_text(encoding="utf-8")
    assert [name for name in PUBLIC if f"`{name}`" not in contract] == []
