"""Runs a notebook in a process of its own, under a watchdog that leaves nothing behind."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import IO, Any, Literal

from tunebook.cases import NOTEBOOK_FOLDER
from tunebook.descendants import descendants
from tunebook.kernels.client import begin_warming
from tunebook.kernels.places import KernelChoice
from tunebook.kernels.process import ProcessId
from tunebook.records import RunDirectory

DEFAULT_TIMEOUT = 6 * 3600.0
DEFAULT_START_TIMEOUT = 120.0
POLL_SECONDS = 0.2
GRACE_SECONDS = 10.0

KERNEL_PROCESS = "kernel_process.json"
KERNEL_KIND = "kernel_kind.json"
"""What papermill's process tells of its kernel, in the private folder."""

Kind = Literal[
    "finished",
    "raised",
    "kernel_died",
    "kernel_start",
    "process_died",
    "process_failed",
    "crashed",
    "timed_out",
    "stopped",
]


@dataclass(frozen=True)
class Outcome:
    """How the execution of a notebook ended.

    Attributes:
        error: Class name of the exception, where a cell raised one.
        detail: Its message.
        cell: Execution count of the cell that raised.
        kernel: The kernel that ran it, `kind` and `why`; empty where there was none.
    """

    kind: Kind
    error: str = ""
    detail: str = ""
    cell: int | None = None
    kernel: Mapping[str, str] = field(default_factory=dict, compare=False)


