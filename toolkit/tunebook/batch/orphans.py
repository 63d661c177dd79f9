"""What is left of a batch whose driver was killed: found by a mark that all descendants carry."""

from __future__ import annotations

import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

MARK = "TUNEBOOK_BATCH_FOLDER"
"""Variable that says which batch a process belongs to; process ids may be used again, it isn't."""
GRACE_SECONDS = 8.0


def mark_of(folder: Path) -> dict[str, str]:
    """Returns the variable that marks a process as one of the batch in `folder`."""
    return {MARK: str(folder.resolve())}


def end_orphans(folder: Path, grace: float = GRACE_SECONDS) -> int:
    """Ends every process of this machine that belongs to the batch in `folder`, and no other.

    Attempts are asked first, so that they write their records; what is left is killed.

    Returns:
        How many processes there were.
    """
    import psutil

    found = processes_of(folder)
    for process in found:
        if _is_attempt(process):
            with suppress(psutil.Error):
                process.send_signal(signal.SIGINT)
    psutil.wait_procs([p for p in found if _is_attempt(p)], timeout=grace)
    left = processes_of(folder)
    for process in left:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(left, timeout=grace)
    return len(found)


def processes_of(folder: Path) -> list[psutil.Process]:
    """Returns the processes of this machine and user that belong to the batch in `folder`."""
    import psutil

    mark = str(folder.resolve())
    own = psutil.Process()
    mine = {own.pid, *(parent.pid for parent in own.parents())}
    found = []
    for process in psutil.process_iter():
        # those of others cannot be read, and are not ours
        with suppress(psutil.Error, OSError):
            if process.pid not in mine and process.environ().get(MARK) == mark:
                found.append(process)
    return found


def _is_attempt(process: psutil.Process) -> bool:
    import psutil

    with suppress(psutil.Error):
        return "tunebook.batch" in process.cmdline()
    return False
