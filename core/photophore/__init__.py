"""Photophore annotates proteins that alignment alone leaves dark; everything that knows biology is a plugin."""

from __future__ import annotations

__all__ = ["__version__"]


def __getattr__(name: str) -> str:
    """Read ``__version__`` from the installed metadata when it is asked for: there is one version, in pyproject.toml."""
    if name == "__version__":
        from importlib.metadata import version

        return version("photophore")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
