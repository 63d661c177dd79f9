"""Observers watch a run; one that raises disturbs neither the run nor the others."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest

from tunebook.host import PluginHost
from tunebook.specs import OBSERVERS, hookimpl


def observer(name: str, hook: str, function: Any) -> SimpleNamespace:
    return SimpleNamespace(__name__=name, **{hook: hookimpl(function)})


def test_a_raising_observer_does_not_silence_the_others() -> None:
    seen: list[str] = []

    def bad(run: Any) -> None:
        raise RuntimeError("broken")

    host = PluginHost(discover=False)
    host.register(observer("first", "tunebook_run_started", lambda run: seen.append(f"1 {run}")))
    host.register(observer("bad", "tunebook_run_started", bad))
    host.register(observer("last", "tunebook_run_started", lambda run: seen.append(f"3 {run}")))
    failures = host.notify("tunebook_run_started", run="r")
    assert sorted(seen) == ["1 r", "3 r"]
    assert len(failures) == 1
    assert "bad" in failures[0]
    assert "broken" in failures[0]


def test_an_observer_may_take_fewer_arguments() -> None:
    seen: list[Any] = []
    host = PluginHost(discover=False)
    host.register(observer("few", "tunebook_run_finished", lambda record: seen.append(record)))
    assert host.notify("tunebook_run_finished", run="r", record="end") == []
    assert seen == ["end"]


def test_there_are_six_observer_hooks_and_no_other_is_notified() -> None:
    assert len(OBSERVERS) == 6
    with pytest.raises(ValueError, match="observer"):
        PluginHost(discover=False).notify("tunebook_strategies")


def failing(run: Any) -> None:
    raise RuntimeError("broken\nin two lines")


def test_every_call_of_a_hook_can_be_told_in_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TUNEBOOK_TRACE_HOOKS", "1")
    host = PluginHost(discover=False)
    host.register(observer("seen", "tunebook_run_started", lambda run: str(run)))
    host.register(observer("bad", "tunebook_run_started", failing))
    host.notify("tunebook_run_started", run="r")
    bad, seen = sorted(capsys.readouterr().err.splitlines())
    told = r"hook tunebook_run_started of session:{} took \d+\.\d ms"
    assert re.fullmatch(told.format("seen"), seen)
    assert re.fullmatch(told.format("bad") + " and raised RuntimeError: broken in two lines", bad)


def test_the_hooks_of_installed_plugins_are_told_with_their_distribution(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TUNEBOOK_TRACE_HOOKS", "1")
    PluginHost(only=["lora"])
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("hook tunebook_strategies of tunebook:lora took ")


def test_nothing_is_told_unasked(capsys: pytest.CaptureFixture[str]) -> None:
    PluginHost(only=["lora"])
    assert capsys.readouterr().err == ""
