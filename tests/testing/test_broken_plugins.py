"""Every check can fail: for each there is a plugin that breaks its promise and no other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from testing import broken_executors, sound
from testing.broken import BROKEN, candidate
from tunebook.specs import ObserverPlugin
from tunebook.testing import CHECKS, checks_for
from tunebook.testing.registry import LEAST
from tunebook.testing.running import run_check

KINDS = ("strategy", "metric", "augmenter", "datasource", "model", "case")
OTHERS = [check_id for check_id in CHECKS if not check_id.startswith("executor/")]
"""Checks of executors have broken plugins of their own, see `test_broken_executors`."""


def marked(check_id: str) -> object:
    check = CHECKS.get(check_id)
    return pytest.param(check_id, marks=pytest.mark.slow if check and check.cost == "slow" else ())


def test_there_are_as_many_broken_plugins_as_checks() -> None:
    assert len(OTHERS) == 57
    assert [*BROKEN] == OTHERS


@pytest.mark.parametrize("check_id", [marked(name) for name in OTHERS])
def test_a_broken_plugin_fails_its_check_and_no_other(check_id: str, tmp_path: Path) -> None:
    broken = BROKEN[check_id](tmp_path)
    # a quick check is told from other quick ones; a slow one from all others
    slow_too = CHECKS[check_id].cost == "slow"
    made = [check for check in checks_for(broken.descriptor) if slow_too or check.cost == "quick"]
    results = [run_check(check, broken) for check in made]
    failed = {result.check: result.found for result in results if result.outcome == "failed"}
    assert [*failed] == [check_id], failed
    assert failed[check_id]
    assert all(result.fix for result in results if result.outcome == "failed")


@pytest.mark.parametrize("kind", KINDS)
def test_the_sound_plugins_pass(kind: str, tmp_path: Path) -> None:
    fine = candidate(kind, tmp_path)
    made = [check for check in checks_for(fine.descriptor) if check.cost == "quick"]
    results = [run_check(check, fine) for check in made]
    assert len(results) >= 5
    assert [result for result in results if result.outcome != "passed"] == []


def test_the_least_numbers_are_those_of_the_sound_plugins(tmp_path: Path) -> None:
    plugins = sound.descriptors(tmp_path)
    alone = replace(plugins["strategy"].tags, multitask=False)
    plugins["strategy"] = replace(plugins["strategy"], tags=alone)
    plugins["executor"] = broken_executors.descriptor()
    plugins["observer"] = ObserverPlugin("watching", "Watches.")
    assert {kind: len(checks_for(each)) for kind, each in plugins.items()} == dict(LEAST)


def test_every_check_says_in_a_sentence_what_it_promises() -> None:
    promises = [check.promise for check in CHECKS.values()]
    assert len({*promises}) == 81
    assert all(promise.endswith(".") and len(promise) < 120 for promise in promises)
