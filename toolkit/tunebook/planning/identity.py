"""The hash of a plan, in parts, so that it can be said what has changed since without a file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tunebook import __version__
from tunebook.errors import ConfigError, Problem, shorten

AGAIN = "look at what `tunebook plan` says now, and give the hash that it names"


@dataclass(frozen=True)
class Identity:
    """What a plan stands on.

    Attributes:
        case: The settings, seed included.
        data: Fingerprint of the rows of each task.
        notebook: SHA-256 of the notebook, and of what only it is given; empty without one.
        code: SHA-256 of tunebook and of the plugins, by package or file.
        version: Of tunebook.
    """

    case: Mapping[str, Any]
    data: Mapping[str, str]
    notebook: str
    code: Mapping[str, str]
    version: str = __version__

    @property
    def hash(self) -> str:
        """A digest of each part; of the settings, also two signs for each section, by name."""
        sections = "".join(_digest(self.case[name])[:2] for name in sorted(self.case))
        parts = [_digest(self.case)[:12], sections]
        parts += [_digest(part)[:8] for part in (self.data, self.notebook, self.code)]
        return ".".join([*parts, self.version])


PARTS = ("settings", "sections", "data", "notebook", "code", "version")
"""What stands between the dots of a hash."""


def check_planned(now: Identity, planned: str) -> None:
    """Compares what a run would be now with the hash of a plan.

    Raises:
        ConfigError: It isn't such a hash, or the run would be another; with all that differs.
    """
    before = _parts(planned)
    if before is None:
        found = f"`{shorten(planned, 80)}`"
        fix = "give the `hash` of `tunebook plan` whole"
        raise ConfigError(Problem("plan.no_hash", "--plan", "the hash of a plan", found, fix))
    problems = [*_differences(before, now)]
    if problems:
        raise ConfigError(*problems)


def _differences(before: Mapping[str, str], now: Identity) -> Iterator[Problem]:
    after = _parts(now.hash)
    assert after is not None
    if before["version"] != after["version"]:
        found = f"tunebook {after['version']}"
        yield _changed("tunebook", f"tunebook {before['version']}", found)
    elif before["code"] != after["code"]:
        found = f"other code, in one of {', '.join(now.code)}"
        yield _changed("code", "the code of tunebook and its plugins as it was", found)
    if before["settings"] != after["settings"]:
        names = _changed_sections(before["sections"], after["sections"], now.case)
        for name in names or ["case"]:
            found = shorten(now.case.get(name, "other settings"))
            yield _changed(name, "the setting that was planned", found)
    if before["data"] != after["data"]:
        told = ", ".join(f"{name or 'the data'} {print_}" for name, print_ in now.data.items())
        yield _changed("data", "the rows that were planned", f"others: {told}")
    if before["notebook"] != after["notebook"]:
        found = "another one, or none" if now.notebook else "none"
        yield _changed("notebook", "the notebook that was planned, with its parameters", found)


def _changed_sections(before: str, after: str, case: Mapping[str, Any]) -> list[str]:
    """Returns the sections whose signs differ; none where they can't be told apart."""
    if len(before) != len(after):
        return []
    names = sorted(case)
    return [
        name
        for place, name in enumerate(names)
        if before[2 * place : 2 * place + 2] != after[2 * place : 2 * place + 2]
    ]


def _changed(where: str, expected: str, found: str) -> Problem:
    return Problem("plan.changed", where, expected, found, AGAIN)


def _parts(text: str) -> dict[str, str] | None:
    parts = text.strip().split(".", len(PARTS) - 1)
    whole = len(parts) == len(PARTS) and all(parts)
    hexadecimal = all(set(part) <= {*"0123456789abcdef"} for part in parts[:-1])
    return dict(zip(PARTS, parts, strict=True)) if whole and hexadecimal else None


def _digest(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
