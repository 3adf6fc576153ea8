"""The command line as a user meets it: lists, doctor, help, errors, exit codes."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
from importlib.metadata import version

import click
import pytest

from photophore.cli import COMMANDS, cli, main
from photophore.cli.train import parse_settings
from photophore.errors import InputError, OutOfMemoryError, Problems, UsageError


def test_list_shows_kinds_names_summaries_and_strangers(site, good) -> None:
    needs = "create=create, requires=(Requirement('no_such', 'pip install no-such'),))"
    site.install("acme", good.format(name="acme").replace("create=create)", needs), version="1.2")
    result = site.photophore("plugins", "list")
    assert result.returncode == 0
    for heading in ("encoders", "indexes", "aggregators", "annotators"):
        assert f"{heading}\n" in result.stdout
    assert "A stranger.  [acme 1.2]\n" in result.stdout
    assert "needs: pip install no-such\n" in result.stdout
    flat = next(line for line in result.stdout.splitlines() if line.startswith("  flat "))
    assert "[" not in flat


def test_list_as_json_tells_everything(site, good) -> None:
    site.install("acme", "print('noise')\n" + good.format(name="acme"), version="1.2")
    site.install("bolt", "import nothing_like_it\n")
    result = site.photophore("plugins", "list", "--json")
    report = json.loads(result.stdout)
    assert report["api"] == 1
    (acme,) = [item for item in report["plugins"] if item["name"] == "acme"]
    assert acme == {
        "kind": "aggregator",
        "name": "acme",
        "summary": "A stranger.",
        "distribution": "acme",
        "version": "1.2",
        "entry_point": "acme",
        "location": str(site.folder),
        "one_file": False,
        "missing": [],
        "models": {},
        "options": [{"name": "gate", "values": "a number", "default": "0.5", "help": "smallest score that counts"}],
    }
    (bolt,) = [item for item in report["problems"] if item["distribution"] == "bolt"]
    assert "No module named 'nothing_like_it'" in bolt["reason"]
    assert "pip uninstall bolt" in bolt["remedy"]


def test_list_mentions_problems_and_still_ends_well(site) -> None:
    site.install("acme", "1 / 0\n")
    result = site.photophore("plugins", "list", PHOTOPHORE_PLUGINS="acme,faiss")
    assert result.returncode == 0
    problem, hint = result.stderr.splitlines()
    assert problem.startswith(
        "left out: plugin acme 1.0 (entry point 'acme'): importing 'acme_plugin' failed: ZeroDivisionError"
    )
    assert hint == "1 problem with plugins; photophore plugins doctor tells what to do"
    assert "flat" in result.stdout


def test_strict_ends_the_list_with_the_code_of_a_plugin_error(site) -> None:
    site.install("acme", "1 / 0\n")
    result = site.photophore("plugins", "list", PHOTOPHORE_PLUGINS="acme", PHOTOPHORE_STRICT="1")
    assert result.returncode == 6
    assert result.stdout == ""
    assert result.stderr.startswith(
        "photophore: error: plugin acme 1.0 (entry point 'acme'): importing 'acme_plugin' failed: ZeroDivisionError"
    )


def test_no_plugins_leaves_strangers_out(site, good) -> None:
    site.install("acme", good.format(name="acme"))
    assert "acme" in site.photophore("plugins", "list").stdout
    result = site.photophore("--no-plugins", "plugins", "list")
    assert "acme" not in result.stdout
    assert "flat" in result.stdout


def test_no_plugins_ends_with_its_command(capsys, monkeypatch) -> None:
    monkeypatch.setenv("PHOTOPHORE_PLUGINS", "faiss")
    assert main(["--no-plugins", "plugins", "list"]) == 0
    assert "hmmer" in capsys.readouterr().out
    assert os.environ["PHOTOPHORE_PLUGINS"] == "faiss"


def test_show_lists_options_and_origin(capsys) -> None:
    assert main(["plugins", "show", "hmmer"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("annotator hmmer: ")
    assert "from photophore " in out
    assert "annotator." in out
    assert main(["plugins", "show", "hmer"]) == 2
    assert "no plugin is called 'hmer'; did you mean 'hmmer'?" in capsys.readouterr().err


def test_help_groups_commands_and_gives_examples(capsys) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    for section in ("Annotate:", "Databases and models:", "Plugins:", "Examples:"):
        assert f"\n{section}\n" in out
    for name, command in COMMANDS.items():
        assert f"  {name} " in out
        assert command.summary in out
    assert "  photophore annotate proteins.faa -o results\n" in out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_listed_command_exists_and_has_help(name, capsys) -> None:
    assert isinstance(getattr(importlib.import_module(COMMANDS[name].module), name), click.Command)
    assert main([name, "--help"]) == 0
    assert f"Usage: photophore {name} " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["anotate"], "no command 'anotate'; did you mean 'annotate'?"),
        (["frobnicate"], "no command 'frobnicate'; commands are: annotate, genes, split, merge, report, db, models, train, plugins"),
        (["--loud"], "--loud"),
        (["plugins", "lst"], "lst"),
    ],
)
def test_a_mistyped_command_ends_with_code_2(arguments, message, capsys) -> None:
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


@pytest.fixture
def failing(monkeypatch):
    """Return a function that makes ``photophore plugins`` raise what it is given."""

    def make(error: BaseException) -> None:
        def callback(**_options: object) -> None:
            raise error

        monkeypatch.setattr(cli, "get_command", lambda _context, name: click.Command(name, callback=callback))

    return make


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (InputError("q.faa:3: no header"), 3, "photophore: error: q.faa:3: no header\n"),
        (Problems([InputError("one"), UsageError("two")]), 3, "photophore: error: several problems\n- one\n- two\n"),
        (OutOfMemoryError("the device is full"), 137, "photophore: error: the device is full\n"),
        (MemoryError(), 137, "photophore: error: out of memory; "),
        (KeyboardInterrupt(), 130, "photophore: interrupted\n"),
        (RuntimeError("odd"), 70, "RuntimeError: odd\nphotophore: this is a fault of Photophore or of a plugin"),
    ],
)
def test_errors_become_one_message_and_a_code(failing, capsys, error, code, message) -> None:
    failing(error)
    assert main(["plugins"]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert ("Traceback" in captured.err) == (code == 70)


def test_debug_shows_the_traceback_and_notes_are_kept(failing, capsys) -> None:
    error = InputError("q.faa:3: no header")
    error.add_note("while reading the second file")
    failing(error)
    assert main(["--debug", "plugins"]) == 3
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert err.endswith("photophore: error: q.faa:3: no header\n  while reading the second file\n")


def test_sigterm_unwinds_and_the_handler_is_put_back(failing, monkeypatch) -> None:
    unwound = []

    def callback(**_options: object) -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        finally:
            unwound.append(True)

    monkeypatch.setattr(cli, "get_command", lambda _context, name: click.Command(name, callback=callback))
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as caught:
        main(["plugins"])
    assert caught.value.code == 143
    assert unwound
    assert signal.getsignal(signal.SIGTERM) == before


TRAINS = """
from dataclasses import dataclass
from pathlib import Path
from photophore.hookspecs import EncoderSpec, hookimpl

