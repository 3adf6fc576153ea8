"""What holds for the declaration of every plugin, whatever its kind."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from photophore.config import make_config
from photophore.contract import HOOKS, spec_faults
from photophore.hookspecs import Runtime, Spec
from photophore.registry import missing_requirements

#: Runtimes that cost seconds to import: a plugin's declaration must do without them.
RUNTIMES = ("esm", "faiss", "onnxruntime", "pyarrow", "pyhmmer", "safetensors", "scipy", "torch", "transformers")


class SpecConformance:
    """Base of the suites: give the spec, and options where the defaults need something (weights, for example)."""

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

    def test_declaration_is_complete(self, spec: Spec) -> None:
        expected = next(kind for kind in HOOKS.values() if kind.kind == spec.kind)
        assert spec_faults(spec, expected) == []

    def test_config_travels_between_processes(self, config: Any) -> None:
        assert pickle.loads(pickle.dumps(config)) == config  # noqa: S301 - made in this line

    def test_declaring_imports_no_runtime(self, spec: Spec) -> None:
        program = f"import sys, {spec.create.__module__}; print(*sys.modules)"  # type: ignore[attr-defined]
        done = subprocess.run(  # noqa: S603 - our own interpreter
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        assert set(RUNTIMES).isdisjoint(done.stdout.split())
