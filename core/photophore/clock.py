"""Wall-clock seconds by stage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter


class Clock:
    """Adds up the seconds of named stages in `seconds`."""

    def __init__(self, seconds: dict[str, float] | None = None) -> None:
        self.seconds = {} if seconds is None else seconds

    def add(self, seconds: Mapping[str, float]) -> None:
        """Add what another clock took."""
        for stage, taken in seconds.items():
            self.seconds[stage] = self.seconds.get(stage, 0.0) + taken

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Add the time of a block to ``stage``."""
        start = perf_counter()
        try:
            yield
        finally:
            self.add({stage: perf_counter() - start})
