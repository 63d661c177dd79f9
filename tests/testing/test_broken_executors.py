"""Every check of executors can fail, and none fails for the executor that keeps its contract.

They carry out real commands, so that a broken one is put to its own check alone.
"""

from __future__ import annotations

import pytest

from testing import broken_executors
from testing.broken_executors import BROKEN
from tunebook.testing import CHECKS, checks_for
from tunebook.testing.running import run_check

OWN = [check_id for check_id in CHECKS if check_id.startswith("executor/")]


def test_there_is_a_broken_executor_for_every_check() -> None:
    assert len(OWN) == 24
    assert [*BROKEN] == OWN


@pytest.mark.slow
@pytest.mark.parametrize("check_id", OWN)
def test_a_broken_executor_fails_its_check(check_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tunebook.testing.attempting.PATIENCE", 12.0)
    broken = BROKEN[check_id]()
    result = run_check(CHECKS[check_id], broken)
    assert result.outcome == "failed", result
    assert result.found
    assert result.fix
    assert "without the mark" not in result.found, "it fails for want of time"


@pytest.mark.slow
def test_the_sound_executor_passes() -> None:
    fine = broken_executors.in_file("processes")()
    made = [check for check in checks_for(fine.descriptor) if check.kind == "executor"]
    results = [run_check(check, fine) for check in made]
    assert len(results) == 23
    assert [result for result in results if result.outcome != "passed"] == []
