"""Driving a batch from its folder: alone, after ending what is left over, to the end."""

from __future__ import annotations

import time
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

from tunebook.attempts import Executor
from tunebook.batch.attempting import Attempting
from tunebook.batch.entry import Entry, State
from tunebook.batch.failures import worst_exit_code
from tunebook.batch.folder import BatchFolder, BatchLog
from tunebook.batch.judging import code_of
from tunebook.batch.leaderboards import Leaderboards
from tunebook.batch.lock import driving
from tunebook.batch.orphans import end_orphans
from tunebook.batch.plan import make_batch_plan
from tunebook.batch.scheduler import Ending, Listener, Scheduler
from tunebook.batch.standing import settled
from tunebook.batch.states import ENDED, Board, Change
from tunebook.config import PluginConfig
from tunebook.errors import ConfigError, ExitCode, Problem, did_you_mean
from tunebook.host import PluginHost
from tunebook.notebooks.supervision import stop_signals

USUAL_EXECUTOR = "local"
CONTINUED: tuple[State, ...] = ("stopped", "timed_out", "lost")


@dataclass(frozen=True)
class BatchResult:
    """A batch after it was driven.

    Attributes:
        ran: How many attempts were started this time.
        orphans: Processes of an earlier driver that were ended first.
    """

    folder: BatchFolder
    entries: tuple[Entry, ...]
    ending: Ending
    seconds: float
    ran: int
    orphans: int

    @property
    def exit_code(self) -> int:
        """0 only when all have succeeded."""
        if self.ending.trouble is not None:
            return int(self.ending.trouble.exit_code)
        if self.ending.reason in ("stopped", "timed_out"):
            return int(ExitCode.STOPPED)
        return worst_exit_code(self.entries)


def drive(
    host: PluginHost,
    folder: BatchFolder,
    *,
    executor: PluginConfig | None = None,
    retry_failed: bool = False,
    listeners: Sequence[Listener] = (),
    only: Container[str] | None = None,
) -> BatchResult:
    """Runs what a batch has not done yet. Call it from the main thread.

    Args:
        host: Plugins.
        folder: The batch, with its plan.
        executor: Where to run, instead of what the plan says.
        retry_failed: Whether runs that failed by themselves are tried again, too.
        listeners: Told of every change.
        only: Keys of the runs that are tried again where they were cut short; all when None.

    Raises:
        ConfigError: Another process drives it, or the plan can't be read.
        MachineError: The folder cannot be written to.
    """
    started = time.monotonic()
    file = folder.read_plan()
    plan = make_batch_plan(host, dict(file.content))
    with driving(folder), stop_signals() as signals:
        orphans = end_orphans(folder.path)
        board, log = folder.board(file), BatchLog(folder)
        told = [*_settle(board, log), *_requeue(board, log, retry_failed, only)]
        for change in told:
            for listener in listeners:
                listener(change, board[change.key])
        attempts = sum(entry.attempts for entry in board.entries)
        with Leaderboards(folder) as leaderboards:

            def ranked(change: Change, _entry: Entry) -> None:
                if change.state in ENDED:
                    leaderboards.update(board.entries)

            ending = Ending("done")
            if any(board.within("queued")):
                place = _executor(host, executor or plan.executor)
                try:
                    ending = Scheduler(
                        board,
                        place,
                        Attempting(folder, file, plan.limits, plan.with_notebook, plan.kernel),
                        log.append,
                        plan.limits,
                        plan.retries,
                        (*listeners, ranked),
                        lambda: len(signals),
                    ).run()
                finally:
                    place.close()
            leaderboards.finish(board.entries)
    ran = sum(entry.attempts for entry in board.entries) - attempts
    seconds = time.monotonic() - started
    return BatchResult(folder, board.entries, ending, seconds, ran, orphans)


def executor_config(host: PluginHost, config: PluginConfig | None) -> PluginConfig:
    """Returns the config of the executor to use.

    Raises:
        ConfigError: There is no `local` executor to fall back on.
    """
    if config is not None:
        return config
    names = host.names("executor")
    if USUAL_EXECUTOR not in names:
        fix = did_you_mean(USUAL_EXECUTOR, names)
        problem = ("executor.unknown", "executor", "the plugin `local`", "none of that name", fix)
        raise ConfigError(Problem(*problem))
    usual: PluginConfig = host.get("executor", USUAL_EXECUTOR).config()
    return usual


def _executor(host: PluginHost, config: PluginConfig | None) -> Executor:
    made: Executor = host.create("executor", executor_config(host, config))
    return made


def _settle(board: Board, log: BatchLog) -> Iterator[Change]:
    """Puts on record what became of runs whose driver died."""
    for change in settled(board):
        if board.apply(change):
            log.append(change)
            yield change


def _requeue(
    board: Board, log: BatchLog, retry_failed: bool, only: Container[str] | None
) -> Iterator[Change]:
    """Queues what is to be tried again; what has succeeded is never touched."""
    states: tuple[State, ...] = (*CONTINUED, "failed") if retry_failed else CONTINUED
    for entry in [*board.within(*states)]:
        if only is not None and entry.key not in only:
            continue
        detail = f"after {code_of(entry.error)}" if entry.error else ""
        change = Change(entry.key, "queued", error=entry.error, detail=detail)
        if board.apply(change):
            log.append(change)
            yield change
