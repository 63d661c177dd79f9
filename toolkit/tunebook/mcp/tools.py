"""What a client can call. Every method is a tool: its arguments and its docstring are told.

Methods return JSON types and raise `TunebookError`; how that goes over the wire is for `server`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from tunebook.controls import ask, await_answer, control_of
from tunebook.errors import ConfigError, Problem
from tunebook.mcp.workspace import Workspace

CaseName = Annotated[str, Field(description="Name of a case, or a YAML file in the workspace.")]
Parameters = Annotated[
    dict[str, Any],
    Field(description="Values by dotted path, such as training.epochs; `preset` and `strategy`."),
]
RunName = Annotated[str, Field(description="Id of a run, its beginning, or `last`.")]
Kind = Literal[
    "cases",
    "runs",
    "batches",
    "strategy",
    "model",
    "datasource",
    "metric",
    "augmenter",
    "executor",
    "observer",
]
WAIT_SECONDS = 45.0
"""Clients give up on a call after a minute, as a rule."""
LONGEST_WAIT = 600.0


@dataclass(frozen=True)
class About:
    """What a client is told of a tool besides its arguments.

    Attributes:
        writes: Whether it starts, changes or stops something.
        reads: Whether it also has a use where nothing may be written.
        untrusted: Keys of its answer with text from data, logs or other programs.
        in_parts: Whether a part of its answer can be asked for.
    """

    writes: bool = False
    reads: bool = True
    untrusted: tuple[str, ...] = ()
    in_parts: bool = True


TOOLS: Mapping[str, About] = {
    "list": About(untrusted=("runs", "batches")),
    "describe": About(),
    "validate": About(untrusted=("case",)),
    "plan": About(untrusted=("data", "warnings", "case")),
    "audit": About(untrusted=("tasks",)),
    "run_start": About(writes=True, reads=False, in_parts=False),
    "run_status": About(untrusted=("log", "run_error", "progress"), in_parts=False),
    "run_wait": About(untrusted=("run_error", "progress"), in_parts=False),
    "run_control": About(writes=True, reads=False, untrusted=("reason",), in_parts=False),
    "results": About(untrusted=("record", "case")),
    "compare": About(),
    "batch": About(writes=True, untrusted=("entries", "failures")),
    "audition": About(writes=True, untrusted=("rungs", "left_out")),
}
"""By name; the method is called the same."""


class Tools:
    """The tools on one workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def list(self, kind: Kind = "cases", limit: int = 20) -> dict[str, Any]:
        """List what is there: cases, runs and batches (newest first), or plugins of a kind."""
        from tunebook.mcp.listing import LISTS, plugins

        found = LISTS[kind] if kind in LISTS else plugins(kind)
        rows = found(self._workspace)
        return {kind: rows[: max(limit, 0)], "of": len(rows)}

    def describe(
        self, name: Annotated[str, Field(description="A case, a plugin, `case` or `plan`.")] = ""
    ) -> dict[str, Any]:
        """Explain a case (presets, strategies, parameters), a plugin, the settings of every `case`,
        the `plan` of a batch; without a name, what there is, states, exit codes, errors."""
        from tunebook.mcp.listing import about

        return about(self._workspace, name)

    def validate(self, case: CaseName, parameters: Parameters = {}) -> dict[str, Any]:  # noqa: B006
        """Check a case and return its settings. Reads no data; every mistake is told at once."""
        from tunebook.cases import resolve_case

        host = self._workspace.host()
        name = self._workspace.case(case, host, parameters)
        return {"valid": True, "case": resolve_case(host, name, parameters).to_json_dict()}

    def plan(
        self,
        case: CaseName,
        parameters: Parameters = {},  # noqa: B006
        notebook: bool = True,
    ) -> dict[str, Any]:
        """Say what a run would do: data, steps, time, memory, disk, warnings, and a hash of it all
        that run_start takes. Reads the data; writes nothing."""
        from tunebook.planning import plan_run

        host = self._workspace.host()
        name = self._workspace.case(case, host, parameters)
        place = self._workspace.runs_dir
        return plan_run(host, name, parameters, runs_dir=place, with_notebook=notebook).to_dict()

    def audit(self, case: CaseName, parameters: Parameters = {}) -> dict[str, Any]:  # noqa: B006
        """Read the data of a case and return what was found: sizes, classes, splits, duplicates,
        gaps, leaks. Trains nothing."""
        from tunebook.cases import resolve_case
        from tunebook.subjects import load_datasets

        host = self._workspace.host()
        name = self._workspace.case(case, host, parameters)
        datasets = load_datasets(resolve_case(host, name, parameters), host)
        return {
            "tasks": {
                task or "": {**data.summary(), "provenance": dict(data.provenance)}
                for task, data in datasets.items()
            }
        }

    def run_start(
        self,
        case: Annotated[str, Field(description="As for `validate`; empty to resume.")] = "",
        parameters: Parameters = {},  # noqa: B006
        resume: Annotated[str, Field(description="A run that was cut short, to go on with.")] = "",
        plan: Annotated[str, Field(description="Hash of `plan`: refuse anything else.")] = "",
        notebook: Annotated[bool, Field(description="Run in the notebook of the case.")] = True,
        timeout: Annotated[float | None, Field(gt=0, description="Seconds it may take.")] = None,
        token: Annotated[
            str,
            Field(max_length=200, description="Any text: the same again gives the same run."),
        ] = "",
    ) -> dict[str, Any]:
        """Start a run and return its id at once; it goes on when the server ends. Everything is
        checked first. Give `token`, so that asking again after a lost answer starts no second run.
        """
        from tunebook.mcp.starting import Start, start

        self._workspace.check_may_write("run_start")
        wanted = Start(case, parameters, resume, plan, notebook, timeout)
        return start(self._workspace, wanted, token)

    def run_status(
        self,
        run: RunName = "last",
        log: Annotated[
            int | None, Field(ge=0, description="Also its log from this byte on; 0 at first.")
        ] = None,
    ) -> dict[str, Any]:
        """Say what state a run is in, how far it has come, and what went wrong."""
        from tunebook.handles import logs_since, state_of

        directory = self._workspace.run(run)
        told = self._state(state_of(directory))
        return told if log is None else {**told, "log": logs_since(directory, log).to_dict()}

    def run_wait(
        self,
        run: RunName = "last",
        timeout: Annotated[float, Field(ge=0, le=LONGEST_WAIT)] = WAIT_SECONDS,
    ) -> dict[str, Any]:
        """Wait until a run has ended, for so many seconds at most, and return its state: `ended`
        says whether to call again."""
        from tunebook.handles import wait_for

        directory, until = self._workspace.run(run), time.monotonic() + timeout
        while True:
            left = until - time.monotonic()
            told = wait_for(directory, max(min(left, 0.5), 0))
            if told["exit_code"] is not None or left <= 0 or self._workspace.closing.is_set():
                return self._state(told)

    def run_control(
        self,
        run: RunName,
        action: Annotated[
            str,
            Field(
                description="pause, resume, stop, abort, checkpoint, evaluate, set or note; "
                "`stop` scores what it has come to, `abort` ends it so that it can be resumed."
            ),
        ],
        values: Annotated[
            dict[str, Any],
            Field(description="For set: learning_rate, max_steps …; for note: text."),
        ] = {},  # noqa: B006
        wait: Annotated[float, Field(ge=0, le=LONGEST_WAIT)] = 10.0,
        by: Annotated[str, Field(max_length=60, description="Who asks, for the record.")] = "mcp",
    ) -> dict[str, Any]:
        """Ask something of a run while it trains; done between two steps, kept in its record."""
        from tunebook.handles import stop

        self._workspace.check_may_write("run_control")
        directory = self._workspace.run(run)
        if action in ("stop", "abort"):
            return self._state(stop(directory, abort=action == "abort", by=by, wait=wait))
        control = control_of({**values, "action": action})
        request = ask(directory, control, by)
        told = await_answer(directory, request, wait)
        outcome = "waiting" if told is None else "accepted" if told.accepted else "refused"
        data = {"run_id": directory.run_id, "request": request, "outcome": outcome}
        return data | (
            {"step": told.step, "stage": told.stage, "reason": told.reason} if told else {}
        )

    def results(
        self,
        run: Annotated[str, Field(description="A run, or empty to rank all that succeeded.")] = "",
        batch: Annotated[str, Field(description="A batch, for its leaderboard.")] = "",
        case: Annotated[str, Field(description="Rank only runs of this case.")] = "",
        top: Annotated[int, Field(ge=1, le=1000)] = 10,
    ) -> dict[str, Any]:
        """Return the result of a run with its intervals and baselines; or rank runs of the same
        test rows. The order is by validation; test scores choose nothing."""
        from tunebook.mcp.reading import leaderboard, ranked, result

        if run and batch:
            found, fix = "a run and a batch", "leave one of them out"
            raise ConfigError(Problem("mcp.argument", "results", "one of them", found, fix))
        if run:
            return result(self._workspace, self._workspace.run(run))
        if batch:
            return leaderboard(self._workspace, self._workspace.batch(batch))
        return ranked(self._workspace, case or None, top)

    def compare(
        self,
        run: RunName,
        other: RunName,
        task: Annotated[str, Field(description="Of several tasks, the one to compare.")] = "",
    ) -> dict[str, Any]:
        """Return run minus other, score by score, with paired intervals on the same test rows."""
        from tunebook.mcp.reading import compared

        return compared(self._workspace.run(run), self._workspace.run(other), task)

    def batch(
        self,
        plan: Annotated[
            dict[str, Any],
            Field(description="cases, grid, parameters …: see describe(name='plan')."),
        ] = {},  # noqa: B006
        batch: Annotated[str, Field(description="A batch to look at, or with resume.")] = "",
        dry_run: Annotated[
            bool, Field(description="Only check the plan and say the runs.")
        ] = False,
        resume: Annotated[bool, Field(description="Go on with `batch`.")] = False,
    ) -> dict[str, Any]:
        """Start many runs as one batch and return its id at once; or say how far one is. The same
        plan again goes on with its batch: what has succeeded is never run twice."""
        from tunebook.mcp.batches import go_on, look, prepare

        if bool(plan) == bool(batch):
            found, fix = "both" if plan else "neither", "give `plan` to start, `batch` to look"
            raise ConfigError(Problem("mcp.argument", "batch", "a plan or a batch", found, fix))
        if batch:
            folder = self._workspace.batch(batch)
            return go_on(self._workspace, folder) if resume else look(folder)
        return prepare(self._workspace, plan, dry_run=dry_run)

    def audition(
        self,
        case: Annotated[str, Field(description="A case to try candidates on, to start one.")] = "",
        candidates: Annotated[
            list[dict[str, Any]],
            Field(description="What each sets, by path; every strategy that fits when empty."),
        ] = [],  # noqa: B006
        parameters: Parameters = {},  # noqa: B006
        budget_seconds: Annotated[float, Field(gt=0, description="For all of it.")] = 1800.0,
        seeds: Annotated[
            int, Field(ge=1, le=100, description="Runs of each, after the first rung.")
        ] = 2,
        first_rows: Annotated[
            int | None, Field(ge=2, description="Training rows of the first rung; few by default.")
        ] = None,
        audition: Annotated[str, Field(description="One to look at, or with resume.")] = "",
        dry_run: Annotated[bool, Field(description="Only check it and say who is tried.")] = False,
        resume: Annotated[bool, Field(description="Go on with `audition`.")] = False,
    ) -> dict[str, Any]:
        """Try strategies, or other settings, on a case under a budget, and return an id at once; or
        say who is ahead. Judged on validation rows, so that no test row is seen before the choice;
        the same call again goes on, and with a larger budget it goes further."""
        from tunebook.mcp.auditions import go_on, look, prepare

        if bool(case) == bool(audition):
            found, fix = "both" if case else "neither", "give `case` to start, `audition` to look"
            problem = ("mcp.argument", "audition", "a case or an audition", found, fix)
            raise ConfigError(Problem(*problem))
        if audition:
            folder = self._workspace.batch(audition)
            return go_on(self._workspace, folder) if resume else look(self._workspace, folder)
        wanted = {
            "case": case,
            "candidates": candidates,
            "parameters": parameters,
            "budget": budget_seconds,
            "seeds": seeds,
            "first_rows": first_rows,
        }
        return prepare(self._workspace, wanted, dry_run=dry_run)

    def _state(self, told: Mapping[str, Any]) -> dict[str, Any]:
        place = self._workspace.relative(Path(told["path"]))
        return {**told, "path": place, "ended": told["exit_code"] is not None}
