"""Rules of the house that no linter knows: names of files, pickles, pairs matched by position, length."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE_ROOTS = ("core", "plugins", "galaxy_tools", "benchmarks", "docs", "tests", ".ci")
MAX_LINES = 400

#: Files of more than `MAX_LINES` lines, each with its reason.
LONG_FILES: dict[str, str] = {"benchmarks/structure.py": "six measurements on one set of held-out folds, with the same options"}

FALSE = ast.Constant(value=False)

#: Modules whose loaders run code that the file brings along.
PICKLES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}

#: Findings that are right, each with its reason.
ALLOWED = {
    ("core/photophore/testing/declarations.py", "uses pickle"): "loads only what the same line dumped",
    ("core/photophore/testing/annotators.py", "uses pickle"): "loads only what the same line dumped",
    ("tests/core/test_onefile.py", "uses pickle"): "loads only what the same line dumped",
}

FILES = sorted(
    path for root in SOURCE_ROOTS for path in (ROOT / root).rglob("*.py") if "__pycache__" not in path.parts
)


def keywords(call: ast.Call) -> dict[str | None, ast.expr]:
    return {keyword.arg: keyword.value for keyword in call.keywords}


def is_constant(value: ast.expr | None, wanted: object) -> bool:
    return isinstance(value, ast.Constant) and value.value is wanted


def imported(node: ast.AST) -> set[str]:
    """Return the full names that an import brings, but for errors: those may be caught."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names if alias.name != "pickle" or alias.asname}
    if isinstance(node, ast.ImportFrom):
        return {f"{node.module}.{alias.name}" for alias in node.names if not alias.name.endswith("Error")}
    return set()


def unsafe_loads(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and reason of whatever may load a pickle."""
    for node in ast.walk(tree):
        if any(name.partition(".")[0] in PICKLES for name in imported(node)):
            yield node.lineno, "imports a pickle module"
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "pickle" and not node.attr.endswith("Error"):
            yield node.lineno, "uses pickle"
        if isinstance(node, ast.Call):
            called, given = ast.unparse(node.func), keywords(node)
            if called == "torch.load" and not is_constant(given.get("weights_only"), True):
                yield node.lineno, "torch.load without weights_only=True"
            if called in {"np.load", "numpy.load"} and not is_constant(given.get("allow_pickle", FALSE), False):
                yield node.lineno, "numpy.load with allow_pickle"


def loose_zips(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield every zip that would drop the rest of the longer side in silence."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "zip"
            and not is_constant(keywords(node).get("strict"), True)
        ):
            yield node.lineno, "zip without strict=True"


def bare_excepts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            yield node.lineno, "bare except"


Check = Callable[[ast.AST], Iterator[tuple[int, str]]]


@pytest.mark.parametrize("check", [unsafe_loads, loose_zips, bare_excepts])
def test_no_file_breaks_the_rule(check: Check) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {reason}"
        for path in FILES
        for line, reason in check(ast.parse(path.read_text(encoding="utf-8")))
        if (path.relative_to(ROOT).as_posix(), reason) not in ALLOWED
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("check", "code"),
    [
        (unsafe_loads, "import pickle\npickle.loads(b'')"),
        (unsafe_loads, "import pickle as p"),
        (unsafe_loads, "from pickle import loads"),
        (unsafe_loads, "import joblib"),
        (unsafe_loads, "from joblib import load"),
        (unsafe_loads, "torch.load(path)"),
        (unsafe_loads, "torch.load(path, weights_only=False)"),
        (unsafe_loads, "np.load(path, allow_pickle=True)"),
        (loose_zips, "zip(a, b)"),
        (loose_zips, "zip(a, b, strict=False)"),
        (bare_excepts, "try:\n    pass\nexcept:\n    pass"),
    ],
)
def test_the_check_sees_what_it_forbids(check: Check, code: str) -> None:
    assert list(check(ast.parse(code)))


@pytest.mark.parametrize(
    ("check", "code"),
    [
        (unsafe_loads, "torch.load(path, map_location='cpu', weights_only=True)"),
        (unsafe_loads, "from pickle import UnpicklingError"),
        (unsafe_loads, "import pickle\npickle.UnpicklingError"),
        (unsafe_loads, "np.load(path)"),
        (unsafe_loads, "np.load(path, allow_pickle=False)"),
        (loose_zips, "zip(a, b, strict=True)"),
        (bare_excepts, "try:\n    pass\nexcept ValueError:\n    pass"),
    ],
)
def test_the_check_lets_the_rest_pass(check: Check, code: str) -> None:
    assert not list(check(ast.parse(code)))


def test_no_file_is_a_drawer_for_odds_and_ends() -> None:
    drawers = {"utils.py", "util.py", "helpers.py", "helper.py", "common.py", "misc.py"}
    assert not [str(path.relative_to(ROOT)) for path in FILES if path.name in drawers]


def test_source_roots_are_not_packages() -> None:
    assert not [root for root in ("core", "plugins") if (ROOT / root / "__init__.py").exists()]


def test_every_package_says_that_it_is_typed() -> None:
    packages = [path.parent for path in (*ROOT.glob("core/*/__init__.py"), *ROOT.glob("plugins/*/__init__.py"))]
    assert packages
    assert not [str(package.relative_to(ROOT)) for package in packages if not (package / "py.typed").exists()]


def test_long_files_have_a_reason() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    long = {name: lines for name, lines in lengths.items() if lines > MAX_LINES and name not in LONG_FILES}
    assert not long, f"more than {MAX_LINES} lines: split them, or give a reason in LONG_FILES: {long}"
    assert not [name for name in LONG_FILES if lengths.get(name, 0) <= MAX_LINES], "LONG_FILES names files that are short"


def test_every_lint_exception_has_its_reason() -> None:
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    lint = pyproject[pyproject.index("[tool.ruff.lint]") : pyproject.index("[tool.ruff.lint.flake8-tidy-imports]")]
    rules = [line for line in lint.splitlines() if re.match(r'\s+"[A-Z]+\d*",?', line)]
    assert len(rules) > 20
    assert not [line for line in rules if "#" not in line]


def test_links_of_the_front_page_lead_somewhere() -> None:
    for page in (ROOT / "README.md", ROOT / "benchmarks" / "README.md"):
        links = [link for link in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")) if "://" not in link]
        assert links
        assert not [link for link in links if not (page.parent / link).exists()]


def test_readme_has_the_two_commands_that_ci_runs() -> None:
    blocks = re.findall(r"^```bash\n(.*?)^```$", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    assert blocks == [
        "pip install . && photophore annotate example:corynebacterium -o out\n",
        "pip install -e '.[test]' && pytest -n auto\n",
    ]