@dataclass(frozen=True)
class Config:
    pass

def train(config_file, overrides):
    Path(config_file).with_suffix(".done").write_text(f"{Path(config_file).read_text()} {sorted(overrides.items())}")

@hookimpl
def photophore_encoders():
    yield EncoderSpec(name="acme", summary="Trains.", config=Config, create=print, train=train)
    yield EncoderSpec(name="fixed", summary="Does not.", config=Config, create=print)
"""


def test_train_hands_the_file_and_the_settings_to_the_encoder(site, tmp_path) -> None:
    site.install("acme", TRAINS)
    config = tmp_path / "acme.yaml"
    config.write_text("steps: 5")
    result = site.photophore("train", "acme", "--config", str(config), "--set", "steps=7", "--set", "name=a=b")
    assert (result.returncode, result.stderr) == (0, "")
    assert config.with_suffix(".done").read_text() == "steps: 5 [('name', 'a=b'), ('steps', '7')]"


def test_train_says_which_encoders_can_be_trained(site, tmp_path) -> None:
    site.install("acme", TRAINS)
    config = tmp_path / "acme.yaml"
    config.write_text("steps: 5")
    result = site.photophore("train", "fixed", "--config", str(config), PHOTOPHORE_PLUGINS="acme")
    assert result.returncode == 6
    assert result.stderr == "photophore: error: encoder 'fixed' cannot be trained; these can: acme, hifinn, near\n"
    absent = site.photophore("train", "acme", "--config", str(tmp_path / "none.yaml"))
    assert absent.returncode == 2
    assert "none.yaml" in absent.stderr


def test_the_package_can_be_run_as_a_module() -> None:
    command = [sys.executable, "-m", "photophore", "--version"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout == version("photophore") + "\n"


def test_a_reader_that_leaves_early_is_no_error() -> None:
    command = [sys.executable, "-m", "photophore", "plugins", "list", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.close()
        _, errors = process.communicate()
    assert process.returncode == 1
    assert errors == ""


def test_settings_are_checked() -> None:
    assert parse_settings(("a=1", "b= x=y")) == {"a": "1", "b": " x=y"}
    with pytest.raises(UsageError, match="--set 'steps' is not of the form KEY=VALUE"):
        parse_settings(("steps",))
    with pytest.raises(UsageError, match="--set a is given twice .'1' and '2'.; give it once"):
        parse_settings(("a=1", "a=2"))
