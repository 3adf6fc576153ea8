"""``photophore plugins``: what is installed, which options it has, and what is wrong with it."""

from __future__ import annotations

import json
import traceback
from dataclasses import asdict
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
    """  # noqa: D301 - click's mark for lines that keep their breaks


@plugins.command("list", short_help="List every plugin and what it still needs.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def list_(*, as_json: bool) -> None:
    """List every plugin: what it does, where it comes from, and what it still needs."""
    registry = _load()
    if as_json:
        click.echo(json.dumps(_report(registry), indent=2))
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
    """Check every plugin; ends with code 6 where one is broken.

    A missing runtime or model is told with the command that brings it, and is no fault.
    """
    registry = _load()
    if as_json:
        click.echo(json.dumps(_report(registry), indent=2))
    else:
        for spec in registry.specs():
            needs = [f"needs: {command}" for command in _commands(spec)]
            needs += [f"has no model {name}; photophore models add brings it" for name in _absent_models(spec)]
            click.echo(f"{'ok     ' if not needs else 'missing'}  {spec.kind} {spec.name}{_provenance(registry, spec)}")
            for need in needs:
                click.echo(f"         {need}")
        for problem in registry.problems:
            click.echo(f"broken   {problem}\n         {problem.remedy}")
            if settings.debug and problem.cause is not None:
                click.echo("".join(traceback.format_exception(problem.cause)), err=True)
    if registry.problems:
        raise PluginError(f"broken: {'; '.join(dict.fromkeys(str(problem.origin) for problem in registry.problems))}")


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


def _absent_models(spec: Spec) -> tuple[str, ...]:
    from photophore.models import list_models

    known = {model.name for model in list_models()}
    return tuple(name for name in spec.models if name not in known)


def _count(problems: tuple[PluginProblem, ...]) -> str:
    many = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    return f"{many} with plugins; photophore plugins doctor tells what to do"


def _report(registry: Registry) -> dict[str, Any]:
    """Return the registry as JSON-ready facts."""
    from importlib.metadata import version

    from photophore.config import options_of, show_value
    from photophore.hookspecs import API_VERSION
    from photophore.registry import missing_requirements

    return {
        "photophore": version("photophore"),
        "api": API_VERSION,
        "plugins": [
            {
                "kind": spec.kind,
                "name": spec.name,
                "summary": spec.summary,
                **asdict(registry.origin(spec)),
                "missing": [asdict(requirement) for requirement in missing_requirements(spec)],
                "models": {name: name not in _absent_models(spec) for name in spec.models},
                "options": [
                    {"name": item.name, "values": item.expected, "default": show_value(item.default), "help": item.help}
                    for item in options_of(spec.config)
                ],
            }
            for spec in registry.specs()
        ],
        "problems": [
            {
                **asdict(problem.origin),
                "reason": problem.reason,
                "remedy": problem.remedy,
                "missing": [{"kind": kind, "name": name} for kind, name in problem.specs],
            }
            for problem in registry.problems
        ],
    }
