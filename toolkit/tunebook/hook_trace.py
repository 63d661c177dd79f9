"""One line on standard error for every call of a hook, with ``TUNEBOOK_TRACE_HOOKS=1``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

Trace = Callable[[str, str], AbstractContextManager[None]]
"""Given the names of a hook and of a plugin, what goes around the call."""


@contextmanager
def told(hook: str, plugin: str) -> Iterator[None]:
    """Tells of a call: whose it was, how long it took, and what it raised."""
    began = time.perf_counter()
    end = ""
    try:
        yield
    except BaseException as error:
        end = f" and raised {type(error).__name__}: {error}"
        raise
    finally:
        took = 1000 * (time.perf_counter() - began)
        line = f"hook {hook} of {plugin} took {took:.1f} ms{end}"
        sys.stderr.write(" ".join(line.split()) + "\n")


def untold(hook: str, plugin: str) -> AbstractContextManager[None]:  # noqa: ARG001
    """Tells nothing of a call."""
    return nullcontext()
