"""Each call into a plugin: with its time on standard error where ``--trace-plugins`` asks for it, and kept from ending the process."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from photophore.errors import PluginError, Terminated

_log = logging.getLogger("photophore.plugins")


def is_traced() -> bool:
    """Return whether somebody listens."""
    return _log.isEnabledFor(logging.DEBUG)


@contextmanager
def traced(what: str) -> Iterator[None]:
    """Log the time of a block that runs code of a plugin; costs nothing to speak of while nobody listens."""
    if not is_traced():
        yield
        return
    begin = perf_counter()
    try:
        yield
    except BaseException as error:
        _log.debug("%10.1f ms  %s: %s: %s", 1e3 * (perf_counter() - begin), what, type(error).__name__, error)
        raise
    _log.debug("%10.1f ms  %s", 1e3 * (perf_counter() - begin), what)


@contextmanager
def calling(plugin: str, what: str) -> Iterator[None]:
    """Run code of a plugin: its time is traced, and an attempt to end the process becomes a `PluginError`."""
    with traced(f"{plugin}: {what}"):
        try:
            yield
        except Terminated:
            raise
        except SystemExit as error:
            raise PluginError(
                f"{plugin}: tried to end the process (SystemExit: {error}); this is a fault of the plugin"
            ) from error


@contextmanager
def tracing() -> Iterator[None]:
    """Show on standard error what is traced within the block."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("trace: %(message)s"))
    level, propagate = _log.level, _log.propagate
    _log.addHandler(handler)
    _log.setLevel(logging.DEBUG)
    _log.propagate = False
    try:
        yield
    finally:
        _log.removeHandler(handler)
        _log.setLevel(level)
        _log.propagate = propagate
