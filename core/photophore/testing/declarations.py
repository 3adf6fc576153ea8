"""What holds for the declaration of every plugin, whatever its kind."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest

from photophore.config import make_config, options_of
from photophore.contract import HOOKS, spec_faults
from photophore.devices import resolve_device
from photophore.errors import PhotophoreError, UsageError
from photophore.hookspecs import Runtime, Spec
from photophore.registry import missing_requirements

#: Runtimes that cost seconds to import: a plugin's declaration must do without them.
RUNTIMES = (
    "esm",
    "faiss",
    "hnswlib",
    "jax",
    "onnxruntime",
    "pandas",
    "pyarrow",
    "pyhmmer",
    "safetensors",
    "scipy",
    "sklearn",
    "tensorflow",
    "torch",
    "transformers",
    "usearch",
)

Result = TypeVar("Result")


def elsewhere(function: Callable[..., Result], *arguments: Any) -> Result:
    """Return what ``function`` returns when another thread than this one calls it."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function, *arguments).result()


class SpecConformance:
    """Base of the suites: give the spec, and options where the defaults need something (weights, for example)."""

    #: Largest difference between the answers of a GPU and of the processor; None where the plugin never uses a GPU.
    gpu_tolerance: ClassVar[float | None] = None

    @pytest.fixture(scope="class")
    @classmethod
    def spec(cls) -> Any:
        """Return the spec under test; every suite overrides this."""
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def options(cls) -> Mapping[str, Any]:
        """Return options by field name."""
        return {}

    @pytest.fixture(scope="class")
    @classmethod
    def refused(cls) -> Sequence[tuple[Mapping[str, Any], str]]:
        """Return options that cannot work, each with a piece of the message that must say so."""
        return ()

    @pytest.fixture(scope="class")
    @classmethod
    def config(cls, spec: Any, options: Mapping[str, Any]) -> Any:
        """Return the config; the suite is skipped where a module that the plugin needs is not installed."""
        if missing := missing_requirements(spec):
            pytest.skip(f"{spec.kind} {spec.name} needs {missing[0].module}: {missing[0].install}")
        return make_config(spec, options)

    @pytest.fixture(scope="class")
    @classmethod
    def runtime(cls) -> Runtime:
        """Return what the plugin may use of the machine."""
        return Runtime(threads=1)

    @pytest.fixture(scope="class")
    @classmethod
    def two_threads(cls, runtime: Runtime) -> Runtime:
        """Return the same machine with two threads."""
        return replace(runtime, threads=2)

    @pytest.fixture(scope="class")
    @classmethod
    def gpu(cls, runtime: Runtime) -> Runtime:
        """Return the same machine with its GPU; tests are skipped where the plugin uses none, or there is none."""
        if cls.gpu_tolerance is None:
            pytest.skip("uses no GPU")
        try:
            return replace(runtime, device=resolve_device("cuda"))
        except UsageError as error:
            pytest.skip(str(error))

    def test_declaration_is_complete(self, spec: Spec) -> None:
        expected = next(kind for kind in HOOKS.values() if kind.kind == spec.kind)
        assert spec_faults(spec, expected) == []

    def test_config_travels_between_processes(self, config: Any) -> None:
        assert pickle.loads(pickle.dumps(config)) == config  # noqa: S301 - made in this line

    def test_declaration_travels_between_processes(self, spec: Spec) -> None:
        assert pickle.loads(pickle.dumps(spec)) == spec  # noqa: S301 - made in this line

    def test_wrong_options_are_refused_by_name(self, spec: Spec) -> None:
        with pytest.raises(UsageError, match="has no option 'no_such_option'"):
            make_config(spec, {"no_such_option": 1})
        for option in options_of(spec.config):
            with pytest.raises(UsageError, match=f"{spec.kind}.{option.name} of '{spec.name}': "):
                make_config(spec, {option.name: object()})

    def test_options_that_cannot_work_are_refused_by_text(
        self, spec: Any, refused: Sequence[tuple[Mapping[str, Any], str]], runtime: Runtime, tmp_path: Path
    ) -> None:
        for options, text in refused:
            with pytest.raises(PhotophoreError) as caught:
                self._open(spec, make_config(spec, options), runtime, tmp_path)
            assert text in str(caught.value)

    def _open(self, spec: Any, config: Any, runtime: Runtime, folder: Path) -> Any:  # noqa: ARG002 - for annotators
        return spec.create(config, runtime)

    def test_declaring_imports_no_runtime(self, spec: Spec) -> None:
        program = f"import sys, {spec.create.__module__}; print(*sys.modules)"  # type: ignore[attr-defined]
        done = subprocess.run(  # noqa: S603 - our own interpreter
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        assert set(RUNTIMES).isdisjoint(done.stdout.split())
