"""The processes below one, without a server of warm kernels, which serves others as well."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

KERNEL_SERVER = "tunebook.kernels"
"""The module that a server of warm kernels runs; its forks are called the same."""

PROC = Path("/proc")


def descendants(process: psutil.Process, *, thorough: bool = False) -> Iterator[psutil.Process]:
    """Yields the processes below `process`, but for servers of warm kernels and what is below them.

    Such a server is begun by the first run that wants a kernel, and serves those after it. A kernel
    that it has forked ends with its client, so that nothing is left behind.

    Args:
        process: The one at the top, which isn't yielded.
        thorough: Whether to read the whole process table at every step. Without it, Linux's own
            list of children is read where there is one: far cheaper, but proc(5) says that a child
            may be left out while another one ends. Good enough for looking again and again.
    """
    import psutil

    children = _from_table if thorough else _listed
    with suppress(psutil.Error):
        for child in children(process):
            if not _serves_kernels(child):
                yield child
                yield from descendants(child, thorough=thorough)


def _from_table(process: psutil.Process) -> list[psutil.Process]:
    return process.children()


def _listed(process: psutil.Process) -> list[psutil.Process]:
    """Returns children as Linux lists them for each thread; without such lists, from the table."""
    import psutil

    try:
        lists = [file.read_text() for file in (PROC / f"{process.pid}/task").glob("*/children")]
    except OSError:  # a thread or the process has ended meanwhile
        lists = []
    if not lists:
        return _from_table(process)
    found = []
    for pid in " ".join(lists).split():
        with suppress(psutil.Error):
            found.append(psutil.Process(int(pid)))
    return found


def _serves_kernels(process: psutil.Process) -> bool:
    import psutil

    with suppress(psutil.Error):
        return KERNEL_SERVER in process.cmdline()[1:4]
    return False
