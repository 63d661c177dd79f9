"""What an observer promises: it takes what it is told, and a run is the same with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunebook.testing import tiny
from tunebook.testing.candidate import Candidate
from tunebook.testing.check import check, demand

if TYPE_CHECKING:
    from tunebook.records import RunRecord


def _record(candidate: Candidate, *, watched: bool) -> RunRecord:
    """Returns the record of a small run that the observer watches, or that it doesn't."""
    from tunebook.host import PluginHost
    from tunebook.runner import run_case
    from tunebook.schema import CaseSchema
    from tunebook.testing.trials import own_cache

    host = candidate.host if watched else PluginHost(only=["tunebook"])
    content = tiny.case_content(tiny.model_folder(tiny.save_tiny_bert), metrics=["f1"])
    content["training"] |= {"epochs": 2, "evaluations": 2}
    case = CaseSchema(host).validate(content)
    with own_cache(candidate.scratch):
        return run_case(case, host, runs_dir=candidate.scratch / str(watched), listeners=[]).record


def _watched(candidate: Candidate) -> RunRecord:
    record: RunRecord = candidate.once("watched", lambda: _record(candidate, watched=True))
    return record


@check("observer", cost="slow")
def watches_a_whole_run(candidate: Candidate) -> None:
    """A run that it watches succeeds, and has no warning that it failed."""
    record = _watched(candidate)
    name = f":{candidate.descriptor.name}` failed in"
    failures = [text for text in record.warnings if name in text]
    demand(record.status == "succeeded", f"the run {record.status}", "leave the run alone")
    demand(not failures, "; ".join(failures), "see why it raises")


@check("observer", cost="slow")
def changes_nothing(candidate: Candidate) -> None:
    """Weights and predictions of a run are the same to the last bit as those of one without it."""
    seen, unseen = _watched(candidate).outputs, _record(candidate, watched=False).outputs
    other = sorted(name for name in {*seen, *unseen} if seen.get(name) != unseen.get(name))
    found = f"other {', '.join(other)}"
    demand(not other, found, "draw no random numbers, and touch neither model nor settings")


@check("observer")
def takes_the_end_of_a_run_that_failed(candidate: Candidate) -> None:
    """It can be told of a run that failed before there was any result."""
    import time

    from tunebook.errors import DataError, Problem
    from tunebook.records import RunRecord

    error = DataError(Problem("data.check", "a check", "data", "none", "nothing: this is a check"))
    began = time.time()
    record = RunRecord(
        run_id="20260101-000000-full-s0-0000",
        case="check",
        strategy="full",
        seed=0,
        status="failed",
        started=began,
        finished=began,
        error=error.to_dict(),
    )
    for name, call in candidate.host.observers("tunebook_run_failed").items():
        if name.endswith(f":{candidate.descriptor.name}"):
            call(run=record, record=record, error=error)
