"""The command line: a group whose commands are imported only when they are called, and the way errors end."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, NoReturn

import click

from photophore.errors import PhotophoreError, Terminated, UsageError

#: Exit code of a fault that nobody foresaw, as in sysexits.h.
UNFORESEEN = 70
INTERRUPTED = 130
OUT_OF_MEMORY = 137


@dataclass(frozen=True, slots=True)
class Command:
    """One line of the help: where the command lives, its heading, and what it does."""

    section: str
    summary: str
    module: str


#: Commands in the order of the help. The attribute of a module is named as the command.
COMMANDS: dict[str, Command] = {
    "annotate": Command("Annotate", "Annotate the proteins of FASTA files.", "photophore.cli.annotate"),
    "genes": Command("Annotate", "Call the genes of contigs and write their proteins.", "photophore.cli.genes"),
    "split": Command("Annotate", "Split an input into shards that are annotated one by one.", "photophore.cli.split"),
    "compare": Command("Annotate", "Compare proteins in structure, from their sequences.", "photophore.cli.compare"),
    "merge": Command("Annotate", "Merge the results of several runs into one.", "photophore.cli.merge"),
    "report": Command("Annotate", "Show the results of runs on one page of HTML.", "photophore.cli.report"),
    "db": Command("Databases and models", "Build, list, describe and verify databases.", "photophore.cli.db"),
    "models": Command("Databases and models", "List, verify and add model weights.", "photophore.cli.models"),
    "train": Command("Databases and models", "Train the model of an encoder.", "photophore.cli.train"),
    "plugins": Command("Plugins", "List plugins and find out what is wrong with them.", "photophore.cli.plugins"),
}

EXAMPLES = """\
photophore annotate proteins.faa -o results
photophore annotate bins/*.faa.gz -d pfam -o results --threads 8
photophore db build Pfam-A.hmm -o pfam
photophore plugins list"""


@dataclass(slots=True)
class Settings:
    """Options of the program itself, shared with every command as ``context.obj``."""

    debug: bool = False


class LazyGroup(click.Group):
    """A group that knows its commands by name and summary, and imports one only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        command = getattr(importlib.import_module(entry.module), cmd_name)
        if not isinstance(command, click.Command):
            raise TypeError(f"{entry.module}.{cmd_name} is not a command but {command!r}")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from photophore.config import near_miss

            ctx.fail(
                f"no command {args[0]!r}{near_miss(args[0], COMMANDS) or '; commands are: ' + ', '.join(COMMANDS)}"
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        for section in dict.fromkeys(entry.section for entry in COMMANDS.values()):
            with formatter.section(section):
                formatter.write_dl(
                    [(name, entry.summary) for name, entry in COMMANDS.items() if entry.section == section]
                )

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        with formatter.section("Examples"):
            for line in EXAMPLES.splitlines():
                formatter.write(f"{'':{formatter.current_indent}}{line}\n")
        formatter.write("\nphotophore COMMAND --help tells more about a command.\n")


def _print_version(ctx: click.Context, _option: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's signature
    if value and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(version("photophore"))
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--debug", is_flag=True, envvar="PHOTOPHORE_DEBUG", help="Show the traceback of an error.")
@click.option("--no-plugins", is_flag=True, help="Load no plugins but the built-in ones (PHOTOPHORE_PLUGINS=a,b: nor any but these).")
@click.option(
    "--plugins-dir",
    "folders",
    multiple=True,
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False),
    help="Load every *.py in DIR as a plugin, too; may be repeated.",
)
@click.option("--trace-plugins", is_flag=True, help="Show each call into a plugin with its time.")
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version number.",
)
@click.pass_context
def cli(ctx: click.Context, *, debug: bool, no_plugins: bool, folders: tuple[str, ...], trace_plugins: bool) -> None:
    """Annotate proteins that alignment alone leaves dark.

    A learned prefilter finds the few profiles worth aligning to each protein; HMMER scores these, so that every
    score and E-value is HMMER's own. Encoders, indexes, aggregators and annotators are plugins.
    """
    ctx.ensure_object(Settings).debug = debug
    if no_plugins and folders:
        raise UsageError("--no-plugins and --plugins-dir exclude each other; give one of them")
    if no_plugins:
        ctx.with_resource(_environment("PHOTOPHORE_PLUGINS", "photophore"))
        ctx.with_resource(_environment("PHOTOPHORE_PLUGINS_DIR", ""))
    parted = [folder for folder in folders if os.pathsep in folder]
    if parted:
        raise UsageError(f"--plugins-dir {parted[0]}: a {os.pathsep!r} parts folders; rename it, or give a link to it")
    if folders:
        ctx.with_resource(_environment("PHOTOPHORE_PLUGINS_DIR", os.pathsep.join(folders)))
    if trace_plugins:
        from photophore.trace import tracing

        ctx.with_resource(tracing())


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; the entry point of ``photophore``."""
    settings = Settings()
    arguments = list(sys.argv[1:] if args is None else args)
    try:
        with _termination():
            code = cli.main(args=arguments, prog_name="photophore", standalone_mode=False, obj=settings)
    except click.ClickException as error:
        error.show()
        if isinstance(error, click.NoSuchOption) and any(error.option_name in option.opts for option in cli.params):
            click.echo(f"It stands before the command: photophore {error.option_name} ...", err=True)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("photophore: interrupted", err=True)
        return INTERRUPTED
    except PhotophoreError as error:
        if settings.debug:
            traceback.print_exc()
        click.echo(f"photophore: error: {_message(error)}", err=True)
        return error.exit_code
    except MemoryError:
        click.echo("photophore: error: out of memory; give it more, or make --batch-residues smaller", err=True)
        return OUT_OF_MEMORY
    except Exception:  # noqa: BLE001 - the last stop: shown in full, and ended with a code of its own
        traceback.print_exc()
        click.echo("photophore: this is a fault of Photophore or of a plugin; please report the lines above", err=True)
        return UNFORESEEN
    return code if isinstance(code, int) else 0


def _message(error: PhotophoreError) -> str:
    """Return the text of ``error`` and of the notes that it gathered on its way, one a line."""
    text = "\n  ".join([str(error), *getattr(error, "__notes__", ())])
    return f"several problems\n{text}" if "\n- " in text else text


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    """Set an environment variable for the time of one command."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


@contextmanager
def _termination() -> Iterator[None]:
    """Turn SIGTERM into an exception for the time of one command, so that unfinished files are cleared away."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _frame: FrameType | None) -> NoReturn:
        raise Terminated(128 + number)

    before: Any = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
