"""Where a training loop stands between two steps, as tensors and JSON, and how it gets back there.

Everything that the rest of a training depends on is in it: trainable parameters and changed
buffers, optimiser, schedule, loss scale, the chances of Python, numpy and torch on every device,
those of the inputs, the state of callbacks, best weights, counters. What has been changed while
the training ran, such as a rate, is in the optimiser and the schedule; what changes it is a
callback, and keeps its own account there (`tunebook.contracts.Stateful`).
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import nn

from tunebook.contracts import Stateful
from tunebook.errors import Problem, TrainingError
from tunebook.tasks.text_classification import load_trainable
from tunebook.training.checkpoints import Checkpoint, Snapshot

Tensors = dict[str, torch.Tensor]
TRAINER_STATE = "trainer_state.json"
"""What transformers' Trainer counts from; it looks for it under this name."""


def capture(trainer: Any) -> Snapshot:
    """Returns where a trainer stands; it must be between two steps."""
    optimizer = trainer.optimizer.state_dict()
    moments, numbers = _split(optimizer["state"])
    chances, drawn = chance()
    tensors = {
        **_prefixed("model", weights(trainer.model)),
        **_prefixed("buffer", trainer.changed_buffers()),
        **_prefixed("optimizer", moments),
        **_prefixed("chance", chances),
    }
    scaler = trainer.accelerator.scaler
    state = {
        "optimizer": {"numbers": numbers, "groups": optimizer["param_groups"]},
        "schedule": trainer.lr_scheduler.state_dict(),
        "scaler": None if scaler is None else scaler.state_dict(),
        "chance": drawn,
        "inputs": _state_of(trainer.train_dataset),
        "callbacks": {name: each.state_dict() for name, each in stateful(trainer).items()},
        "loop": trainer.state_dict(),
    }
    trainer_state = json.dumps(asdict(trainer.state))
    return Snapshot(tensors, state, {TRAINER_STATE: trainer_state} | trainer.kept_files())


def restore(trainer: Any, checkpoint: Checkpoint) -> None:
    """Puts a trainer where a checkpoint says; the chances follow with `restore_chance`.

    Raises:
        TrainingError: The checkpoint is of another model or other callbacks.
    """
    tensors, state = _by_prefix(checkpoint.tensors()), checkpoint.state
    try:
        put_weights(trainer.model, tensors)
        groups, numbers = state["optimizer"]["groups"], state["optimizer"]["numbers"]
        moments = _join(tensors.get("optimizer", {}), numbers)
        trainer.optimizer.load_state_dict({"state": moments, "param_groups": groups})
        trainer.lr_scheduler.load_state_dict(state["schedule"])
        if state["scaler"] is not None:
            trainer.accelerator.scaler.load_state_dict(state["scaler"])
        if state["inputs"] is not None:
            trainer.train_dataset.load_state_dict(state["inputs"])
        callbacks = stateful(trainer)
        for name, each in state["callbacks"].items():
            callbacks[name].load_state_dict(each)
        trainer.load_state_dict(state["loop"])
    except (KeyError, ValueError, RuntimeError, AttributeError) as error:
        raise TrainingError(_unsuitable(checkpoint, error)) from error


def outcome(model: nn.Module, buffers: Tensors, told: Mapping[str, Any]) -> Snapshot:
    """Returns what a training leaves behind.

    Args:
        model: What was trained.
        buffers: Those of its buffers that the training has changed.
        told: What the record is told of it, in JSON types.
    """
    chances, drawn = chance()
    tensors = {
        **_prefixed("model", weights(model)),
        **_prefixed("buffer", buffers),
        **_prefixed("chance", chances),
    }
    return Snapshot(tensors, {"told": dict(told), "chance": drawn})


def put_outcome(model: nn.Module, checkpoint: Checkpoint) -> dict[str, Any]:
    """Puts what a training has left behind into the model; returns what the record is told.

    Raises:
        TrainingError: The checkpoint is of another model.
    """
    try:
        put_weights(model, _by_prefix(checkpoint.tensors()))
    except (KeyError, RuntimeError) as error:
        raise TrainingError(_unsuitable(checkpoint, error)) from error
    restore_chance(checkpoint)
    told: dict[str, Any] = checkpoint.state["told"]
    return told


