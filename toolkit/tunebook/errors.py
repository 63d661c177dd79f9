"""The one shape of every error: where, expected, found, what to do."""

from __future__ import annotations

import difflib
import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any, ClassVar


class ExitCode(IntEnum):
    """Process exit codes of the `tunebook` command."""

    OK = 0
    CONFIG = 2
    DATA = 3
    TRAINING = 4
    STOPPED = 5
    ENVIRONMENT = 6
    DIFFERENT = 7


EXIT_CODES: Mapping[int, str] = {
    ExitCode.OK: "success",
    1: "an unexpected error in tunebook or a plugin",
    ExitCode.CONFIG: "the configuration, a parameter or the call is wrong; nothing was started",
    ExitCode.DATA: "the data can't be used",
    ExitCode.TRAINING: "training or evaluation went wrong",
    ExitCode.STOPPED: "stopped by somebody, timed out, or still running after the time to wait",
    ExitCode.ENVIRONMENT: "a package, the network, disk space, memory or a permission is missing",
    ExitCode.DIFFERENT: "a repeated run differs from the first one, or would; or notebooks differ",
}
"""What the exit codes of all commands mean."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        code: Stable dotted identifier that programs may match on, such as ``config.unknown_key``.
        where: Config path, file and row, or plugin.
        expected: What would have been right.
        found: What was there instead.
        fix: What to do about it, with a did-you-mean where there is a near match.
    """

    code: str
    where: str
    expected: str
    found: str
    fix: str

    def __str__(self) -> str:
        rows = [f"  {name:<10}  {' '.join(getattr(self, key).split())}" for key, name in _LABELS]
        return "\n".join([self.code, *rows])


_LABELS = (
    ("where", "where"),
    ("expected", "expected"),
    ("found", "found"),
    ("fix", "what to do"),
)


def parse_problems(text: str) -> list[Problem]:
    """Returns the problems in the text of a TunebookError, which may come from another process."""
    lines = text.splitlines()
    labels = [f"  {name:<10}  " for _, name in _LABELS]
    found = []
    for start, line in enumerate(lines):
        rows = lines[start + 1 : start + 1 + len(labels)]
        # white space at the end is lost on the way through some notebooks
        padded = [row.ljust(len(label)) for row, label in zip(rows, labels, strict=False)]
        if len(padded) == len(labels) and all(map(str.startswith, padded, labels)):
            found.append(Problem(line.strip(), *(row[len(labels[0]) :] for row in padded)))
    return found


class TunebookError(Exception):
    """One or more problems, all collected before raising."""

    exit_code: ClassVar[ExitCode] = ExitCode.CONFIG

    def __init__(self, *problems: Problem) -> None:
        if not problems:
            raise ValueError("a TunebookError needs at least one Problem")
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems: tuple[Problem, ...] = problems

    def to_dict(self) -> dict[str, Any]:
        """Returns the machine-readable form, as printed by ``--json`` and kept in `record.json`."""
        return {
            "type": type(self).__name__,
            "exit_code": int(self.exit_code),
            "problems": [asdict(problem) for problem in self.problems],
        }

    def _repr_html_(self) -> str:
        fields = ("where", "expected", "found", "fix")
        blocks = [
            f"<b>{html.escape(problem.code)}</b><table>"
            + "".join(
                f"<tr><td>{name}</td><td>{html.escape(getattr(problem, name))}</td></tr>"
                for name in fields
            )
            + "</table>"
            for problem in self.problems
        ]
        return "".join(blocks)

    def _render_traceback_(self) -> list[str]:
        """IPython calls this instead of printing a traceback that the user can do nothing with."""
        return [f"{type(self).__name__} (exit code {int(self.exit_code)})", *str(self).splitlines()]


class ConfigError(TunebookError):
    """The configuration, a parameter, or a plugin is wrong; nothing has been started."""


class DataError(TunebookError):
    """The data cannot be used as they are."""

    exit_code = ExitCode.DATA


class TrainingError(TunebookError):
    """Training or evaluation went wrong."""

    exit_code = ExitCode.TRAINING


class StoppedError(TunebookError):
    """The run was stopped by a person or by the watchdog."""

    exit_code = ExitCode.STOPPED


class MachineError(TunebookError):
    """The environment lacks something: a package, the network, disk space, a right to write."""

    exit_code = ExitCode.ENVIRONMENT


class NotIdenticalError(TunebookError):
    """A run that was repeated came to another result, or would start from something else; or one
    notebook differs from another."""

    exit_code = ExitCode.DIFFERENT


def nearest(name: str, choices: Iterable[str]) -> str | None:
    """Returns the choice closest to `name`, or None when nothing is close (ratio below 0.6)."""
    by_folded = {choice.casefold(): choice for choice in choices}
    match = difflib.get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[match[0]] if match else None


def did_you_mean(name: str, choices: Sequence[str], *, limit: int = 12) -> str:
    """Returns the advice for a name that is not among `choices`."""
    best = nearest(name, choices)
    if best is not None:
        return f"did you mean `{best}`?"
    listed = ", ".join(f"`{choice}`" for choice in sorted(choices)[:limit])
    more = f" and {len(choices) - limit} more" if len(choices) > limit else ""
    return f"use one of {listed}{more}" if choices else "there is nothing to choose from"


def shorten(value: object, limit: int = 120) -> str:
    """Returns a one-line picture of `value`, cut to `limit` characters."""
    text = " ".join(repr(value).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"
