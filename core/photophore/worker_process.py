"""The program of one process that annotates batches for another: ``python -m photophore.worker_process CONNECTION``."""

from __future__ import annotations

import pickle
import signal
import sys
import traceback
from contextlib import nullcontext
from multiprocessing.connection import Connection

from photophore.chain import open_chain
from photophore.clock import Clock
from photophore.database import find
from photophore.links import choose_links
from photophore.registry import load_registry
from photophore.stream import Isolation
from photophore.trace import tracing
from photophore.types import SequenceBatch
from photophore.workers import Task, Worked


def main() -> None:
    """Answer the batches that come through the connection whose number is the argument, until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the caller is interrupted, too, and ends this process
    with Connection(int(sys.argv[1])) as connection:
        try:
            task: Task = connection.recv()
            with tracing() if task.traced else nullcontext():
                _answer(connection, task)
        except (EOFError, ConnectionError):
            pass  # the caller is gone
        except BaseException as error:  # noqa: BLE001 - raised again by the caller
            connection.send(_portable(error))


def _answer(connection: Connection, task: Task) -> None:
    clock = Clock()
    with clock("open"):
        links, problems = choose_links(load_registry(beside=task.beside), task.links)
        if problems:
            raise problems[0]
        isolation = Isolation(open_chain(find(str(task.database)), links, task.runtime, clock).annotate)
    while True:
        batch: SequenceBatch = connection.recv()
        annotations, failures = isolation.run(batch)
        connection.send(Worked(annotations, failures, dict(clock.seconds)))
        clock.seconds.clear()


def _portable(error: BaseException) -> BaseException:
    """Return an error that can be sent, with where it was raised."""
    where = "".join(traceback.format_exception(error))
    error.add_note(where)
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - what was just written
    except Exception:  # noqa: BLE001 - whatever keeps it from being sent
        return RuntimeError(where)
    return error


if __name__ == "__main__":
    main()
