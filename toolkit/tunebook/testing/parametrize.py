"""The kit as a pytest decorator. pytest is imported when it is used."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tunebook.testing.candidate import Candidate, find_candidates
from tunebook.testing.check import Check, CheckSkipped
from tunebook.testing.registry import checks_for
from tunebook.testing.running import checked_expectations, open_host


@dataclass(frozen=True)
class BoundCheck:
    """A check of one plugin; calling it makes the check."""

    check: Check
    candidate: Candidate

    def __call__(self) -> None:
        """Makes the check.

        Raises:
            CheckFailed: The promise is broken.
        """
        import pytest

        try:
            self.check(self.candidate)
        except CheckSkipped as reason:
            pytest.skip(str(reason))


def parametrize_checks(
    name: str,
    *,
    kind: str | None = None,
    plugins: Iterable[Any] = (),
    settings: Mapping[str, Any] | None = None,
    expected_failures: Mapping[str, str] | None = None,
    slow: Any = (),
) -> Callable[[Callable[..., None]], Any]:
    """Returns the pytest decorator that runs a test for every check of a plugin.

    The test has one parameter, ``check``, and calls it.

    Args:
        name: Name of a plugin, ``kind:name``, an entry point, a distribution or a file.
        kind: Only plugins of this kind.
        plugins: Files, and modules or objects with hooks, to load beside installed plugins.
        settings: Values of the config, needed for fields without a default.
        expected_failures: By id of a check, why it is allowed to fail. It must then fail: a check
            that passes again fails the test.
        slow: pytest mark, or marks, for checks that start a process or read a real model.

    Raises:
        ConfigError: There is no such plugin or check, or a reason is missing.

    Example:
        >>> @parametrize_checks("my_plugin", slow=pytest.mark.slow)
        ... def test_my_plugin_keeps_the_contract(check):
        ...     check()
    """
    import pytest

    expected = checked_expectations(expected_failures or {})
    host = open_host(name, plugins)
    slow_marks = [*slow] if isinstance(slow, list | tuple) else [slow]
    parameters = []
    for candidate in find_candidates(host, name, kind=kind, settings=settings):
        for check in checks_for(candidate.descriptor):
            marks = [*slow_marks] if check.cost == "slow" else []
            if check.id in expected:
                marks.append(pytest.mark.xfail(reason=expected[check.id], strict=True))
            bound = BoundCheck(check, candidate)
            parameters.append(pytest.param(bound, marks=marks, id=f"{candidate}-{check.id}"))
    return pytest.mark.parametrize("check", parameters)
