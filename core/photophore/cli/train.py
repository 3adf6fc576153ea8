"""``photophore train``: hand a training configuration to the encoder that is to be trained."""

from __future__ import annotations

import logging
from pathlib import Path

import click

from photophore.errors import PluginError, UsageError


@click.command(short_help="Train the model of an encoder.")
@click.argument("name")
@click.option(
    "--config",
    "config_file",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="YAML file with the data, the model and the schedule of the training (docs/training.md tells every key).",
)
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Set a value of the file, such as loop.steps=2000; may be repeated.")
def train(*, name: str, config_file: Path, settings: tuple[str, ...]) -> None:
    """Train the model of the encoder NAME.

    \b
    photophore train near --config near.yaml
    photophore train near --config near.yaml --set loop.steps=2000 --set out=near-mine
    photophore train near --config near.yaml --set loop.device=cuda
    photophore train hifinn --config hifinn.yaml

    The data are prepared first, then the model is trained, then exported; what was done before is not done again, so a
    stopped training goes on with the same command. Weights are used by their path:

    \b
    photophore db build profiles.hmm -o db --set encoder.weights=near-mine/near.safetensors
    photophore db build --method hifinn lookup.tsv -o ec --set encoder.weights=hifinn-mine/hifinn.safetensors
    """  # noqa: D301 - click's mark for lines that keep their breaks
    from photophore.hookspecs import EncoderSpec
    from photophore.registry import load_registry, require_modules

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    overrides = parse_settings(settings)
    registry = load_registry(beside=config_file)
    spec = registry.spec("encoder", name)
    if not isinstance(spec, EncoderSpec) or spec.train is None:
        able = [item.name for item in registry.specs("encoder") if isinstance(item, EncoderSpec) and item.train]
        raise PluginError(f"encoder {name!r} cannot be trained; these can: {', '.join(able) or 'none'}")
    require_modules(spec)
    spec.train(config_file, overrides)


def parse_settings(settings: tuple[str, ...]) -> dict[str, str]:
    """Return ``KEY=VALUE`` pairs as a dictionary; a pair without ``=`` or a repeated key raises `UsageError`."""
    pairs: dict[str, str] = {}
    for text in settings:
        key, equals, value = text.partition("=")
        key = key.strip()
        if not (key and equals):
            raise UsageError(f"--set {text!r} is not of the form KEY=VALUE")
        if key in pairs:
            raise UsageError(f"--set {key} is given twice ({pairs[key]!r} and {value!r}); give it once")
        pairs[key] = value
    return pairs
