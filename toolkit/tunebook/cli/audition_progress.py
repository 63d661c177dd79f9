"""What a person or a program sees of an audition while it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

from tunebook.batch.entry import Entry
from tunebook.batch.states import Change
from tunebook.cli.answers import print_json, say
from tunebook.cli.batch_progress import BatchProgress, json_lines

if TYPE_CHECKING:
    from tunebook.audition.reading import Audition


class AuditionLines:
    """Every change of a run, every rung's begin and end, as a line of JSON each.

    Args:
        stdout: Where to write.
    """

    def __init__(self, stdout: TextIO) -> None:
        self._stdout = stdout
        self._write = json_lines(stdout)

    def __enter__(self) -> AuditionLines:
        return self

    def __exit__(self, *_: object) -> None:
        """There is nothing to close."""

    def __call__(self, change: Change, entry: Entry) -> None:
        self._write(change, entry)

    def tell(self, audition: Audition, what: str) -> None:
        """Writes what has become of a rung."""
        from tunebook.audition.as_data import as_data

        rung = as_data(audition)["rungs"][-1]
        with suppress(BrokenPipeError):  # a reader who has gone away doesn't end the audition
            print_json({"event": "rung", "what": what, **rung}, self._stdout, one_line=True)


class AuditionProgress:
    """A heading for every rung, and below it the progress of its runs.

    Args:
        stream: Where to write.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._rung: BatchProgress | None = None

    def __enter__(self) -> AuditionProgress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._rung is not None:
            self._rung.__exit__()
            self._rung = None

    def __call__(self, change: Change, entry: Entry) -> None:
        if self._rung is not None:
            self._rung(change, entry)

    def tell(self, audition: Audition, what: str) -> None:
        """Says that a rung begins or has ended."""
        from tunebook.audition.sentences import begins, ends

        self.__exit__()
        if what == "ends":
            say(ends(audition))
            return
        say(begins(audition))
        rung = audition.rungs[-1]
        names = audition.plan.keys_of(rung.tried.rung)
        entries = [entry for entry in audition.entries if entry.key in names]
        self._rung = BatchProgress(entries, self._stream, lambda each: _named(each, names))
        self._rung.__enter__()


def _named(entry: Entry, names: Mapping[str, str]) -> str:
    return f"{names.get(entry.key, entry.key)}, seed {entry.parameters.get('seed')}"
