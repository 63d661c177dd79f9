"""Runs that are under way: started here in the background, or attached to from anywhere."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import nullcontext
from functools import cached_property
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from tunebook.config import CaseConfig
from tunebook.controls import ask, await_answer, control_of
from tunebook.events import ControlAnswered, Listener
from tunebook.host import PluginHost
from tunebook.notebooks.launch import begin_in
from tunebook.notebooks.verdict import error_of
from tunebook.ownership import LAUNCHES, owned, owner
from tunebook.progress import EventFollower, Html, LineProgress, RunFollower
from tunebook.records import RunDirectory, find_run, runs_folder
from tunebook.resumption import place_of
from tunebook.runs import Run
from tunebook.states import State, lost, run_state
from tunebook.widgets.showing import headless

if TYPE_CHECKING:
    from tunebook.widgets.panel import Panel

LOOK_SECONDS = 0.1
GRACE_SECONDS = 60.0
"""How long a run that is interrupted may take to write its record."""


def start(
    case: CaseConfig,
    host: PluginHost | None = None,
    *,
    runs_dir: str | Path | None = None,
    listeners: Iterable[Listener] = (),
) -> LiveRun:
    """Starts a run in the background and returns at once.

    In a notebook the returned run is displayed as a panel with curves and buttons; under papermill
    and elsewhere `wait` prints lines. Until the run has ended, other code that uses the global
    random generators of torch, numpy or random changes its result.

    Args:
        case: A validated case, see `tunebook.load_case`.
        host: Plugins; all installed ones when None.
        runs_dir: Where run directories are made, see `tunebook.run_case`.
        listeners: Called with every event, in the thread of the run.

    Raises:
        ConfigError: `runs_dir` can't hold runs, or the run to continue is another case's.
    """
    directory, resumes = place_of(case, runs_dir)
    if not directory.record_file.exists():  # it can be found at once
        begin_in(directory, case)
    live = LiveRun(directory)
    live._begin(case, host or PluginHost(), list(listeners), resumes)
    return live


def attach(name: str = "last", *, runs_dir: str | Path | None = None) -> LiveRun:
    """Returns a run that was started anywhere, running or ended; a notebook shows its panel.

    Args:
        name: A run id, the beginning of one, a folder, or ``last``.
        runs_dir: Folder of the runs; ``TUNEBOOK_RUNS_DIR`` or ``runs`` when None.

    Raises:
        ConfigError: There is no such run, or more than one.
    """
    return LiveRun(find_run(runs_folder(runs_dir), name))


class LiveRun:
    """A run that can be watched, steered and waited for."""

    def __init__(self, directory: RunDirectory) -> None:
        self.directory = directory
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self._still: Any = None

    @property
    def id(self) -> str:
        return self.directory.run_id

    @property
    def running(self) -> bool:
        """Whether a process is working on it."""
        if self._thread is not None:
            return self._thread.is_alive()
        return owner(self.directory.path) is not None

    @property
    def status(self) -> State:
        """Its state, see `tunebook.states`."""
        return run_state(self.directory, None if self._thread is None else self.running)

    def ask(self, action: str, *, wait: float = 10.0, **arguments: Any) -> ControlAnswered | None:
        """Sends the run a request, see `tunebook.controls`; returns the answer, None if none came.

        Args:
            action: ``pause``, ``resume``, ``stop``, ``abort``, ``checkpoint``, ``evaluate``,
                ``set``, ``unfreeze`` or ``note``.
            wait: Seconds to wait for the answer; the request stays in either case.
            arguments: Arguments of the action, such as ``learning_rate=1e-5`` for ``set``.

        Raises:
            ConfigError: There is no such action, its arguments are wrong, or no process is working
                on the run.
        """
        control = control_of({"action": action, **arguments})
        return await_answer(self.directory, ask(self.directory, control, "python"), wait)

    def wait(self, timeout: float | None = None) -> Run:
        """Waits until the run has ended and returns it.

        Args:
            timeout: Seconds; no limit when None.

        Raises:
            TunebookError: Whatever went wrong in the run.
            TimeoutError: The time is up; the run itself goes on.
        """
        until = None if timeout is None else time.monotonic() + timeout
        with self._told() as look:
            try:
                while self.running:
                    if until is not None and time.monotonic() > until:
                        raise TimeoutError(f"{self.id} goes on after {timeout} s")
                    time.sleep(LOOK_SECONDS)
                    look()
            except KeyboardInterrupt:
                self._interrupt()
        return self._ended()

    def __await__(self) -> Generator[Any, None, Run]:
        """Waits like `wait`; with ipykernel 7.4 and later, widgets keep working meanwhile."""
        return self._arrive().__await__()

    async def _arrive(self) -> Run:
        with self._told() as look, _interrupts() as interrupts:
            try:
                while self.running:
                    await asyncio.sleep(LOOK_SECONDS)
                    look()
            except asyncio.CancelledError:
                if not interrupts:  # somebody waits no longer, and the run goes on
                    raise
                self._interrupt()
        return self._ended()

    @contextlib.contextmanager
    def _told(self) -> Iterator[Callable[[], None]]:
        """Yields what to call now and then, so that lines tell of the run where nobody sees it."""
        if not headless():
            yield lambda: None
            return
        follower = RunFollower(self.directory.path, _lines())
        try:
            yield follower.poll
        finally:
            follower.poll()
            if self._still is not None:
                self._still.update(Html(self._picture()))

    @cached_property
    def panel(self) -> Panel:
        """The widgets, see `tunebook.widgets.panel`."""
        from tunebook.widgets.panel import Panel

        return Panel(self.directory)

    def _ipython_display_(self) -> None:
        """Shows the panel, and in its place a picture, which stays in the saved notebook, when the
        run has ended."""
        from IPython.display import display

        if headless():  # `wait` puts the end in its place
            self._still = display(Html(self._picture()), display_id=True)
            return
        handle = display(self.panel.widget, display_id=True)
        threading.Thread(target=self._leave_picture, args=(handle,), daemon=True).start()

    def _picture(self) -> str:
        """Returns how the run stands, without making widgets."""
        from tunebook.widgets.picture import parts, picture
        from tunebook.widgets.view import RunView

        view = RunView()
        EventFollower(self.directory.events_file, view).poll()
        return picture(parts(self.id, view))

    def _leave_picture(self, handle: Any) -> None:
        while self.running:
            time.sleep(LOOK_SECONDS)
        self.panel.refresh()
        handle.update(Html(self.panel.picture()))

    def __repr__(self) -> str:
        return f"LiveRun({self.id}, {self.status})"

    def _begin(
        self, case: CaseConfig, host: PluginHost, listeners: list[Listener], resumes: bool
    ) -> None:
        place = self.directory.path
        # whoever has launched this process owns the run already
        owning = contextlib.ExitStack()
        owning.enter_context(nullcontext() if owner(place) else owned(place, LAUNCHES))

        def work() -> None:
            try:
                # what takes seconds to import isn't waited for
                from tunebook.runner import execute, go_on

                (go_on if resumes else execute)(self.directory, case, host, listeners)
            except BaseException as error:  # it is raised where somebody waits
                self._error = error
            finally:
                owning.close()

        self._thread = threading.Thread(target=work, name=self.id, daemon=True)
        self._thread.start()

    def _interrupt(self) -> None:
        """Raises KeyboardInterrupt in the run's own thread, as Ctrl-C does in the main one.

        Raises:
            KeyboardInterrupt: The run isn't ours to end, or goes on in spite of it.
        """
        if self._thread is None:
            raise KeyboardInterrupt
        thread = ctypes.c_ulong(self._thread.ident or 0)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, ctypes.py_object(KeyboardInterrupt))
        with contextlib.suppress(KeyboardInterrupt):
            self._thread.join(GRACE_SECONDS)
        if self._thread.is_alive():
            raise KeyboardInterrupt

    def _ended(self) -> Run:
        if self._error is not None:
            raise self._error
        run = Run(self.directory)
        if run.record.status != "succeeded":
            raise error_of(run.record) or lost(run.directory)
        return run


@contextlib.contextmanager
def _interrupts() -> Iterator[list[int]]:
    """Collects interrupts, and hands them on: asyncio and ipykernel make cancellations of them,
    which cannot be told from others."""
    received: list[int] = []
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield received
        return

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)
        before(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield received
    finally:
        signal.signal(signal.SIGINT, before)


def _lines() -> Listener:
    # red in a notebook would mean an error
    return LineProgress(sys.stdout if os.environ.get("TUNEBOOK_RUN_DIR") else sys.stderr)
