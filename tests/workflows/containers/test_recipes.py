"""The recipes of the images agree with each other, so far as they can be read without building: they share their steps."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CONTAINERS = ROOT / "containers"


def instructions(recipe: str) -> list[tuple[str, str]]:
    """Return the instructions of a Dockerfile, such as ``("USER", "1000:1000")``, with continued lines joined."""
    lines = [line for line in (CONTAINERS / recipe).read_text().splitlines() if line and not line.startswith("#")]
    joined = re.sub(r" *\\\n *", " ", "\n".join(lines))
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in joined.splitlines())]


def named(recipe: str, name: str) -> list[str]:
    """Return what stands behind the instructions called ``name``."""
    return [rest for instruction, rest in instructions(recipe) if instruction == name]


def labels(recipe: str) -> dict[str, str]:
    """Return the labels of a Dockerfile."""
    return dict(re.findall(r'(\S+)="([^"]*)"', " ".join(named(recipe, "LABEL"))))


def definition() -> list[dict[str, list[str]]]:
    """Return the stages of the Apptainer definition: each the lines of its sections, those of the header under ``""``."""
    stages: list[dict[str, list[str]]] = []
    section = ""
    for line in (CONTAINERS / "photophore.def").read_text().splitlines():
        if line.startswith("Bootstrap:"):
            stages.append({"": []})
            section = ""
        if line.startswith("%"):
            section = line[1:]
            stages[-1][section] = []
        elif stages and line.strip():
            stages[-1][section].append(line.strip())
    return stages


def steps(lines: list[str]) -> list[str]:
    """Return which steps of install.sh are run."""
    return re.findall(r"install\.sh (\w+)", "\n".join(lines))


def test_every_image_runs_the_steps_of_the_install_script():
    build, final = definition()
    assert steps(named("Dockerfile", "RUN")) == steps(build["post"]) == ["system", "tools", "photophore"]
    assert steps(final["post"]) == ["system"]
    unknown = subprocess.run(
        ["sh", CONTAINERS / "install.sh", "everything"], capture_output=True, text=True, check=False
    )
    assert (unknown.returncode, unknown.stderr) == (
        2,
        "install.sh: 'everything' is no step; system, tools or photophore\n",
    )


def test_images_start_from_a_base_that_can_be_chosen():
    assert instructions("Dockerfile")[:2] == [("ARG", "BASE=debian:bookworm-slim"), ("FROM", "${BASE} AS system")]
    assert instructions("Dockerfile.cuda")[1] == ("FROM", "${BASE}")
    for stage in definition():
        assert "From: {{ BASE }}" in stage[""]
        assert stage["arguments"] == ["BASE=debian:bookworm-slim"]


def test_cuda_image_is_the_cpu_image_with_torch():
    (tag,) = re.findall(r"-t (\S+) \.$", (CONTAINERS / "Dockerfile").read_text(), re.MULTILINE)
    assert named("Dockerfile.cuda", "ARG") == [f"BASE={tag}", "EXTRA=torch"]
    for name in ("HEALTHCHECK", "USER"):
        assert named("Dockerfile.cuda", name)[-1] == named("Dockerfile", name)[-1]
    assert labels("Dockerfile.cuda").keys() < labels("Dockerfile").keys()
    assert (
        labels("Dockerfile.cuda")["org.opencontainers.image.version"]
        == labels("Dockerfile")["org.opencontainers.image.version"]
    )


def test_apptainer_image_is_the_cpu_image():
    build, final = definition()
    assert {line.partition(" ")[0]: line.partition(" ")[2] for line in final["labels"]} == labels("Dockerfile")
    assert final["environment"] == [f"export {named('Dockerfile', 'ENV')[0]}"]
    assert final["files from build"] == ["/opt/photophore /opt/photophore"]
    assert named("Dockerfile", "COPY")[-1] == "--from=build /opt/photophore /opt/photophore"
    (check,) = named("Dockerfile", "HEALTHCHECK")
    assert final["test"] == [" ".join(re.findall(r'"([^"]+)"', check))]

    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    sources = [line.split()[0] for line in build["files"]]
    assert sorted(sources) == sorted(allowed), "what goes into the image of Docker and of Apptainer"
    assert [line.split()[1] for line in build["files"]] == [f"/usr/src/photophore/{source}" for source in sources]


@pytest.mark.parametrize(
    "pattern", ["core", "plugins", "pyproject.toml", "README.md", "LICENSE", "containers/install.sh"]
)
def test_what_an_image_is_built_of_is_there(pattern):
    assert (ROOT / pattern).exists()


def test_shell_of_every_recipe_parses():
    texts = [(CONTAINERS / "install.sh").read_text(), *named("Dockerfile", "RUN"), *named("Dockerfile.cuda", "RUN")]
    for stage in definition():
        texts += ["\n".join(stage.get(name, [])) for name in ("post", "environment", "runscript", "test")]
    for text in texts:
        done = subprocess.run(["sh", "-n"], input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{text}\n{done.stderr}"
