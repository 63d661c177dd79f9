"""The processes below one, without a server of warm kernels, which serves others as well."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

KERNEL_SERVER = "tunebook.kernels"
"""The module that a server of warm kernels runs; its forks are called the same."""


def descendants(process: psutil.Process) -> Iterator[psutil.Process]:
    """Yields the processes below `process`, but for servers of warm kernels and what is below them.

    Such a server is begun by the first run that wants a kernel, and serves those after it. A kernel
    that it has forked ends with its client, so that nothing is left behind.
    """
    import psutil

    with suppress(psutil.Error):
        for child in process.children():
            if not _serves_kernels(child):
                yield child
                yield from descendants(child)


def _serves_kernels(process: psutil.Process) -> bool:
    import psutil

    with suppress(psutil.Error):
        return KERNEL_SERVER in process.cmdline()[1:4]
    return False
