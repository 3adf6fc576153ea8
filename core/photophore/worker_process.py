"""The program of one process that annotates batches for another: ``python -m photophore.worker_process CONNECTION``."""

from __future__ import annotations

import signal
import sys
import traceback
from contextlib import nullcontext, suppress
from multiprocessing.connection import Connection

from photophore.chain import open_chain
from photophore.clock import Clock
from photophore.database import find
from photophore.links import choose_links
from photophore.registry import load_registry
from photophore.stream import Isolation
from photophore.trace import tracing
from photophore.types import SequenceBatch
from photophore.workers import Failed, Task, Worked


def main() -> None:
    """Answer the batches that come through the connection whose number is the argument, until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the caller is interrupted, too, and ends this process
    with Connection(int(sys.argv[1])) as connection:
        task: Task = connection.recv()
        try:
            with tracing() if task.traced else nullcontext():
                _answer(connection, task)
        except BaseException as error:  # noqa: BLE001 - raised again by the caller
            with suppress(OSError):  # the caller is gone
                _report(connection, error)


def _answer(connection: Connection, task: Task) -> None:
    clock = Clock()
    with clock("open"):
        links, problems = choose_links(load_registry(beside=task.beside), task.links)
        if problems:
            raise problems[0]
        isolation = Isolation(open_chain(find(str(task.database)), links, task.runtime, clock).annotate)
    while True:
        try:
            batch: SequenceBatch = connection.recv()
        except (EOFError, OSError):  # the caller is done, or gone
            return
        annotations, failures = isolation.run(batch)
        connection.send(Worked(annotations, failures, dict(clock.seconds)))
        clock.seconds.clear()


def _report(connection: Connection, error: BaseException) -> None:
    where = "".join(traceback.format_exception(error))
    try:
        connection.send(Failed(type(error), str(error), where))
    except Exception:  # noqa: BLE001 - a class that is not found by its name cannot be sent
        connection.send(Failed(RuntimeError, f"{type(error).__name__}: {error}", where))


if __name__ == "__main__":
    main()
