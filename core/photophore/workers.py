"""Batches annotated side by side by processes of their own, for annotators whose work holds Python's lock.

A process is a program of its own (`photophore.worker_process`), never a fork, so that what its caller has loaded does not
matter. It opens the whole chain, and ends when its connection does, also where the caller was killed.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path

from photophore.clock import Clock
from photophore.errors import OutOfMemoryError, PluginError
from photophore.hookspecs import Runtime
from photophore.runconfig import Links
from photophore.stream import ReadBatch
from photophore.trace import is_traced
from photophore.types import Annotation, Failure

#: Batches are at most this large where processes share them, so that none works long on its last while others are done.
SHARED_RECORDS, SHARED_RESIDUES = 500, 150_000
#: Processes at most: each holds a chain.
MOST_PROCESSES = 8
#: The program that a process runs.
_PROGRAM = "photophore.worker_process"
#: Batches by process that are begun before the first of them is passed on.
_AHEAD = 2


@dataclass(frozen=True, slots=True)
class Task:
    """What a process opens: ``database`` by its folder, all four ``links`` by name and options (plugins also ``beside`` a file)."""

    database: Path
    links: Links
    beside: Path | None
    runtime: Runtime
    traced: bool


@dataclass(frozen=True, slots=True)
class Worked:
    """What came of a batch, and the seconds of each stage since the batch before."""

    annotations: tuple[Annotation, ...]
    failures: tuple[Failure, ...]
    seconds: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Failed:
    """An error that ended a process, and ``where``."""

    kind: type[BaseException]
    text: str
    where: str

    def error(self) -> BaseException:
        """Return the error again, with a note of where it was."""
        try:
            error = self.kind(self.text)
        except TypeError:  # it is not made of its text
            error = RuntimeError(f"{self.kind.__name__}: {self.text}")
        error.add_note(self.where)
        return error


class Workers:
    """Processes that annotate batches, ``threads`` in all; each starts when there is a batch for it."""

    def __init__(self, database: Path, links: Links, threads: int, *, beside: Path | None = None) -> None:
        self.most = min(threads, MOST_PROCESSES)
        #: Processes that were started.
        self.started = 0
        self._clock = Clock()
        self._task = Task(database.resolve(), links, beside, Runtime("cpu", threads // self.most), is_traced())

    def mean_seconds(self) -> dict[str, float]:
        """Return the seconds that a process spent on each stage, as a mean."""
        return {stage: seconds / self.started for stage, seconds in self._clock.seconds.items()}

    def run(
        self, batches: Iterable[ReadBatch]
    ) -> Generator[tuple[ReadBatch, tuple[Annotation, ...], tuple[Failure, ...]]]:
        """Yield ``batches`` in their order, each with its annotations and the records that failed; an error in a process is raised here.

        Raises
        ------
        OutOfMemoryError
            If a process was killed.
        """
        workers: list[_Worker] = []
        try:
            for read, worked in self._shared_out(batches, workers):
                self._clock.add(worked.seconds)
                yield read, worked.annotations, worked.failures
        finally:
            for worker in workers:
                worker.stop()

    def _shared_out(self, batches: Iterable[ReadBatch], workers: list[_Worker]) -> Generator[tuple[ReadBatch, Worked]]:
        waiting, ended = iter(batches), False
        done: dict[int, tuple[ReadBatch, Worked]] = {}
        begun = passed = 0
        while True:
            while not ended and begun - passed < _AHEAD * self.most and (worker := self._idle(workers)):
                read = next(waiting, None)
                if read is None:
                    ended = True
                else:
                    worker.begin(begun, read)
                    begun += 1
            if passed in done:
                yield done.pop(passed)
                passed += 1
            elif passed < begun:
                ready = wait([worker.connection for worker in workers if worker.batch])
                for worker in workers:
                    if worker.batch and worker.connection in ready:
                        number, read = worker.batch
                        done[number] = read, worker.end()
            else:
                return

    def _idle(self, workers: list[_Worker]) -> _Worker | None:
        """Return a process that has no work, a new one where all have; None where there may be no more of them."""
        for worker in workers:
            if not worker.batch:
                return worker
        if len(workers) == self.most:
            return None
        workers.append(_Worker(self._task))
        self.started = len(workers)
        return workers[-1]


class _Worker:
    """One process, and the batch that it has."""

    def __init__(self, task: Task) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            # Modules are sought where this process seeks them, and not in the working directory.
            self._process = subprocess.Popen(  # noqa: S603 - ourselves
                [sys.executable, "-P", "-m", _PROGRAM, str(theirs.fileno())],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        self.connection = Connection(ours.detach())
        #: Number and content of the batch that it has, if any.
        self.batch: tuple[int, ReadBatch] | None = None
        self._send(task)

    def begin(self, number: int, read: ReadBatch) -> None:
        """Give it a batch."""
        self.batch = number, read
        self._send(read.sequences)

    def end(self) -> Worked:
        """Wait for what comes of its batch."""
        try:
            answer = self.connection.recv()
        except (EOFError, OSError):
            raise self._died() from None
        if isinstance(answer, Failed):
            raise answer.error()
        self.batch = None
        worked: Worked = answer
        return worked

    def stop(self) -> None:
        """End the process, whatever it does."""
        self.connection.close()
        self._process.terminate()
        self._process.wait()

    def _send(self, what: object) -> None:
        try:
            self.connection.send(what)
        except OSError:
            raise self._died() from None

    def _died(self) -> Exception:
        code = self._process.wait()
        if code == -signal.SIGKILL:
            return OutOfMemoryError(
                "a process that annotates was killed, most likely for want of memory; give fewer --threads, each of which "
                "is a process with a database of its own, or more memory"
            )
        return PluginError(f"a process that annotates ended by itself (exit status {code}); see what it wrote before")
