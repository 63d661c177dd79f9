"""Carries out a run apart from who has started it: ``python -m tunebook.handles JOB.json``."""

from __future__ import annotations

import signal
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path

from tunebook.batch.job import Job, carry_out_job
from tunebook.errors import ExitCode, TunebookError
from tunebook.notebooks.verdict import error_of
from tunebook.outcomes import as_tunebook_error
from tunebook.records import RunDirectory


def main() -> int:
    """Returns the exit code of the run, which is that of `tunebook run`."""
    # a shell that starts things in the background has them ignore it
    signal.signal(signal.SIGINT, signal.default_int_handler)
    path = Path(sys.argv[1])
    run = RunDirectory(path.parent.resolve())
    job = Job.read(path)
    try:
        error = error_of(carry_out_job(run, job))
    except BaseException as raised:
        traceback.print_exception(raised)
        error = as_tunebook_error(raised, run.path)
        _tell(run, job, error)
    return int(error.exit_code if error else ExitCode.OK)


def _tell(run: RunDirectory, job: Job, error: TunebookError) -> None:
    """Writes into the record why the run could not begin, unless it is another's record by now."""
    taken = error.problems[0].code == "run.still_running"
    if taken or job.mode == "resume":
        return
    with suppress(TunebookError):
        record = run.read_record()
        run.write_record(
            record.updated(status="failed", finished=time.time(), error=error.to_dict())
        )


if __name__ == "__main__":
    sys.exit(main())
