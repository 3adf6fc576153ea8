"""Check that the built documentation is complete and stands on its own: check_site.py SITE."""

from __future__ import annotations

import html
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from photophore.cli import cli

#: What a browser fetches without being asked: scripts, styles, images, fonts.
FETCHED = re.compile(r"""<(?:script|img|iframe|source)\b[^>]*\bsrc=["']?(https?:)?//|<link\b[^>]*\bhref=["']?(https?:)?//""")
IMPORTED = re.compile(r"""@import\s+(?:url\()?["']?(https?:)?//|url\(["']?(https?:)?//""")


def text_of(page: Path) -> str:
    """Return what a reader of the page sees, in single spaces."""
    content = page.read_text(encoding="utf-8")
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", content)).split())


def commands(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield every command under ``command`` with its words."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if found is not None and not found.hidden:
                yield from commands(found, (*path, name))


def cli_problems(site: Path) -> Iterator[str]:
    """Yield every command and option that no page tells."""
    for path, command in commands(cli, ("photophore",)):
        page = site / "cli" / f"{path[1] if len(path) > 1 else 'index'}.html"
        if not page.is_file():
            yield f"docs/cli has no page of {' '.join(path)}"
            continue
        told = text_of(page)
        if " ".join(path) not in told:
            yield f"{page.name} does not name {' '.join(path)}"
        for parameter in command.params:
            for name in parameter.opts if isinstance(parameter, click.Option) and not parameter.hidden else ():
                if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", told):
                    yield f"{page.name} does not tell {' '.join(path)} {name}"


def remote_problems(site: Path) -> Iterator[str]:
    """Yield every page and style that fetches something from elsewhere."""
    for suffix, pattern in {".html": FETCHED, ".css": IMPORTED}.items():
        for path in sorted(site.rglob(f"*{suffix}")):
            if found := pattern.search(path.read_text(encoding="utf-8")):
                yield f"{path.relative_to(site)} fetches from elsewhere: {found[0]}"


def main(site: Path) -> None:
    """Report and exit."""
    problems = [*cli_problems(site), *remote_problems(site)]
    if problems:
        sys.exit("\n".join(problems))
    told = sum(1 for _ in commands(cli, ("photophore",)))
    print(f"{site}: {len(list(site.rglob('*.html')))} pages, {told} commands told, nothing from elsewhere")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
