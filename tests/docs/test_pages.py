"""The pages tell what there is: commands, options of the program, exit codes, model cards, what the core says at its borders."""

from __future__ import annotations

import re
import tomllib

import click
import pytest
from tests.docs.pages import DOCS, ROOT

from photophore import errors
from photophore.cli import COMMANDS, INTERRUPTED, UNFORESEEN, cli
from photophore.contract import HOOKS

COMMAND_LINE = (DOCS / "cli" / "index.md").read_text(encoding="utf-8")
#: Where the core checks what plugins return.
BORDERS = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "core" / "photophore").glob("*.py")))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_page_made_from_the_program(name):
    page = (DOCS / "cli" / f"{name}.md").read_text(encoding="utf-8")
    assert f":module: {COMMANDS[name].module}\n" in page
    assert f":command: {name}\n" in page
    assert f"| [`photophore {name}`]({name}.md) | {COMMANDS[name].summary} |" in COMMAND_LINE


def test_options_of_the_program_are_told():
    options = [name for option in cli.params if isinstance(option, click.Option) for name in option.opts]
    assert len(options) >= 3
    assert not [name for name in options if f"| `{name}" not in COMMAND_LINE]


def test_variables_of_the_program_are_told():
    sources = [path for folder in ("core", "plugins") for path in (ROOT / folder).rglob("*.py")]
    read = {name for path in sources for name in re.findall(r"\bPHOTOPHORE_[A-Z_]+\b", path.read_text(encoding="utf-8"))}
    assert "PHOTOPHORE_PLUGINS_DIR" in read
    assert not [name for name in sorted(read) if f"| `{name}` |" not in COMMAND_LINE]


def test_exit_codes_are_told():
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", COMMAND_LINE, flags=re.MULTILINE)}
    classes = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]
    assert {0, UNFORESEEN, INTERRUPTED} | {kind.exit_code for kind in classes} <= told


def test_every_card_has_a_page():
    cards = [*ROOT.glob("plugins/*/weights/*.md"), *ROOT.glob("core/photophore/data/proteomes/*.md")]
    pages = "".join(path.read_text(encoding="utf-8") for path in (DOCS / "models").glob("*.md"))
    assert cards
    assert not [card for card in cards if f'--8<-- "{card.relative_to(ROOT).as_posix()}"' not in pages]


@pytest.mark.parametrize("page", ["encoder", "indexes", "aggregator", "annotator"])
def test_what_the_reference_quotes_is_what_the_core_says(page):
    text = (DOCS / "reference" / f"{page}.md").read_text(encoding="utf-8")
    table = text[text.index("| what | it says |") :].split("\n\n")[0]
    quoted = re.findall(r"\| `([^`]+)` \|$", table, flags=re.MULTILINE)
    assert len(quoted) >= 4
    missing = [words for words in quoted if not re.search(_as_code(words), BORDERS)]
    assert not missing, f"{page}.md quotes what nothing says: {missing[0]}"


def _as_code(words):
    """Return a pattern for ``words`` in the source: quoted names and numbers stand there as expressions in braces."""
    return re.sub(r"'\w+'|\b\d+\b", lambda _: r"\{[^}]+\}", re.escape(words).replace(r"\ ", " ").replace(r"\'", "'"))


def test_the_contract_tells_every_hook():
    contract = (DOCS / "contract.md").read_text(encoding="utf-8")
    assert not [f"{hook} {spec}" for hook, spec in HOOKS.items() if f"| `{hook}` | [`{spec.__name__}`]" not in contract]


def test_links_of_the_first_page_lead_somewhere():
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", index)]
    assert links
    assert not [link for link in links if not (DOCS / link).is_file()]


def test_the_extra_brings_what_the_site_needs():
    extra = " ".join(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]["docs"])
    wanted = {"search": "mkdocs", "awesome-nav": "mkdocs-awesome-nav", "mkdocstrings": "mkdocstrings", "griffe_sphinx": "griffe-sphinx"}
    config = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert not [name for name, package in wanted.items() if name not in config or package not in extra]
