"""What one run takes over from earlier ones: arrays made from the very same things."""

from __future__ import annotations

import hashlib
import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tunebook.cache import Hold, Kept, Store
from tunebook.environment import numerics
from tunebook.records import Reused
from tunebook.sources import source_sha256

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class ArrayForm:
    """Arrays as files, one for each.

    Attributes:
        mapped: Whether they stay on disk when they are read, and the entry stays in use as long
            as they live. Small ones are better in memory.
    """

    mapped: bool

    def size(self, value: Arrays) -> int:
        return sum(array.nbytes + 128 for array in value.values())

    def write(self, value: Arrays, folder: Path) -> None:
        for name, array in value.items():
            with (folder / f"{name}.npy").open("wb") as file:
                np.save(file, array, allow_pickle=False)

    def read(self, folder: Path, hold: Hold) -> Arrays:
        mode: Literal["r"] | None = "r" if self.mapped else None
        found = {
            path.stem: np.load(path, mmap_mode=mode, allow_pickle=False)
            for path in sorted(folder.glob("*.npy"))
        }
        for array in found.values():
            if isinstance(array, np.memmap) and array.base is not None:
                hold.until_freed(array.base)  # the mapping, which views keep alive as well
        return found


MAPPED, LOADED = ArrayForm(mapped=True), ArrayForm(mapped=False)


@dataclass
class SharedWork:
    """The cache as one run sees it.

    Attributes:
        note: Told what a reader of the run should know.
        store: Where things are kept.
        reused: What was not computed but read, in order; what the run itself has kept, or reads
            again, counts once or not at all.
    """

    note: Callable[[str], None] = lambda _: None
    store: Store = field(default_factory=Store)
    reused: list[Reused] = field(default_factory=list)
    _known: set[str] = field(default_factory=set)
    _untold: int = 0

    def arrays(
        self,
        kind: str,
        what: str,
        parts: Mapping[str, Any],
        compute: Callable[[], Arrays],
        form: ArrayForm = LOADED,
    ) -> Kept[Arrays]:
        """Returns arrays, from the cache where it has them.

        They are the same, bit for bit, as if they had just been computed: beside `parts` they
        are kept by everything that shapes their last bits, see `numerics`, and by the source of
        tunebook. The random numbers that are drawn afterwards are the same as well.

        Args:
            kind: Such as ``features``.
            what: The arrays in a few words.
            parts: What they are made from, in JSON types.
            compute: Makes them.
            form: Whether they stay on disk.
        """
        everything = {
            "kind": kind,
            "code": source_sha256("tunebook"),
            "numerics": numerics(),
            **parts,
        }
        with _generators_kept():
            kept = self.store.get(
                kind,
                what,
                everything,
                compute,
                form,
                on_wait=lambda: self.note(f"waiting for a process that computes {what} as well"),
            )
        if kept.reused and kept.key not in self._known:
            self.reused.append(Reused(kind=kind, what=what, made=kept.made, seconds=kept.seconds))
        self._known.add(kept.key)
        if kept.lost and self.store.limit != 0:
            self.note(f"{what} could not be kept for other runs: {kept.lost}")
        return kept

    def tell(self) -> None:
        """Notes what was reused since the last call, if anything was."""
        new, self._untold = self.reused[self._untold :], len(self.reused)
        if not new:
            return
        seconds: dict[str, float] = defaultdict(float)
        for each in new:
            seconds[each.what] += each.seconds
        named = ", ".join(f"{what} ({spent:.1f} s)" for what, spent in seconds.items())
        self.note(f"from the cache, with what it took to compute: {named}")


@contextmanager
def _generators_kept() -> Iterator[None]:
    """Puts the random generators back, so that computing and reading leave the same ones."""
    import torch

    python, old, new = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(old)
        torch.set_rng_state(new)


def json_sha256(content: Any) -> str:
    """Returns the SHA-256 of anything in JSON types, lone surrogates in texts included."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def array_sha256(array: np.ndarray | None) -> str:
    """Returns the SHA-256 of the type, the shape and the bytes of an array; empty for none."""
    if array is None:
        return ""
    named = f"{array.dtype.str} {array.shape} ".encode()
    return hashlib.sha256(named + np.ascontiguousarray(array).tobytes()).hexdigest()
