"""Runs in the background: started, steered, waited for, attached to."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import tiny
import tunebook as tb
from killed_runs import result_of
from tunebook.errors import ConfigError, StoppedError
from tunebook.host import PluginHost
from tunebook.runner import run_case
from tunebook.schema import CaseSchema

HOST = PluginHost()


def case(folder: Path, **training: Any) -> Any:
    content = tiny.case_content(folder)
    content["training"] |= {"epochs": 1} | training
    content["evaluation"] = {"bootstrap": {"resamples": 100}, "baselines": []}
    return CaseSchema(HOST).validate(content)


def test_a_run_in_the_background_is_the_run_in_the_foreground(
    tiny_bert: Path, tmp_path: Path
) -> None:
    began = time.monotonic()
    live = tb.start(case(tiny_bert), HOST, runs_dir=tmp_path / "a")
    assert time.monotonic() - began < 1
    assert live.running
    assert live.status in ("starting", "running")
    run = live.wait()
    assert live.status == "succeeded"
    assert not live.running
    plain = run_case(case(tiny_bert), HOST, runs_dir=tmp_path / "b", listeners=[])
    assert result_of(run.directory.path) == result_of(plain.directory.path)


@pytest.mark.slow
def test_it_can_be_awaited(tiny_bert: Path, tmp_path: Path) -> None:
    async def main() -> tb.Run:
        return await tb.start(case(tiny_bert), HOST, runs_dir=tmp_path)

    assert asyncio.run(main()).record.status == "succeeded"


@pytest.mark.slow
def test_one_who_waits_no_longer_ends_nothing(tiny_bert: Path, tmp_path: Path) -> None:
    live = tb.start(case(tiny_bert, epochs=300), HOST, runs_dir=tmp_path)
    wait_for_steps(live)

    async def impatient() -> None:
        await asyncio.wait_for(live, 0.3)  # type: ignore[arg-type]

    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(impatient())
    assert live.running
    live.ask("stop")
    assert live.wait().record.status == "succeeded"


def test_it_is_steered_by_name(tiny_bert: Path, tmp_path: Path) -> None:
    live = tb.start(case(tiny_bert, epochs=300), HOST, runs_dir=tmp_path)
    wait_for_steps(live)
    other = tb.attach(runs_dir=tmp_path)
    assert (other.id, other.running) == (live.id, True)
    answer = other.ask("set", learning_rate=1e-6)
    assert answer is not None
    assert answer.accepted
    assert not other.ask("resume").accepted  # type: ignore[union-attr]
    with pytest.raises(ConfigError, match=r"control\.unknown"):
        other.ask("pausse")
    with pytest.raises(TimeoutError):
        live.wait(0.01)
    other.ask("stop")
    run = live.wait()
    assert [each["action"] for each in run.record.controls] == ["set", "stop"]
    assert other.wait().id == run.id


@pytest.mark.slow
def test_what_goes_wrong_is_raised_where_somebody_waits(tiny_bert: Path, tmp_path: Path) -> None:
    content = case(tiny_bert).to_json_dict() | {"model": {"kind": "local", "path": "nowhere"}}
    live = tb.start(CaseSchema(HOST).validate(content), HOST, runs_dir=tmp_path)
    for waiting in (live, tb.attach(live.id, runs_dir=tmp_path)):
        with pytest.raises(ConfigError, match=r"nowhere") as caught:
            waiting.wait()
        # the run of this kernel is raised as it happened, that of a record without its traceback
        here = "runner.py" in {Path(entry.path).name for entry in caught.traceback}
        assert here == (waiting is live)
    assert live.status == "failed"


def test_an_aborted_run_is_an_error_for_whoever_waits_anywhere(
    tiny_bert: Path, tmp_path: Path
) -> None:
    live = tb.start(case(tiny_bert, epochs=300), HOST, runs_dir=tmp_path)
    while not live.directory.record_file.exists():
        time.sleep(0.02)
    live.ask("abort", wait=60)
    for waiting in (live, tb.attach(runs_dir=tmp_path)):
        with pytest.raises(StoppedError, match=r"run\.aborted"):
            waiting.wait()


def test_an_interrupt_of_the_waiting_ends_the_run_with_its_record(
    tiny_bert: Path, tmp_path: Path
) -> None:
    live = tb.start(case(tiny_bert, epochs=300), HOST, runs_dir=tmp_path)

    def interrupt() -> None:
        wait_for_steps(live)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(StoppedError, match=r"run\.stopped"):
        live.wait()
    assert live.status == "stopped"


def wait_for_steps(live: tb.LiveRun) -> None:
    events = live.directory.events_file
    while not (events.exists() and '"type": "step"' in events.read_text()):
        time.sleep(0.02)


def test_a_run_that_was_lost_says_so(tiny_bert: Path, tmp_path: Path) -> None:
    run = run_case(case(tiny_bert), HOST, runs_dir=tmp_path, listeners=[])
    record = run.directory.read_record().updated(status="running")
    run.directory.write_record(record)
    live = tb.attach(run.id, runs_dir=tmp_path)
    assert live.status == "lost"
    with pytest.raises(StoppedError, match=r"run\.lost"):
        live.wait()
    with pytest.raises(ConfigError, match=r"run\.unknown"):
        tb.attach("nobody", runs_dir=tmp_path)
    assert json.loads(run.directory.record_file.read_text())["status"] == "running"
