"""How far a command is: a bar with counts and time left on a terminal, plain lines now and then elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Protocol, Self, TextIO

#: Seconds between two lines where there is no terminal.
LINE_INTERVAL_S = 15.0


class Progress(Protocol):
    """What the pipeline tells the user; all of it may be ignored."""

    def message(self, text: str) -> None:
        """Say something once."""

    def begin(self, label: str, total: float | None) -> None:
        """Start a stage of ``total`` units, None where nobody knows."""

    def advance(self, done: float, detail: str) -> None:
        """Say that ``done`` units are finished, and what came of them."""

    def end(self) -> None:
        """Finish the stage."""


class NoProgress:
    """Says nothing."""

    def message(self, text: str) -> None:
        """Ignore."""

    def begin(self, label: str, total: float | None) -> None:
        """Ignore."""

    def advance(self, done: float, detail: str) -> None:
        """Ignore."""

    def end(self) -> None:
        """Ignore."""


class LineProgress:
    """Plain lines for logs: the first after a while, then one every `LINE_INTERVAL_S` seconds."""

    def __init__(self, stream: TextIO, *, interval_s: float = LINE_INTERVAL_S) -> None:
        self._stream = stream
        self._interval_s = interval_s
        self._label = ""
        self._total: float | None = None
        self._started = self._said = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def message(self, text: str) -> None:
        """Write one line with the time of day."""
        self._stream.write(f"[{time.strftime('%H:%M:%S')}] {text}\n")
        self._stream.flush()

    def begin(self, label: str, total: float | None) -> None:
        """Start a stage."""
        self._label, self._total = label, total
        self._started = self._said = time.monotonic()

    def advance(self, done: float, detail: str) -> None:
        """Write a line where the last one is long ago."""
        now = time.monotonic()
        if now - self._said < self._interval_s:
            return
        self._said = now
        share = ""
        if self._total and done:
            left = (now - self._started) * max(0.0, self._total / done - 1)
            share = f", {min(100.0, 100 * done / self._total):.0f} %, {duration(left)} left"
        self.message(f"{self._label}: {detail}{share}")

    def end(self) -> None:
        """Nothing is held back."""


class BarProgress:
    """A bar on a terminal, drawn by rich; gone when done."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[detail]}"),
            console=Console(file=stream),
            transient=True,
        )
        self._task: Any = None

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def message(self, text: str) -> None:
        """Write one line above the bar."""
        self._bar.console.print(text, markup=False, highlight=False)

    def begin(self, label: str, total: float | None) -> None:
        """Show a bar."""
        self._task = self._bar.add_task(label, total=total, detail="")

    def advance(self, done: float, detail: str) -> None:
        """Move the bar."""
        if self._task is not None:
            self._bar.update(self._task, completed=done, detail=detail)

    def end(self) -> None:
        """Take the bar away."""
        if self._task is not None:
            self._bar.remove_task(self._task)
            self._task = None


def make_progress(stream: TextIO) -> BarProgress | LineProgress:
    """Return a bar where ``stream`` is a terminal, else plain lines; to be used in a ``with`` statement."""
    return BarProgress(stream) if stream.isatty() else LineProgress(stream)


def duration(seconds: float) -> str:
    """Return a duration as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 9.5 else f"{seconds:.1f} s"
    if seconds < 5_400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
