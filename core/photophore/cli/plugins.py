"""``photophore plugins``: what is installed, which options it has, and what is wrong with it."""

from __future__ import annotations

import json
import shlex
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from photophore.cli import Settings
from photophore.errors import PluginError, UsageError

if TYPE_CHECKING:
    from photophore.entrypoints import PluginProblem
    from photophore.hookspecs import Spec
    from photophore.registry import Registry


@click.group()
def plugins() -> None:
    """List plugins and find out what is wrong with them.

    \b
    photophore plugins list
    photophore plugins show ivfpq
    photophore plugins doctor
    photophore plugins new best-match --kind annotator
    """  # noqa: D301 - click's mark for lines that keep their breaks


@plugins.command("list", short_help="List every plugin and what it still needs.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def list_(*, as_json: bool) -> None:
    """List every plugin: what it does, where it comes from, and what it still needs."""
    registry = _load()
    if as_json:
        from photophore.diagnosis import report

        click.echo(json.dumps(report(registry), indent=2))
        return
    width = max((len(spec.name) for spec in registry.specs()), default=0)
    for kind in _kinds():
        click.secho(f"{kind}s" if kind != "index" else "indexes", bold=True)
        for spec in registry.specs(kind):
            click.echo(f"  {spec.name:{width}}  {spec.summary}{_provenance(registry, spec)}")
            for command in _commands(spec):
                click.echo(f"  {'':{width}}  needs: {command}")
        if not registry.specs(kind):
            click.echo("  none")
    for problem in registry.problems:
        click.echo(f"left out: {problem}", err=True)
    if registry.problems:
        click.echo(_count(registry.problems), err=True)


@plugins.command(short_help="Show the options of a plugin.")
@click.argument("name")
def show(*, name: str) -> None:
    """Show the options of the plugins called NAME, with their defaults."""
    from photophore.config import near_miss, options_help

    registry = _load()
    found = [spec for spec in registry.specs() if spec.name == name]
    if not found:
        known = sorted({spec.name for spec in registry.specs()})
        broken = f"\n{_count(registry.problems)}" if registry.problems else ""
        raise UsageError(
            f"no plugin is called {name!r}{near_miss(name, known)} (installed: {', '.join(known)}){broken}"
        )
    for spec in found:
        click.secho(f"{spec.kind} {spec.name}", bold=True, nl=False)
        click.echo(f": {spec.summary}")
        click.echo(f"  from {registry.origin(spec)}")
        for label, values in (("models", spec.models), ("needs", _commands(spec))):
            if values:
                click.echo(f"  {label}: {', '.join(values)}")
        click.echo("  options (--set KIND.FIELD=VALUE):")
        click.echo(options_help(spec, indent="    "))


@plugins.command(short_help="Check every plugin; code 6 where one is broken.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@click.pass_obj
def doctor(settings: Settings, *, as_json: bool) -> None:
    """Tell what is installed, from where, what is broken and why, what conflicts, and which versions do not fit.

    Ends with code 6 where a plugin is broken or in conflict. A missing runtime or model is told with the command that
    brings it, and is no fault; nor is a version that does not fit, since it may work.
    """
    from photophore.diagnosis import diagnose, fatal_plugins
    from photophore.registry import load_registry

    registry = load_registry(barred=fatal_plugins(), strict=False)
    facts = diagnose(registry)
    if as_json:
        click.echo(json.dumps(facts, indent=2))
    else:
        _page(registry, facts)
        for problem in registry.problems:
            if settings.debug and problem.cause is not None:
                click.echo("".join(traceback.format_exception(problem.cause)), err=True)
    if registry.problems:
        raise PluginError(f"broken: {'; '.join(dict.fromkeys(str(problem.origin) for problem in registry.problems))}")


@plugins.command(short_help="Make a new plugin: code, tests, CI and licence.")
@click.argument("name")
@click.option("--kind", required=True, metavar="KIND", help="encoder, index, aggregator or annotator.")
@click.option("-o", "--output", "parent", type=click.Path(file_okay=False, path_type=Path), default=Path(), help="Folder to make it in (default: here).")
@click.option("--author", default="", metavar="TEXT", help="Copyright holder, for the licence.")
def new(*, name: str, kind: str, parent: Path, author: str) -> None:
    """Make the folder photophore-NAME: a distribution with a small plugin that works, to be made into your own.

    \b
    photophore plugins new best-match --kind annotator
    cd photophore-best-match
    pip install -e '.[test]' && pytest
    """  # noqa: D301 - click's mark for lines that keep their breaks
    from photophore.scaffold import NewPlugin, make_plugin

    folder = make_plugin(NewPlugin(name=name, kind=kind, author=author), parent, _load())
    click.echo(f"made {folder}; next:")
    click.echo(f"  cd {shlex.quote(str(folder))}\n  pip install -e '.[test]' && pytest\n  photophore plugins show {name}")


def _page(registry: Registry, facts: dict[str, Any]) -> None:
    """Print the page of the doctor."""
    from photophore.diagnosis import absent_models, needs

    click.echo(f"Photophore {facts['photophore']}, plugin interface v{facts['api']}, Python {facts['python']}")
    for label, value in (("only PHOTOPHORE_PLUGINS", facts["subset"]), ("also every file in", facts["folders"])):
        if value:
            click.echo(f"{label}: {value}")
    absent = absent_models(registry)
    by_origin: dict[Any, list[Spec]] = {}
    for spec in registry.specs():
        by_origin.setdefault(registry.origin(spec), []).append(spec)
    for origin, specs in sorted(by_origin.items(), key=lambda item: (not item[0].builtin, str(item[0]))):
        taken = facts["seconds"].get(str(origin))
        click.secho(f"\n{origin}", bold=True, nl=False)
        click.echo(f"{'' if origin.one_file else f' in {origin.location}'}{f', {taken:.3f} s' if taken else ''}")
        for spec in specs:
            lacks = needs(spec, absent)
            click.echo(f"{'missing' if lacks else 'ok     '}  {spec.kind} {spec.name}")
            for need in lacks:
                click.echo(f"         {need}")
    _section("Broken", [f"{item}\n         {item.remedy}" for item in registry.problems if not item.conflict], "broken ")
    _section("In conflict", [f"{item}\n         {item.remedy}" for item in registry.problems if item.conflict], "clash  ")
    _section("Versions that do not fit", facts["misfits"], "misfit ")
    advice = "import runtimes in create(), not at the top of the module"
    _section("Slow", [f"{name}: {facts['seconds'][name]:.1f} s; {advice}" for name in facts["slow"]], "slow   ")
    _section("Not loaded", [str(origin) for origin in registry.left_out], "left   ")
    broken = sum(not item.conflict for item in registry.problems)
    click.echo(
        f"\n{len(registry.specs())} plugins from {len(by_origin)} entry points and files; broken: {broken}, in conflict: "
        f"{len(registry.problems) - broken}, misfits: {len(facts['misfits'])}, slow: {len(facts['slow'])}"
    )


def _section(title: str, lines: list[str], mark: str) -> None:
    if lines:
        click.secho(f"\n{title}", bold=True)
        for line in lines:
            click.echo(f"{mark}  {line}")


def _load() -> Registry:
    from photophore.registry import load_registry

    return load_registry()


def _kinds() -> tuple[str, ...]:
    from photophore.registry import KINDS

    return KINDS


def _provenance(registry: Registry, spec: Spec) -> str:
    origin = registry.origin(spec)
    return "" if origin.builtin else f"  [{origin.distribution} {origin.version}]"


def _commands(spec: Spec) -> tuple[str, ...]:
    """Return the commands that install what ``spec`` lacks."""
    from photophore.registry import missing_requirements

    return tuple(dict.fromkeys(requirement.install for requirement in missing_requirements(spec)))


def _count(problems: tuple[PluginProblem, ...]) -> str:
    many = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    return f"{many} with plugins; photophore plugins doctor tells what to do"
