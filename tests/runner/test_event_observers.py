"""Observers are told of events while a run is under way, each as long as it doesn't fail."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import tiny
from tunebook.host import PluginHost
from tunebook.runner import run_case
from tunebook.runs import Run
from tunebook.schema import CaseSchema
from tunebook.specs import hookimpl


def watched(tiny_bert: Path, tmp_path: Path, **observers: Any) -> Run:
    """Returns a run with observers, each one function by its hook and name."""
    host = PluginHost()
    for name, (hook, function) in observers.items():
        host.register(SimpleNamespace(**{hook: hookimpl(function)}), name=name)
    content = tiny.case_content(tiny_bert, metrics=["f1"])
    content["training"] |= {"epochs": 2, "evaluations": 2}
    return run_case(
        CaseSchema(host).validate(content), host, runs_dir=tmp_path / "runs", listeners=[]
    )


def test_every_event_is_told_and_one_that_fails_is_told_no_more(
    tiny_bert: Path, tmp_path: Path
) -> None:
    seen: list[tuple[str, Any]] = []
    tried: list[str] = []

    def see(run: Any, event: Any) -> None:
        seen.append((run.run_id, event))

    def fail(event: Any) -> None:
        tried.append(event.type)
        raise RuntimeError(f"{len(tried)} of {event.type}")

    run = watched(tiny_bert, tmp_path, good=("tunebook_event", see), bad=("tunebook_event", fail))
    assert {name for name, _ in seen} == {run.id}
    told = [event["type"] for event in run.events]
    assert Counter(event.type for _, event in seen) == Counter(told)
    assert {"stage", "step", "evaluation", "ended"} <= {*told}
    assert tried == ["stage"]
    (warning,) = run.record.warnings
    assert warning == "observer `session:bad` failed in tunebook_event: RuntimeError('1 of stage')"
    assert run.record.status == "succeeded"


def test_who_fails_at_the_end_of_a_run_is_in_its_record(tiny_bert: Path, tmp_path: Path) -> None:
    def fail(record: Any) -> None:
        raise OSError(f"no server for {record.status}")

    run = watched(tiny_bert, tmp_path, late=("tunebook_run_finished", fail))
    (warning,) = run.record.warnings
    assert "`session:late` failed in tunebook_run_finished" in warning
    assert "no server for succeeded" in warning
    assert run.record.status == "succeeded"
