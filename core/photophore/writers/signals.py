"""Signals that end a run become exceptions, so that partial files are removed; the last step is not cut in half."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Terminated(SystemExit):
    """SIGTERM or SIGHUP arrived. Unless caught, the process ends with 128 + signal, silently, as shells expect."""

    def __init__(self, signum: int) -> None:
        super().__init__(128 + signum)
        self.signum = signum


class SignalGuard:
    """Context manager that turns SIGTERM and SIGHUP into `Terminated`; `held` delays them and Ctrl-C.

    Handlers set by others are kept and called; ignored signals stay ignored. Outside the main thread, where Python
    allows no handlers, it does nothing.
    """

    def __init__(self) -> None:
        self._previous: dict[int, Any] = {}
        self._holding = False
        self._waiting: list[int] = []

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for signum in _SIGNALS:
                previous = signal.getsignal(signum)
                if previous is not None and previous is not signal.SIG_IGN:
                    self._previous[signum] = previous
                    signal.signal(signum, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for signum, previous in self._previous.items():
            signal.signal(signum, previous)
        self._previous.clear()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let signals wait until the block is done."""
        self._holding = True
        try:
            yield
        finally:
            self._holding = False
        if self._waiting:
            self._deliver(self._waiting.pop(0), None)

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        if self._holding:
            self._waiting.append(signum)
        else:
            self._deliver(signum, frame)

    def _deliver(self, signum: int, frame: FrameType | None) -> None:
        previous = self._previous.get(signum)
        if callable(previous):
            previous(signum, frame)
        else:
            raise Terminated(signum)
