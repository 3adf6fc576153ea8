"""Fetch one file, from disk or over HTTP: resumed where it broke off, checked by SHA-256, named only when whole."""

from __future__ import annotations

import fcntl
import hashlib
import http.client
import os
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from photophore.errors import ModelError

#: Called with the bytes that are there and the bytes of the whole, or None where the server does not tell.
Progress = Callable[[int, int | None], None]

_CHUNK_BYTES = 1 << 20
_TIMEOUT_S = 30.0
_TRIES = 5
_BROKEN_OFF = (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError)


def is_url(source: str) -> bool:
    """Whether ``source`` is to be downloaded."""
    return urllib.parse.urlsplit(source).scheme.lower() in {"http", "https"}


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def fetch(source: str, target: Path, *, sha256: str | None = None, progress: Progress | None = None) -> str:
    """Bring ``source`` to ``target`` and return its SHA-256.

    What arrived is kept beside the target as ``.part``, so that the next call goes on where this one broke off.

    Parameters
    ----------
    source
        Path, or http or https address.
    target
        Final name; it appears when the file is whole and its checksum right.
    sha256
        What the checksum must be. Required over plain http, which protects nothing.

    Raises
    ------
    ModelError
        The source cannot be read, or its checksum is another one.
    """
    if is_url(source) and sha256 is None and source.lower().startswith("http:"):
        raise ModelError(f"{source}: plain http protects nothing on the way; pass --sha256, or use https")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    with _locked(part):
        if is_url(source):
            _download(source, part, trusted=sha256 is not None, progress=progress)
        else:
            _copy(Path(source).expanduser(), part)
        found = sha256_of(part)
        if sha256 is not None and found != sha256.lower():
            _discard(part)
            raise ModelError(f"{source}: SHA-256 is {found}, not {sha256.lower()}; the file was not kept")
        with part.open("rb") as stream:
            os.fsync(stream.fileno())
        part.replace(target)
        _discard(part)
    return found


def _copy(source: Path, part: Path) -> None:
    try:
        shutil.copyfile(source, part)
    except OSError as error:
        _discard(part)
        raise ModelError(f"{source}: cannot be copied to {part.parent}: {error.strerror}") from error


def _download(url: str, part: Path, *, trusted: bool, progress: Progress | None) -> None:
    """Download into ``part``; a broken connection is tried again from where it broke, as long as bytes arrive."""
    failures = 0
    while True:
        before = _size(part)
        try:
            _receive(url, part, trusted=trusted, progress=progress)
        except urllib.error.HTTPError as error:
            with error:
                if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and before:
                    _discard(part)
                elif error.code < 500 and error.code != http.HTTPStatus.TOO_MANY_REQUESTS:
                    raise ModelError(
                        f"{url}: the server answers {error.code} {error.reason}; check the address"
                    ) from error
                reason = f"{error.code} {error.reason}"
        except _BROKEN_OFF as error:
            reason = str(getattr(error, "reason", error)) or type(error).__name__
        else:
            return
        failures = 0 if _size(part) > before else failures + 1
        if failures >= _TRIES:
            raise ModelError(f"{url}: {reason}; {_size(part)} bytes are kept, the same command goes on from there")
        time.sleep(min(0.2 * 2**failures, 8.0))


def _receive(url: str, part: Path, *, trusted: bool, progress: Progress | None) -> None:
    """Make one request and append its body to ``part``, or begin again where the server's file has changed."""
    request = urllib.request.Request(url, headers={"User-Agent": "photophore"})  # noqa: S310 - the caller checked the scheme
    start = _size(part)
    validator = _read_validator(part, url)
    if start and (validator or trusted):
        request.add_header("Range", f"bytes={start}-")
        if validator:
            request.add_header("If-Range", validator)
    with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310 - same
        resumed = response.status == http.HTTPStatus.PARTIAL_CONTENT
        if resumed and not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            _discard(part)
            raise http.client.HTTPException("the server sent another part than was asked for")
        if not resumed:
            start = 0
            _write_validator(part, url, response.headers)
        length = response.headers.get("Content-Length")
        total = start + int(length) if length is not None else None
        with part.open("ab" if resumed else "wb") as stream:
            while chunk := response.read(_CHUNK_BYTES):
                stream.write(chunk)
                if progress is not None:
                    progress(stream.tell(), total)
    if total is not None and _size(part) < total:
        raise http.client.IncompleteRead(b"", total - _size(part))


def _read_validator(part: Path, url: str) -> str | None:
    """Return what the server called the version of the file in ``part``, unless that came from another address."""
    note = _note(part)
    lines = note.read_text().splitlines() if note.exists() else []
    return lines[1] if len(lines) == 2 and lines[0] == url and lines[1] else None


def _write_validator(part: Path, url: str, headers: http.client.HTTPMessage) -> None:
    tag = headers.get("ETag") or ""
    strong = tag if tag and not tag.startswith("W/") else headers.get("Last-Modified") or ""
    _note(part).write_text(f"{url}\n{strong}\n")


def _note(part: Path) -> Path:
    return part.with_name(part.name + ".version")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    _note(part).unlink(missing_ok=True)


@contextmanager
def _locked(part: Path) -> Iterator[None]:
    """Keep a second process from writing the same file."""
    lock = part.with_name(part.name + ".lock")
    with lock.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ModelError(f"{part}: another process is fetching this file; wait for it to end") from error
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)
