"""Files that appear under their names only when whole.

Everything is written into ``OUT/.partial-PID``, synced, and renamed into ``OUT`` at the end, the marker file
(``run.json``) last: its presence says that the folder is complete. An exception or a signal removes the partial
folder; after ``kill -9`` it stays, hidden, until the next run into the same folder removes it. ``OUT`` is locked
meanwhile, so that two runs cannot mix their files.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from photophore.errors import OutputError
from photophore.runfacts import OutputFact
from photophore.writers.signals import SignalGuard

PARTIAL_PREFIX = ".partial-"
_BUFFER_BYTES = 1 << 20


def output_error(path: Path, error: OSError) -> OutputError:
    """Name the file that could not be written, why, and what to do."""
    reason = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or "No space left" in reason:
        remedy = "free some space or give another folder with -o"
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        remedy = "give a folder that you may write to with -o"
    else:
        remedy = "check the disk or give another folder with -o"
    return OutputError(f"{path}: cannot be written: {reason}; {remedy}")


class OutputFile:
    """A file being written under a hidden name: buffered, hashed on the way, every fault an `OutputError`.

    It is a binary file object as far as pyarrow needs one.
    """

    def __init__(self, partial: Path, final: Path) -> None:
        self.final = final
        self.size = 0
        self._abandoned = False
        self._hash = hashlib.sha256()
        try:
            self._stream = partial.open("wb", buffering=_BUFFER_BYTES)
        except OSError as error:
            raise output_error(final, error) from error

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._stream.closed and not self._abandoned

    def write(self, data: bytes | memoryview) -> int:
        """Append bytes; return how many."""
        if self._abandoned:
            return len(data)
        try:
            written = self._stream.write(data)
        except OSError as error:
            raise output_error(self.final, error) from error
        self._hash.update(data)
        self.size += written
        return written

    def write_text(self, text: str) -> None:
        """Append text as UTF-8."""
        self.write(text.encode())

    def tell(self) -> int:
        """Bytes written so far."""
        return self.size

    def flush(self) -> None:
        """Hand the buffer to the system."""
        if self._abandoned:
            return
        try:
            self._stream.flush()
        except OSError as error:
            raise output_error(self.final, error) from error

    def close(self) -> None:
        """Sync to disk and close."""
        if self._stream.closed:
            return
        self.flush()
        try:
            os.fsync(self._stream.fileno())
            self._stream.close()
        except OSError as error:
            raise output_error(self.final, error) from error

    def abandon(self) -> None:
        """Close without caring whether what is left in the buffer fits; swallow what a library still writes at its end."""
        self._abandoned = True
        with suppress(OSError):
            self._stream.close()

    def fact(self) -> OutputFact:
        """Name, size and SHA-256 of what was written."""
        return OutputFact(self.final.name, self.size, self._hash.hexdigest())


class OutputFolder:
    """Context manager around the files of one run; `publish` makes them appear.

    Parameters
    ----------
    folder
        Made where missing.
    names
        Every name that a run may leave in ``folder``; what stands there of an earlier run needs ``force``.
    marker
        The name that is published last.
    force
        Replace the results of an earlier run, at the end.
    """

    def __init__(self, folder: Path, names: Iterable[str], *, marker: str, force: bool = False) -> None:
        self.folder = folder
        self.marker = marker
        self.names = tuple(names)
        self.force = force
        self._partial = folder / f"{PARTIAL_PREFIX}{os.getpid()}"
        self._files: list[OutputFile] = []
        self._signals = SignalGuard()
        self._lock: int | None = None
        self._made: tuple[Path, ...] = ()

    def __enter__(self) -> Self:
        self._signals.__enter__()
        try:
            self._open()
        except BaseException:
            self._discard()
            self._signals.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with self._signals.held():
                self._discard()
        finally:
            self._signals.__exit__(kind, error, trace)

    def create(self, name: str) -> OutputFile:
        """Start a file that is to become ``folder/name``."""
        file = OutputFile(self._partial / name, self.folder / name)
        self._files.append(file)
        return file

    def close_files(self) -> tuple[OutputFact, ...]:
        """Sync and close every file; return what was written, in order of creation."""
        for file in self._files:
            file.close()
        return tuple(file.fact() for file in self._files)

    def publish(self) -> None:
        """Close everything and rename it into place, old results out of the way first; signals wait meanwhile."""
        self.close_files()
        new = [file.final.name for file in self._files]
        with self._signals.held():
            path = self.folder
            try:
                for name in (self.marker, *(set(self.names) - set(new))):
                    path = self.folder / name
                    path.unlink(missing_ok=True)
                for name in sorted(new, key=self.marker.__eq__):
                    path = self.folder / name
                    (self._partial / name).replace(path)
                _sync_folder(self.folder)
            except OSError as error:
                raise output_error(path, error) from error
            self._made = ()

    def _open(self) -> None:
        try:
            missing = [path for path in (self.folder, *self.folder.parents) if not path.exists()]
            self.folder.mkdir(parents=True, exist_ok=True)
            self._made = tuple(missing)
            self._take_lock()
            self._refuse_old_results()
            if self._lock is not None:
                for stale in self.folder.glob(f"{PARTIAL_PREFIX}*"):
                    shutil.rmtree(stale)
            self._partial.mkdir()
        except OSError as error:
            raise output_error(self.folder, error) from error

    def _take_lock(self) -> None:
        """Lock the folder itself; where the file system has no such locks, go on without."""
        self._lock = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            self._lock = None
            raise OutputError(
                f"{self.folder}: another run is writing here; wait for it or give another folder with -o"
            ) from None
        except OSError:
            os.close(self._lock)
            self._lock = None

    def _refuse_old_results(self) -> None:
        old = [name for name in self.names if (self.folder / name).exists()]
        if old and not self.force:
            raise OutputError(
                f"{self.folder}: holds results of an earlier run ({', '.join(old)}); "
                "give another folder with -o, or --force to replace them"
            )

    def _discard(self) -> None:
        """Remove what was not published, and folders that were made for nothing."""
        for file in self._files:
            file.abandon()
        if self._lock is not None or self._partial.exists():
            shutil.rmtree(self._partial, ignore_errors=True)
        for path in self._made:
            with suppress(OSError):
                path.rmdir()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


@contextmanager
def whole_files(finals: Sequence[Path]) -> Iterator[tuple[OutputFile, ...]]:
    """Give a file for each of ``finals``; all appear under their names where the block ends well, none where it does not."""
    partials = [path.with_name(f"{PARTIAL_PREFIX}{os.getpid()}-{path.name}") for path in finals]
    with SignalGuard() as signals, ExitStack() as stack:
        for partial in partials:
            stack.callback(partial.unlink, missing_ok=True)
        files = tuple(OutputFile(partial, final) for partial, final in zip(partials, finals, strict=True))
        for file in files:
            stack.callback(file.abandon)
        yield files
        with signals.held():
            for file in files:
                file.close()
            for file, partial in zip(files, partials, strict=True):
                try:
                    partial.replace(file.final)
                except OSError as error:
                    raise output_error(file.final, error) from error


def _sync_folder(folder: Path) -> None:
    """Make the renames durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
