"""Several processes that train one model: started by `accelerate launch`, watched like a notebook.

What stays as in one process is said in `tunebook.training.processes`.
"""

from __future__ import annotations

import functools
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from tunebook.config import CaseConfig
from tunebook.errors import ConfigError, Problem, TunebookError
from tunebook.host import PluginHost
from tunebook.notebooks.supervision import Kind, Outcome, environment_of, supervise
from tunebook.records import RunDirectory
from tunebook.schema import CaseSchema

DEAD = re.compile(r"failed \(exitcode: (-?\d+)\) local_rank: (\d+)")
"""How torch's launcher tells which process ended the others."""

LAST_BYTES = 20_000
SUPERVISOR = "TUNEBOOK_SUPERVISOR"
"""Variable with the process that watches a run in several processes."""


def check_processes(case: CaseConfig, notebook: Path | None, processes: int) -> None:
    """Refuses what several processes cannot do.

    Raises:
        ConfigError: With everything that is in the way.
    """
    problems = []
    if notebook is not None:
        fix = "add --no-notebook: the run is the same, its report and pictures included"
        found = f"--processes {processes} for {notebook.name}"
        expected = "one process, which is all that a notebook's kernel has"
        problems.append(Problem("run.notebook_processes", "--processes", expected, found, fix))
    if case.evaluation.learning_curve:
        expected = "one process for a learning curve, whose points are runs of their own"
        fix = "leave evaluation.learning_curve out, or --processes"
        problems.append(
            Problem(
                "run.curve_processes", "evaluation.learning_curve", expected, str(processes), fix
            )
        )
    size = case.training.batch_size
    if processes > size:
        fix = f"use at most {size} processes, or raise training.batch_size"
        expected = f"a row for each process in a batch of {size}"
        problems.append(
            Problem("run.too_many_processes", "--processes", expected, str(processes), fix)
        )
    if problems:
        raise ConfigError(*problems)


def run_processes(
    run: RunDirectory,
    processes: int,
    plugin_files: Sequence[str | Path],
    timeout: float,
    on_poll: Callable[[], object],
) -> Outcome:
    """Carries out the case of a run directory in several processes; call it in the main thread.

    The first one writes; when any of them dies the launcher ends the others.

    Args:
        run: The run's directory, with its case.
        processes: How many.
        plugin_files: Single-file plugins that they load as well.
        timeout: Seconds for the whole run.
        on_poll: Called several times a second.
    """
    with tempfile.TemporaryFile() as log:
        environment = {**environment_of(run, plugin_files), **_apart(processes)}
        start = functools.partial(_start, processes, environment, log)
        verdict, status = supervise(start, timeout, on_poll)
        return verdict or (Outcome("finished") if status == 0 else _died(log, status))


def main() -> None:
    """What each process does: the first in the run's directory, the others in one that goes."""
    first = os.environ["RANK"] == "0"
    if not first:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first is asked, and ends the others
    threading.Thread(target=_end_with_supervisor, daemon=True).start()
    from tunebook.runner import run_case
    from tunebook.training.processes import join

    join()
    run = RunDirectory(Path(os.environ["TUNEBOOK_RUN_DIR"]))
    host = PluginHost()
    case = CaseSchema(host).validate(run.read_case())
    with tempfile.TemporaryDirectory(prefix="tunebook-") as scratch:
        place = None if first else scratch
        try:
            run_case(case, host, runs_dir=place, listeners=[])
        except TunebookError as error:
            sys.exit(int(error.exit_code))  # the record has it


def _end_with_supervisor() -> None:
    """Nobody would end hung processes once the supervisor is gone."""
    import psutil

    with suppress(psutil.NoSuchProcess):
        supervisor = psutil.Process(int(os.environ[SUPERVISOR]))
        while supervisor.is_running() and supervisor.status() != psutil.STATUS_ZOMBIE:
            time.sleep(1)
    os._exit(1)


def _start(processes: int, environment: dict[str, str], log: IO[bytes]) -> subprocess.Popen[bytes]:
    shape = {
        "--num_processes": processes,
        "--num_machines": 1,
        "--main_process_port": 0,
        "--mixed_precision": "no",
        "--dynamo_backend": "no",
        "--num_cpu_threads_per_process": environment["OMP_NUM_THREADS"],
    }
    options = [str(part) for option in shape.items() for part in option]
    # accelerate's word for torch's launcher of several processes, whether there are GPUs or not
    launcher = [sys.executable, "-P", "-m", "accelerate.commands.launch", "--multi_gpu"]
    return subprocess.Popen(
        [*launcher, *options, "-m", __name__],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )


def _apart(processes: int) -> dict[str, str]:
    """Returns variables by which processes share out the cores, and talk on this machine alone."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    threads = os.environ.get("OMP_NUM_THREADS") or str(max(1, cores // processes))
    interface = {"darwin": "lo0"}.get(sys.platform, "lo")
    return {
        "OMP_NUM_THREADS": threads,
        "GLOO_SOCKET_IFNAME": interface,
        SUPERVISOR: str(os.getpid()),
    }


def _died(log: IO[bytes], status: int | None) -> Outcome:
    log.seek(max(0, log.seek(0, os.SEEK_END) - LAST_BYTES))
    text = log.read().decode("utf-8", "replace")
    found = DEAD.search(text)
    if found is None:
        last = (text.strip().splitlines() or ["no word"])[-1]
        return Outcome("process_failed", detail=f"exit status {status}: {last}")
    code, number = int(found[1]), int(found[2])
    how = f"ended with status {code}"
    if code < 0:
        how = f"was ended by signal {-code}"
        with suppress(ValueError):
            how = f"was ended by {signal.Signals(-code).name}"
    # what the first has recorded may then be only that it was left alone
    kind: Kind = "process_died" if code < 0 and number else "process_failed"
    return Outcome(kind, detail=f"process {number + 1} {how}")


if __name__ == "__main__":
    main()
