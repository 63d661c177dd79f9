"""The global random generators, which nobody but the run may touch."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tunebook.testing.check import demand

UNLIKELY = 1_937_006_964
"""A seed that no plugin would take, so that seeding anew is seen, too."""


@contextmanager
def untouched_generators(doing: str) -> Iterator[None]:
    """Fails when the block draws from, or seeds, a generator that all code shares.

    Raises:
        CheckFailed: One has changed.
    """
    kept = _generators()
    _seed(UNLIKELY)
    before = _generators()
    try:
        yield
        after = _generators()
    finally:
        _restore(kept)
    changed = [name for name in before if _content(before[name]) != _content(after[name])]
    demand(
        not changed,
        f"{doing} changes the generator of {' and '.join(changed)}",
        "use a generator of your own, such as numpy.random.default_rng(seed)",
    )


def _generators() -> dict[str, Any]:
    import numpy as np
    import torch

    return {
        "random": random.getstate(),
        "numpy": np.random.get_state(legacy=True),
        "torch": torch.random.get_rng_state().clone(),
    }


def _seed(seed: int) -> None:
    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def _restore(states: dict[str, Any]) -> None:
    import numpy as np
    import torch

    random.setstate(states["random"])
    np.random.set_state(states["numpy"])
    torch.random.set_rng_state(states["torch"])


def _content(state: Any) -> object:
    """Returns a state in a form that `==` compares."""
    if isinstance(state, tuple):
        return tuple(map(_content, state))
    return state.tobytes() if hasattr(state, "tobytes") else _tensor_bytes(state)


def _tensor_bytes(state: Any) -> object:
    return state.numpy().tobytes() if hasattr(state, "numpy") else state
