"""Errors that Photophore raises: each says what is wrong, the value, where, and what to do."""

from __future__ import annotations


class PhotophoreError(Exception):
    """Base of every error that is meant for the user; `exit_code` is what the command ends with."""

    exit_code = 1


class UsageError(PhotophoreError):
    """An option or a configuration value is wrong."""

    exit_code = 2


class InputError(PhotophoreError):
    """A file given by the user cannot be read as what it should be; the text begins with ``file:line``."""

    exit_code = 3


class DatabaseError(PhotophoreError):
    """A database is missing, damaged, of another version, or does not fit the chosen plugins."""

    exit_code = 4


class ModelError(PhotophoreError):
    """Weights are missing, damaged or of another shape."""

    exit_code = 5


class PluginError(PhotophoreError):
    """A plugin is missing, broken, or broke its contract."""

    exit_code = 6


class OutputError(PhotophoreError):
    """A result could not be written; nothing stands under its final name."""

    exit_code = 7


class DataError(PhotophoreError):
    """Arrays that do not fit together: a fault of the plugin that made them."""

    exit_code = 6


class RecordError(PhotophoreError):
    """One record cannot be worked on; the pipeline isolates it and writes it to ``failures.tsv``.

    A plugin may raise it for a whole batch: the pipeline then halves the batch until the record stands alone.
    """


class OutOfMemoryError(RecordError):
    """The device ran out of memory on this batch; smaller batches may pass. Exit code 137 maps to a retry with more memory."""

    exit_code = 137


class Terminated(SystemExit):
    """Someone else ends this process (SIGTERM): no plugin's doing, and nobody's to catch."""


class Problems(PhotophoreError):
    """Every problem found before the first protein is read, reported together."""

    exit_code = 2

    def __init__(self, problems: list[PhotophoreError]) -> None:
        self.problems = tuple(problems)
        lines = [str(problem) for problem in problems]
        super().__init__(lines[0] if len(lines) == 1 else "\n".join(f"- {line}" for line in lines))
        if problems:
            self.exit_code = problems[0].exit_code
