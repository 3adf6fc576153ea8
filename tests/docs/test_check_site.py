"""The check of the built site sees what it is there to see."""

from __future__ import annotations

import importlib.util

import pytest
from tests.docs.pages import ROOT


@pytest.fixture(scope="module")
def check():
    spec = importlib.util.spec_from_file_location("check_site", ROOT / ".ci" / "check_site.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_complete(check, site):
    """Write a page for each command that tells its words and its options, as bare text."""
    pages = {}
    for path, command in check.commands(check.cli, ("photophore",)):
        name = path[1] if len(path) > 1 else "index"
        options = [option for parameter in command.params for option in parameter.opts]
        pages.setdefault(name, []).append(" ".join([*path, *options]))
    (site / "cli").mkdir(parents=True)
    for name, lines in pages.items():
        (site / "cli" / f"{name}.html").write_text(f"<p>{'</p> <p>'.join(lines)}</p>")


def test_a_complete_site_has_no_problems(check, tmp_path):
    write_complete(check, tmp_path)
    assert list(check.cli_problems(tmp_path)) == []
    assert list(check.remote_problems(tmp_path)) == []


def test_a_command_without_a_page_and_an_option_that_is_not_told(check, tmp_path):
    write_complete(check, tmp_path)
    (tmp_path / "cli" / "merge.html").unlink()
    page = tmp_path / "cli" / "annotate.html"
    page.write_text(page.read_text().replace("--stops", "--stopsign"))
    assert list(check.cli_problems(tmp_path)) == [
        "annotate.html does not tell photophore annotate --stops",
        "docs/cli has no page of photophore merge",
    ]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.html", '<script src="https://elsewhere.example/x.js"></script>'),
        ("a.html", '<img alt="x" src="//elsewhere.example/x.png">'),
        ("a.html", '<link href="https://elsewhere.example/x.css" rel="stylesheet">'),
        ("a.css", "@import url(https://elsewhere.example/x.css);"),
        ("a.css", "src: url('https://elsewhere.example/x.woff2')"),
    ],
)
def test_what_is_fetched_from_elsewhere(check, tmp_path, name, content):
    (tmp_path / name).write_text(content)
    (problem,) = check.remote_problems(tmp_path)
    assert problem.startswith(f"{name} fetches from elsewhere: ")


def test_a_link_that_a_reader_may_follow_is_no_fetching(check, tmp_path):
    (tmp_path / "a.html").write_text('<a href="https://doi.org/10.1093/bioinformatics/btaf198">paper</a><script src="x.js"></script>')
    assert list(check.remote_problems(tmp_path)) == []