def weights(model: nn.Module) -> Tensors:
    """Returns the trainable parameters by name."""
    return {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}


def put_weights(model: nn.Module, tensors: Mapping[str, Tensors]) -> None:
    """Puts parameters and buffers back.

    Raises:
        KeyError: The model lacks one, or has more that are trained.
    """
    found = tensors.get("model", {})
    missing = weights(model).keys() - found.keys()
    if missing:
        raise KeyError(f"the checkpoint lacks parameters: {', '.join(sorted(missing)[:5])}")
    load_trainable(model, found)
    buffers = dict(model.named_buffers())
    with torch.no_grad():
        for name, tensor in tensors.get("buffer", {}).items():
            buffers[name].copy_(tensor)


def stateful(trainer: Any) -> dict[str, Any]:
    """Returns the callbacks that have a state, by a name that is the same in every attempt."""
    found = [each for each in trainer.callback_handler.callbacks if isinstance(each, Stateful)]
    return {f"{number} {type(each).__name__}": each for number, each in enumerate(found)}


def chance() -> tuple[Tensors, dict[str, Any]]:
    """Returns the state of all global generators: torch's, and those of Python and numpy."""
    tensors = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        tensors |= {f"cuda {n}": s for n, s in enumerate(torch.cuda.get_rng_state_all())}
    if torch.backends.mps.is_available():
        tensors["mps"] = torch.mps.get_rng_state()
    numpy = np.random.get_state(legacy=False)
    numpy["state"] = {**numpy["state"], "key": numpy["state"]["key"].tolist()}
    return tensors, {"python": random.getstate(), "numpy": numpy}


def restore_chance(checkpoint: Checkpoint) -> None:
    """Puts all global generators where they were."""
    tensors, drawn = _by_prefix(checkpoint.tensors())["chance"], checkpoint.state["chance"]
    version, numbers, gauss = drawn["python"]
    random.setstate((version, tuple(numbers), gauss))
    numpy = drawn["numpy"]
    key = np.array(numpy["state"]["key"], dtype=np.uint32)
    np.random.set_state(numpy | {"state": {**numpy["state"], "key": key}})
    torch.set_rng_state(tensors["cpu"])
    cuda = [tensors[name] for name in sorted(tensors) if name.startswith("cuda")]
    if cuda and torch.cuda.device_count() == len(cuda):
        torch.cuda.set_rng_state_all(cuda)
    if "mps" in tensors and torch.backends.mps.is_available():
        torch.mps.set_rng_state(tensors["mps"])


def _state_of(inputs: Any) -> Any:
    return inputs.state_dict() if isinstance(inputs, Stateful) else None


def _split(state: Mapping[int, Mapping[str, Any]]) -> tuple[Tensors, dict[str, dict[str, Any]]]:
    """Returns the tensors of an optimiser's state by number and name, and what isn't a tensor."""
    tensors, numbers = {}, {}
    for number, entries in state.items():
        for name, value in entries.items():
            if isinstance(value, torch.Tensor):
                tensors[f"{number}/{name}"] = value
            else:
                numbers.setdefault(str(number), {})[name] = value
    return tensors, numbers


def _join(tensors: Tensors, numbers: Mapping[str, Mapping[str, Any]]) -> dict[int, dict[str, Any]]:
    state: dict[int, dict[str, Any]] = {int(n): dict(each) for n, each in numbers.items()}
    for place, tensor in tensors.items():
        number, _, name = place.partition("/")
        state.setdefault(int(number), {})[name] = tensor
    return state


def _prefixed(prefix: str, tensors: Tensors) -> Tensors:
    return {f"{prefix}:{name}": tensor for name, tensor in tensors.items()}


def _by_prefix(tensors: Tensors) -> dict[str, Tensors]:
    found: dict[str, Tensors] = {}
    for place, tensor in tensors.items():
        prefix, _, name = place.partition(":")
        found.setdefault(prefix, {})[name] = tensor
    return found


def _unsuitable(checkpoint: Checkpoint, error: Exception) -> Problem:
    return Problem(
        "checkpoint.unsuitable",
        str(checkpoint.folder),
        "a checkpoint of this very training",
        " ".join(str(error).split())[:500],
        "the code has changed since: start a new run, or go on with the version that wrote it",
    )
