"""Outputs of the frozen lower blocks of a backbone, computed once and read at every epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from tunebook.training.batching import longest_first
from tunebook.training.inputs import PrefixInputs, TokenInputs
from tunebook.training.precision import Precision

Tensor = torch.Tensor


class Prefix:
    """The lowest blocks of a backbone, which nothing trains.

    Args:
        backbone: What the blocks are in.
        blocks: All blocks, bottom to top; a block's first three-dimensional input and its first
            output are token states.
        count: How many of them are frozen, from 1 to all but one.
    """

    def __init__(self, backbone: nn.Module, blocks: list[nn.Module], count: int) -> None:
        if not 0 < count < len(blocks):
            raise ValueError(f"{count} of {len(blocks)} blocks is no prefix")
        self.frozen, self.next = blocks[:count], blocks[count]
        self._backbone, self._trained = backbone, blocks[count:]
        self.count = count
        self._states: Tensor | None = None
        self._gives_tuple: dict[nn.Module, bool] = {}

    def silence(self) -> None:
        """Keeps all but the trained blocks in evaluation mode, so that they repeat themselves."""
        keep_in_evaluation(self._backbone, but=self._trained)

    @contextmanager
    def captured(self) -> Iterator[list[Tensor]]:
        """Yields a list that each forward pass adds the states to which enter the next block.

        A pass ends there: it raises `PrefixEndError`.
        """
        states: list[Tensor] = []

        def stop(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            states.append(_token_states(args, kwargs))
            raise PrefixEndError

        hook = self.next.register_forward_pre_hook(stop, with_kwargs=True)
        try:
            yield states
        finally:
            hook.remove()

    def install(self) -> None:
        """Makes the frozen blocks skip themselves wherever `states` has been given beforehand."""
        self.next.register_forward_pre_hook(self._enter, with_kwargs=True)
        for block in self.frozen:
            block.forward = self._skipping(block, block.forward)

    @contextmanager
    def states(self, states: Tensor | None) -> Iterator[None]:
        """Takes `states` (b, t, h) for what enters the next block; None computes them."""
        self._states = states
        try:
            yield
        finally:
            self._states = None

    def _enter(self, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self._states is None:
            return None
        found = _token_states(args, kwargs)
        swap = lambda value: self._states if value is found else value  # noqa: E731
        return tuple(map(swap, args)), {name: swap(value) for name, value in kwargs.items()}

    def _skipping(self, block: nn.Module, forward: Any) -> Any:
        def skip(*args: Any, **kwargs: Any) -> Any:
            if self._states is None:
                return forward(*args, **kwargs)
            if block not in self._gives_tuple:  # depends on the version of transformers
                with torch.no_grad():
                    self._gives_tuple[block] = isinstance(forward(*args, **kwargs), tuple)
            states = _token_states(args, kwargs)
            return (states,) if self._gives_tuple[block] else states

        return skip


def keep_in_evaluation(backbone: nn.Module, but: Sequence[nn.Module] = ()) -> None:
    """Keeps everything outside of `but` in evaluation mode, whatever `train` is told."""
    trained = {module for block in but for module in block.modules()}
    for module in backbone.modules():
        if trained.isdisjoint(module.modules()):
            module.eval()
            module.train = partial(_stay, module)


class PrefixEndError(Exception):
    """The states that were wanted have been computed."""


def compute_states(
    model: Any, prefix: Prefix, tokens: TokenInputs, batch_size: int, precision: Precision
) -> np.ndarray:
    """Returns what enters the first trained block, shape (tokens of all inputs, h), float32."""
    where = next(model.parameters()).device
    lengths, starts = tokens.lengths, tokens.starts
    result: np.ndarray | None = None
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode(), precision.autocast(), prefix.captured() as captured:
            for rows in longest_first(lengths, batch_size):
                batch = {name: value.to(where) for name, value in tokens[rows].items()}
                batch.pop("labels", None)
                with suppress(PrefixEndError):
                    model.encode(**batch)
                states = captured.pop().float().cpu().numpy()
                if result is None:
                    result = np.empty((int(lengths.sum()), states.shape[2]), np.float32)
                for place, row in enumerate(rows):
                    end = starts[row] + lengths[row]
                    result[starts[row] : end] = states[place, : lengths[row]]
    finally:
        model.train(was_training)
    if result is None:
        raise ValueError("there is nothing to compute states of")
    return result


def states_bytes(tokens: TokenInputs, width: int) -> int:
    """Returns the size of the states of all inputs on disk."""
    return int(tokens.lengths.sum()) * width * np.dtype(np.float32).itemsize


def _token_states(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """Returns the first three-dimensional tensor that a block is called with."""
    return next(
        value
        for value in (*args, *kwargs.values())
        if isinstance(value, torch.Tensor) and value.ndim == 3
    )


def agrees(model: Any, inputs: PrefixInputs, precision: Precision, rows: int = 8) -> bool:
    """Whether the model says the same of the first inputs with their states as without.

    The skipping relies on how transformers writes its blocks; an architecture that does it in
    another way is found out here, before anything is trained.
    """
    where = next(model.parameters()).device
    batch = inputs[range(min(rows, len(inputs)))]
    batch = {name: value.to(where) for name, value in batch.items() if name != "labels"}
    states = batch.pop("states")
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode(), precision.autocast():
            given = model(**batch, states=states).float()
            computed = model(**batch).float()
    finally:
        model.train(was_training)
    tolerance = {"fp32": 1e-3}.get(precision.name, 0.1)
    return torch.allclose(given, computed, rtol=tolerance, atol=tolerance)


def _stay(module: nn.Module, mode: bool = True) -> nn.Module:  # noqa: ARG001 - stands for `train`
    return module
