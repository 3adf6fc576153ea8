"""The pages that a reader types along with are typed along with here: each file, each command, each line of output."""

from __future__ import annotations

from importlib import metadata

import pytest
from tests.docs.pages import DOCS, Reader, blocks, make_environment

#: Pages with commands and files of their own, and what they need beside the base install.
PAGES = {
    "howto/gpu-index.md": ("torch", "cookiecutter", "pip"),
    "howto/one-file.md": (),
    "tutorial.md": ("cookiecutter", "pip"),
}


@pytest.fixture(scope="module")
def variables(tmp_path_factory):
    return make_environment(tmp_path_factory.mktemp("environment") / "venv")


@pytest.mark.parametrize("page", PAGES)
def test_the_page_works_as_it_stands(page, variables, tmp_path):
    for name in PAGES[page]:
        try:
            metadata.distribution(name)  # looking for the module pip would make setuptools step aside for all later tests
        except metadata.PackageNotFoundError:
            pytest.skip(f"{page} needs {name}")
    reader = Reader(tmp_path, variables)
    reader.follow(page)
    assert reader.commands


def test_every_page_with_commands_is_followed():
    pages = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md") if "examples" not in path.parts)
    walked = [page for page in pages if any(block.title for block in blocks(page))]
    assert walked == sorted(PAGES)


def test_output_that_is_not_printed_fails(tmp_path, variables):
    reader = Reader(tmp_path, variables)
    reader.run("echo 'one   line of 17 words'")
    reader.compare("one line of ... words\n")
    with pytest.raises(AssertionError, match="'another line' is not in"):
        reader.compare("another line\n")
    with pytest.raises(AssertionError, match="false"):
        reader.run("false")
