"""Options of a command under headings, and those that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., Any])

OTHER = "Other"


class SectionedOption(click.Option):
    """An option that knows the heading of the help under which it stands."""

    def __init__(self, *names: Any, section: str = OTHER, **attributes: Any) -> None:
        super().__init__(*names, **attributes)
        self.section = section


class SectionedCommand(click.Command):
    """A command whose help lists the options under their headings, in the order of their declaration."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
            if record is not None:
                sections.setdefault(getattr(parameter, "section", OTHER), []).append(record)
        for section in sorted(sections, key=OTHER.__eq__):
            with formatter.section(section):
                formatter.write_dl(sections[section])


def option(section: str, *names: str, **attributes: Any) -> Callable[[Function], Function]:
    """Return the decorator of one option under a heading."""
    return click.option(*names, cls=SectionedOption, section=section, **attributes)


def chain_options(function: Function) -> Function:
    """Add --encoder, --index, --aggregator, --annotator and --set."""
    section = "Chain"
    decorators = [
        option(section, f"--{kind}", metavar="NAME", help=f"Use this {kind} (photophore plugins list).")
        for kind in ("encoder", "index", "aggregator", "annotator")
    ]
    decorators.append(
        option(
            section,
            "--set",
            "settings",
            multiple=True,
            metavar="KIND.FIELD=VALUE",
            help="Set an option of a link, such as aggregator.threshold=0.5; may be repeated. "
            "photophore plugins show NAME lists them.",
        )
    )
    for decorate in reversed(decorators):
        function = decorate(function)
    return function


def resource_options(function: Function) -> Function:
    """Add --threads and --device."""
    section = "Resources"
    threads = option(
        section, "-t", "--threads", type=click.IntRange(min=1), metavar="N", help="Processor threads (default: all)."
    )
    device = option(section, "--device", metavar="DEVICE", help="cpu, cuda, cuda:N or auto (default: auto).")
    return threads(device(function))


def chosen_links(settings: tuple[str, ...], **names: str | None) -> dict[str, Any]:
    """Return the links that --encoder and so on and --set ask for, by kind."""
    from photophore.runconfig import LinkChoice, merge_links, parse_settings

    links = {kind: LinkChoice(name) for kind, name in names.items() if name}
    return merge_links(links, parse_settings(settings))
