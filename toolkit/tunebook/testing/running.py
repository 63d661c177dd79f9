"""Makes all checks of a plugin and says how each went."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from tunebook.errors import ConfigError, Problem, did_you_mean
from tunebook.host import PluginHost
from tunebook.testing.candidate import Candidate, find_candidates, is_file
from tunebook.testing.check import Check, CheckFailed, CheckSkipped
from tunebook.testing.registry import CHECKS, checks_for

Outcome = Literal["passed", "failed", "skipped", "expected"]


@dataclass(frozen=True)
class CheckResult:
    """How one check of one plugin went.

    Attributes:
        plugin: ``kind:name``.
        check: Id of the check.
        promise: What was checked.
        outcome: `expected` is a failure that was announced with a reason.
        found: What the plugin does instead, or why the check was skipped or expected to fail.
        fix: What its author can do.
        seconds: Wall time.
    """

    plugin: str
    check: str
    promise: str
    outcome: Outcome
    found: str
    fix: str
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def run_checks(
    name: str,
    *,
    kind: str | None = None,
    plugins: Iterable[Any] = (),
    settings: Mapping[str, Any] | None = None,
    expected_failures: Mapping[str, str] | None = None,
    quick: bool = False,
    host: PluginHost | None = None,
) -> list[CheckResult]:
    """Returns how every check of the plugins that `name` means went.

    Args:
        name: Name of a plugin, ``kind:name``, an entry point, a distribution or a file.
        kind: Only plugins of this kind.
        plugins: Files, and modules or objects with hooks, to load beside installed plugins.
        settings: Values of the config, needed for fields without a default.
        expected_failures: By id of a check, why it is allowed to fail; it must then fail.
        quick: Leave slow checks out.
        host: Plugins to look among, instead of installed ones and `plugins`.

    Raises:
        ConfigError: There is no such plugin or check, or a reason is missing.
    """
    expected = checked_expectations(expected_failures or {})
    host = host or open_host(name, plugins)
    candidates = find_candidates(host, name, kind=kind, settings=settings)
    return [
        run_check(check, candidate, expected.get(check.id))
        for candidate in candidates
        for check in checks_for(candidate.descriptor)
        if not (quick and check.cost == "slow")
    ]


def run_check(check: Check, candidate: Candidate, expected: str | None = None) -> CheckResult:
    """Returns how one check went; `expected` is the reason why it may fail."""
    started = time.perf_counter()
    outcome, found, fix = _outcome(check, candidate)
    if expected is not None and outcome == "failed":
        outcome, found, fix = "expected", f"{expected} ({found})", ""
    elif expected is not None and outcome == "passed":
        outcome, fix = "failed", "take it out of the expected failures"
        found = f"it passes, though it was expected to fail: {expected}"
    seconds = round(time.perf_counter() - started, 3)
    return CheckResult(str(candidate), check.id, check.promise, outcome, found, fix, seconds)


def _outcome(check: Check, candidate: Candidate) -> tuple[Outcome, str, str]:
    try:
        check(candidate)
    except CheckSkipped as reason:
        return "skipped", str(reason), ""
    except CheckFailed as failure:
        return "failed", failure.found, failure.fix
    except Exception as error:  # a plugin may raise anything
        found = " ".join(f"{type(error).__name__}: {error}".split())
        return "failed", found, "see why it raises"
    return "passed", "", ""


def open_host(name: str, plugins: Iterable[Any] = ()) -> PluginHost:
    """Returns a host with the installed plugins and `plugins`, and with `name` if it is a file."""
    plugins = [*plugins, *([name] if is_file(name) else [])]
    host = PluginHost(files=[each for each in plugins if isinstance(each, str | Path)])
    for each in plugins:
        if not isinstance(each, str | Path):
            host.register(each)
    return host


def checked_expectations(expected: Mapping[str, str]) -> Mapping[str, str]:
    """Returns `expected` when every id is known and every reason says something.

    Raises:
        ConfigError: With every entry that is wrong.
    """
    problems = [*_wrong_expectations(expected, [*CHECKS])]
    if problems:
        raise ConfigError(*problems)
    return expected


def _wrong_expectations(expected: Mapping[str, str], known: Sequence[str]) -> Iterator[Problem]:
    for name, reason in expected.items():
        if name not in known:
            fix = did_you_mean(name, known)
            yield Problem(
                "check.unknown", "expected_failures", "the id of a check", f"`{name}`", fix
            )
        elif not reason.strip():
            fix = "say why it fails and what would have to change"
            yield Problem("check.no_reason", f"expected_failures: {name}", "a reason", "none", fix)