def execute_notebook(
    notebook: str | Path,
    run: RunDirectory,
    parameters: Mapping[str, Any],
    *,
    plugin_files: Iterable[str | Path] = (),
    timeout: float = DEFAULT_TIMEOUT,
    start_timeout: float = DEFAULT_START_TIMEOUT,
    grace: float = GRACE_SECONDS,
    kernel: KernelChoice = "cold",
    on_poll: Callable[[], object] = lambda: None,
) -> Outcome:
    """Executes a notebook by papermill; the executed one is `run.notebook`, whatever happens.

    The kernel runs in the current working directory. It finds the run's folder in
    ``TUNEBOOK_RUN_DIR``, and the notebook's in ``TUNEBOOK_NOTEBOOK_FOLDER``. When this returns, the
    kernel and all it started are gone. SIGINT, SIGTERM and SIGHUP stop the run: first the kernel is
    interrupted, so that it can write its record, then it is killed; a second signal kills at once.
    Call it from the main thread.

    Args:
        notebook: The notebook; it isn't changed.
        run: Where the executed notebook goes.
        parameters: What to inject, see `parameters_for`.
        plugin_files: Single-file plugins that the kernel loads as well.
        timeout: Seconds for the whole execution.
        start_timeout: Seconds for the kernel to answer.
        grace: Seconds between interrupting and killing, and between killing kernel and papermill.
        kernel: `warm` forks it from a process that has imported the libraries, and starts that
            where need be; `auto` does so only where one is running; `cold` never. A kernel that
            cannot be had warm is started as usual, see `Outcome.kernel`.
        on_poll: Called several times a second while the notebook runs.
    """
    job = {
        "notebook": str(Path(notebook).resolve()),
        "output": str(run.notebook.resolve()),
        "parameters": dict(parameters),
        "start_timeout": max(1, round(start_timeout)),
    }
    environment = environment_of(run, plugin_files)
    environment[NOTEBOOK_FOLDER] = str(Path(notebook).resolve().parent)
    if kernel == "warm":
        begin_warming(sys.executable, environment)  # here, as it is to outlive the process tree
    with _private_folder() as folder, (folder / "log.txt").open("wb") as log:
        announced = folder / KERNEL_PROCESS
        job["kernel"] = {
            "wanted": kernel,
            "process_file": str(announced),
            "kind_file": str(folder / KERNEL_KIND),
        }
        (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
        start = functools.partial(_start, folder, environment, log)
        verdict, status = supervise(start, timeout, on_poll, grace, announced=announced)
        if not run.notebook.exists():
            shutil.copyfile(notebook, run.notebook)
        outcome = verdict or _read_outcome(folder, status)
        return replace(outcome, kernel=_read_kernel(folder))


def supervise(
    start: Callable[[], subprocess.Popen[bytes]],
    timeout: float,
    on_poll: Callable[[], object] = lambda: None,
    grace: float = GRACE_SECONDS,
    *,
    announced: Path | None = None,
) -> tuple[Outcome | None, int | None]:
    """Waits for a process; when this returns, it and all it started are gone.

    Args:
        start: Starts the process. Signals that come meanwhile are not lost.
        timeout: Seconds that it may take.
        on_poll: Called several times a second.
        grace: Seconds between interrupting what it started and killing it.
        announced: See `ProcessTree`.

    Returns:
        Why it was ended from here, None when it ended by itself; and its exit status.
    """
    with stop_signals() as received:
        process = start()
        tree = ProcessTree(process, announced)
        try:
            verdict = _watch(tree, time.monotonic() + timeout, received, on_poll, grace)
        finally:
            tree.kill()
    on_poll()
    return verdict, process.returncode


class ProcessTree:
    """A process and everything below it, sessions and orphans included.

    Descendants are remembered from poll to poll: a kernel lives in its own session, and would be
    out of sight once its parent had died. A warm kernel is no descendant; it is announced in a
    file before it runs anything.
    """

    def __init__(self, root: subprocess.Popen[bytes], announced: Path | None = None) -> None:
        import psutil

        self.root = root
        self._announced = announced
        self._process = psutil.Process(root.pid)
        self._seen: set[psutil.Process] = set()

    def look(self, *, thorough: bool = False) -> None:
        """Remembers the descendants there are now; see `descendants` for `thorough`."""
        import psutil

        kernel = ProcessId.read(self._announced) if self._announced else None
        if kernel is not None and kernel.is_alive():
            with contextlib.suppress(psutil.Error):
                self._seen.add(psutil.Process(kernel.pid))
        found: set[psutil.Process] = set()
        for parent in [self._process, *self._seen]:
            if parent not in found and parent.is_running():
                found |= {parent, *descendants(parent, thorough=thorough)}
        self._seen = found - {self._process}

    def ended(self) -> bool:
        return self.root.poll() is not None

    def wait(self, seconds: float) -> None:
        """Waits for the end of the root, at most so long."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.root.wait(seconds)

    def signal_descendants(self, number: signal.Signals) -> None:
        """Signals all but the root."""
        import psutil

        self.look(thorough=True)
        for process in self._seen:
            with contextlib.suppress(psutil.Error):
                process.send_signal(number)

    def kill(self) -> None:
        """Kills whatever is left and waits until it is gone."""
        import psutil

        self.look(thorough=True)
        self.root.kill()
        self.root.wait()
        self.signal_descendants(signal.SIGKILL)
        psutil.wait_procs(self._seen, timeout=10)


def _watch(
    tree: ProcessTree,
    deadline: float,
    received: list[int],
    on_poll: Callable[[], object],
    grace: float,
) -> Outcome | None:
    """Waits for the end; returns why the run was ended from here, None when it ended by itself."""
    while not tree.ended():
        on_poll()
        tree.look()
        if received:
            _end(tree, received, grace)
            return Outcome("stopped", detail=signal.Signals(received[0]).name)
        if time.monotonic() > deadline:
            _end(tree, received, grace)
            return Outcome("timed_out")
        tree.wait(POLL_SECONDS)
    return None


def _end(tree: ProcessTree, received: list[int], grace: float) -> None:
    """Interrupts the kernel, then kills it, so that papermill can still save the notebook."""
    known = len(received)
    for number in (signal.SIGINT, signal.SIGKILL):
        tree.signal_descendants(number)
        until = time.monotonic() + grace
        while not tree.ended() and time.monotonic() < until and len(received) == known:
            time.sleep(POLL_SECONDS / 4)


@contextlib.contextmanager
def stop_signals() -> Iterator[list[int]]:
    """Collects the signals that mean stop, instead of raising wherever the program is."""
    received: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        received.append(number)

    before = {
        number: signal.signal(number, note)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) != signal.SIG_IGN  # nohup stays nohup
    }
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _private_folder() -> Iterator[Path]:
    """A short path, since unix sockets lie in it; gone afterwards, sockets of dead kernels too."""
    place = "/tmp" if os.access("/tmp", os.W_OK) else None
    folder = tempfile.mkdtemp(prefix="tunebook-", dir=place)
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _start(folder: Path, environment: dict[str, str], log: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        # -P: a file in the working directory must not stand in for papermill's own modules
        [sys.executable, "-P", "-m", "tunebook.notebooks", str(folder)],
        env=environment,
        stdin=subprocess.PIPE,  # never written to: it closes when this process dies
        stdout=log,
        stderr=log,
        start_new_session=True,
    )


def environment_of(run: RunDirectory, plugin_files: Iterable[str | Path]) -> dict[str, str]:
    """Returns the environment of a process that carries a run out."""
    files = [str(Path(file).resolve()) for file in plugin_files]
    inherited = os.environ.get("TUNEBOOK_PLUGIN_FILES", "")
    return {
        **os.environ,
        "TUNEBOOK_RUN_DIR": str(run.path.resolve()),
        "TUNEBOOK_PLUGIN_FILES": os.pathsep.join([*filter(None, [inherited]), *files]),
    }


def _read_kernel(folder: Path) -> dict[str, str]:
    with contextlib.suppress(OSError, ValueError):
        content: dict[str, str] = json.loads((folder / KERNEL_KIND).read_text(encoding="utf-8"))
        return content
    return {}


def _read_outcome(folder: Path, returncode: int | None) -> Outcome:
    try:
        return Outcome(**json.loads((folder / "outcome.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        log = (folder / "log.txt").read_text(encoding="utf-8", errors="replace").strip()
        last = log.splitlines()[-1] if log else "no word"
        return Outcome("crashed", "papermill", f"exit status {returncode}: {last}")
