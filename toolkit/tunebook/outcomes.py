"""How a run ends, and that its record says so, whatever ended it."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from traceback import walk_tb

from tunebook.errors import (
    DataError,
    MachineError,
    Problem,
    StoppedError,
    TrainingError,
    TunebookError,
)
from tunebook.records import write_problem

RESERVE_BYTES = 256 * 1024
"""Held back on disk, so that a full disk leaves room for a record that says so."""

NO_MEMORY = ("out of memory", "can't allocate memory")
"""What torch says, which has no error class for it on the CPU."""

Told = Callable[[str, TunebookError], None]
"""Writes the last state: a status and the error."""


RAISED: Mapping[str, type[TunebookError]] = {"datasource": DataError, "augmenter": DataError}
"""By kind of plugin, what its exceptions become; a TrainingError where nothing is said."""


@dataclass(frozen=True)
class UsedPlugin:
    """A plugin whose code takes part in a run.

    Attributes:
        kind: Such as ``strategy``.
        where: What errors call it.
        home: The package or module that its factory lies in.
    """

    kind: str
    where: str
    home: str

    def owns(self, module: str) -> bool:
        """Whether a module is part of the plugin."""
        return module == self.home or module.startswith(f"{self.home}.")


@contextmanager
def recorded(folder: Path, tell: Told, plugins: Sequence[UsedPlugin] = ()) -> Iterator[None]:
    """Turns whatever ends the block into a TunebookError, after telling it to the record.

    Args:
        folder: Where the run lies.
        tell: Writes the record.
        plugins: Those that are named when their code raises something else.

    Raises:
        TunebookError: The block did not come to its end.
    """
    reserve = folder / ".reserve"
    try:
        reserve.write_bytes(b"\0" * RESERVE_BYTES)
        yield
    except BaseException as error:
        reserve.unlink(missing_ok=True)
        told = as_tunebook_error(error, folder, plugins)
        # where the folder is gone or full to the last byte, the error itself is still raised
        with suppress(OSError, TunebookError):
            tell("stopped" if isinstance(told, StoppedError) else "failed", told)
        if told is error:
            raise
        raise told from error
    finally:
        reserve.unlink(missing_ok=True)


def as_tunebook_error(
    error: BaseException, where: Path, plugins: Sequence[UsedPlugin] = ()
) -> TunebookError:
    """Returns `error` in our one shape."""
    if isinstance(error, TunebookError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return StoppedError(
            Problem("run.stopped", str(where), "a run to its end", "an interrupt", "run it again")
        )
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EROFS, errno.EACCES):
        return MachineError(write_problem(Path(error.filename or where), error))
    if "No space left" in str(error):  # safetensors and parquet have error classes of their own
        return MachineError(write_problem(where, OSError(errno.ENOSPC, str(error))))
    if isinstance(error, MemoryError) or any(words in str(error) for words in NO_MEMORY):
        return MachineError(
            Problem(
                "environment.memory",
                str(where),
                "enough memory",
                str(error) or "none left",
                "lower training.batch_size and raise training.gradient_accumulation",
            )
        )
    return _raised_by_a_plugin(error, plugins) or TrainingError(
        Problem(
            "run.unexpected",
            str(where),
            "no such error",
            f"{type(error).__name__}: {error}",
            "run with --debug and report what it prints",
        )
    )


def home_of(factory: str) -> str:
    """Returns the package of a factory ``package.module:Name``, or its module if it has none."""
    module = factory.partition(":")[0]
    return module.rpartition(".")[0] or module


def _raised_by_a_plugin(
    error: BaseException, plugins: Sequence[UsedPlugin]
) -> TunebookError | None:
    """Returns an error that names the plugin whose code was running, None when it was none."""
    for frame, line in reversed([*walk_tb(error.__traceback__)]):
        owners = [each for each in plugins if each.owns(frame.f_globals.get("__name__", ""))]
        if owners:
            place = f"{Path(frame.f_code.co_filename).name}, line {line}"
            return RAISED.get(owners[0].kind, TrainingError)(
                Problem(
                    "plugin.raised",
                    " or ".join(plugin.where for plugin in owners),
                    "a plugin that raises nothing but a TunebookError",
                    f"{type(error).__name__}: {error} ({place})",
                    "mend the plugin, or tell its author what the run prints with --debug",
                )
            )
    return None
