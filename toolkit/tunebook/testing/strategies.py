"""What a strategy promises: it trains what it declares, repeats itself, and survives saving.

Each promise is tried on every tiny model, with its head, that the strategy's tags allow.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, get_args

from pydantic import ValidationError

from tunebook.config import PretrainingConfig, TaskConfig, TrainingConfig
from tunebook.errors import TunebookError, did_you_mean, shorten
from tunebook.legality import Setting, objection
from tunebook.specs import FAMILIES, FORMS, Descriptor
from tunebook.testing import tiny
from tunebook.testing.candidate import Candidate
from tunebook.testing.check import CheckFailed, check, demand

if TYPE_CHECKING:
    from tunebook.testing.trials import Attempt

SOURCE = re.compile(r"\b(19|20)\d\d\b|arxiv|doi|https?:", re.IGNORECASE)
LONGEST_SENTENCE = 120
TOLERANCE = 1e-4
"""Between logits of one text in different batches, whose sums run in another order."""


def legal_models(descriptor: Any) -> list[str]:
    """Returns the tiny models that the tags of a strategy allow."""
    return [
        name
        for name, model in tiny.MODELS.items()
        if not objection(descriptor.tags, Setting(model.family, model.form, model.architecture))
    ]


def _tried(descriptor: Descriptor) -> bool:
    return bool(legal_models(descriptor))


def _says_frozen(descriptor: Any) -> bool:
    return bool(descriptor.tags.frozen_backbone) and _tried(descriptor)


def _shared(descriptor: Any) -> bool:
    return bool(descriptor.tags.multitask) and _tried(descriptor)


def _trained(candidate: Candidate) -> Iterator[tuple[str, Attempt]]:
    """Yields the name of every legal tiny model, and what the strategy has trained on it."""
    from tunebook.testing.trials import trained

    for model in legal_models(candidate.descriptor):
        yield model, trained(candidate, model)


@check("strategy", builds=False)
def names_its_paper(candidate: Candidate) -> None:
    """`paper` says where the method comes from, with a year or an address."""
    paper = candidate.descriptor.paper
    demand(SOURCE.search(paper), f"paper={paper!r}", 'write such as "Hu et al. 2021, arXiv:…"')


@check("strategy", builds=False)
def says_when_and_at_what_cost(candidate: Candidate) -> None:
    """`when` and `cost` are a sentence each, of at most 120 signs, for `tunebook describe`."""
    for name in ("when", "cost"):
        sentence = getattr(candidate.descriptor, name)
        whole = sentence.endswith(".") and len(sentence.splitlines()) == 1
        demand(
            whole and len(sentence) <= LONGEST_SENTENCE,
            f"{name}={shorten(sentence)}, {len(sentence)} signs",
            "say in one sentence when to choose it, and what it takes in time, memory or weights",
        )


@check("strategy", builds=False)
def training_defaults_are_valid(candidate: Candidate) -> None:
    """`training` holds settings that a case's `training` section takes."""
    try:
        text = json.dumps(dict(candidate.descriptor.training))
        TrainingConfig.model_validate_json(text, strict=True)
    except ValidationError as error:
        wrong = [f"training.{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise CheckFailed("; ".join(wrong), "see `tunebook describe case`") from error


@check("strategy", builds=False)
def tags_are_known(candidate: Candidate) -> None:
    """Its tags name what tunebook has, and architectures of transformers."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    tags = candidate.descriptor.tags
    known = {
        "tasks": get_args(TaskConfig.model_fields["kind"].annotation),
        "families": FAMILIES,
        "forms": FORMS,
        "architectures": ("*", *CONFIG_MAPPING_NAMES),
        "unsuited": [*CONFIG_MAPPING_NAMES],
        "pretraining": get_args(PretrainingConfig.model_fields["method"].annotation),
    }
    for name, choices in known.items():
        given = [*getattr(tags, name)]
        unknown = sorted({*given} - {*choices})
        found = f"{name}: {', '.join(unknown) or 'none'}"
        fix = did_you_mean(unknown[0] if unknown else "", choices)
        demand((given or name == "unsuited") and not unknown, found, fix)


@check("strategy", cost="slow", applies=_tried)
def structure_is_the_same_each_time(candidate: Candidate) -> None:
    """Prepared again it has the same parameters: bit by bit under one seed, and when loaded."""
    import torch

    from tunebook.export import load_classifier
    from tunebook.testing.trials import prepare

    advice = "draw only from torch's generator, and build the same parts when not training"
    for model, first in _trained(candidate):
        second = prepare(candidate, model)
        again = {name: p.detach() for name, p in second.parameters.items()}
        same = [*again] == [*first.start] and all(
            torch.equal(again[name], value) for name, value in first.start.items()
        )
        demand(same, f"{model}: another model under the same seed", advice)
        loaded = load_classifier(first.directory, candidate.host).model
        shapes = {name: p.shape for name, p in loaded.named_parameters()}
        expected = {name: p.shape for name, p in first.parameters.items()}
        other = sorted({*shapes.items()} ^ {*expected.items()})
        names = ", ".join(sorted({name for name, _ in other})[:3])
        demand(not other, f"{model}: loaded, it differs in {names}", advice)


@check("strategy", applies=_tried)
def groups_hold_what_is_trainable(candidate: Candidate) -> None:
    """Every trainable parameter stands in one optimiser group, with a rate and a weight decay."""
    advice = "return context.groups(model), or groups that share out all that is trainable"
    for model, attempt in _trained(candidate):
        groups, parameters = attempt.prepared.groups, attempt.parameters
        members = Counter(id(parameter) for group in groups for parameter in group["params"])
        outside = [n for n, p in parameters.items() if p.requires_grad and not members[id(p)]]
        strangers = members.keys() - {id(p) for p in parameters.values()}
        demand(not outside, f"{model}: in no group: {', '.join(outside[:3])}", advice)
        demand(not strangers, f"{model}: {len(strangers)} that the model doesn't have", advice)
        demand(
            max(members.values(), default=1) == 1,
            f"{model}: a parameter stands in two groups",
            advice,
        )
        rated = all(group["lr"] >= 0 and group["weight_decay"] >= 0 for group in groups)
        demand(rated, f"{model}: a negative rate or decay", advice)


@check("strategy", applies=_tried)
def only_declared_parameters_change(candidate: Candidate) -> None:
    """A training changes parameters that require gradients; all others stay bit by bit."""
    import torch

    for model, attempt in _trained(candidate):
        changed = _changed(attempt)
        undeclared = [n for n in changed if not attempt.parameters[n].requires_grad]
        demand(changed, f"{model}: nothing has changed", "set requires_grad on what is to learn")
        demand(
            not undeclared,
            f"{model}: frozen and yet changed: {', '.join(undeclared[:3])}",
            "set requires_grad on it, which is what saves it too, or leave it alone",
        )
        frozen = [(p, value) for p, value in attempt.pretrained if not p.requires_grad]
        moved = sum(not torch.equal(p, value) for p, value in frozen)
        found = f"{model}: frozen, {moved} of {len(frozen)} pretrained tensors have changed"
        demand(not moved, found, "leave pretrained weights that don't learn as they were")


@check("strategy", applies=_tried)
def head_learns(candidate: Candidate) -> None:
    """The head, which begins at random, is trained."""
    for model, attempt in _trained(candidate):
        learnt = [name for name in _changed(attempt) if name.startswith("head.")]
        demand(learnt, f"{model}: the head stays random", "train where context.is_head(name)")


@check("strategy", applies=_tried)
def cached_features_stay_true(candidate: Candidate) -> None:
    """With `cache_features`, nothing of the backbone is trainable."""
    for model, attempt in _trained(candidate):
        if attempt.prepared.cache_features:
            names = [n for n, p in attempt.parameters.items() if p.requires_grad]
            moving = [name for name in names if name.startswith("backbone.")]
            found = f"{model}: trainable below the cache: {', '.join(moving[:3])}"
            demand(not moving, found, "freeze it, or leave cache_features out")


@check("strategy", applies=_says_frozen)
def frozen_backbone_stays(candidate: Candidate) -> None:
    """Tagged `frozen_backbone`, it leaves the pretrained weights bit by bit as they were."""
    import torch

    for model, attempt in _trained(candidate):
        moved = [p for p, value in attempt.pretrained if not torch.equal(p.detach(), value)]
        found = f"{model}: {len(moved)} of {len(attempt.pretrained)} tensors have changed"
        demand(not moved, found, "freeze the backbone, or drop the tag")


@check("strategy", cost="slow", applies=_tried)
def same_seed_gives_the_same_logits(candidate: Candidate) -> None:
    """A training repeated under one seed gives equal logits, and another seed gives others."""
    import numpy as np

    from tunebook.testing.trials import train

    for model, first in _trained(candidate):
        again, other = (train(candidate, model, seed).logits(tiny.TEXTS) for seed in (0, 1))
        advice = "draw random numbers from torch's generator only, which is seeded by the run"
        logits = first.logits(tiny.TEXTS)
        demand(np.array_equal(again, logits), f"{model}: other logits", advice)
        demand(not np.array_equal(other, logits), f"{model}: the seed changes nothing", advice)


@check("strategy", applies=_tried)
def survives_saving(candidate: Candidate) -> None:
    """A saved model is loaded with the same head, and gives the same logits."""
    import numpy as np
    import torch

    from tunebook.export import load_classifier

    for model, attempt in _trained(candidate):
        loaded = load_classifier(attempt.directory, candidate.host)
        advice = "what was trained is what is saved: put all else into the config or the seed"
        head = dict(loaded.model.named_parameters())
        lost = [
            name
            for name, parameter in attempt.parameters.items()
            if name.startswith("head.") and not torch.equal(parameter, head[name])
        ]
        demand(not lost, f"{model}: another head: {', '.join(lost)}", advice)
        same = np.array_equal(loaded.logits(tiny.TEXTS), attempt.logits(tiny.TEXTS))
        demand(same, f"{model}: other logits once it is loaded", advice)


@check("strategy", cost="slow", applies=_tried)
def survives_a_fresh_process(candidate: Candidate) -> None:
    """A saved model gives the same logits in a process that has not seen it being trained."""
    from tunebook.testing import fresh

    attempts = dict(_trained(candidate))
    answers = fresh.call(
        "logits",
        candidate.source,
        folders=[str(attempt.directory.model) for attempt in attempts.values()],
        texts=list(tiny.TEXTS),
    )
    for (model, attempt), answer in zip(attempts.items(), answers, strict=True):
        same = answer == attempt.logits(tiny.TEXTS).tolist()
        demand(same, f"{model}: other logits", "keep nothing in globals that a process loses")


@check("strategy", applies=_tried)
def padding_changes_nothing(candidate: Candidate) -> None:
    """A text has the same logits alone and beside a longer one, which it is padded to."""
    import numpy as np

    for model, attempt in _trained(candidate):
        beside = attempt.logits(tiny.TEXTS)
        alone = np.concatenate([attempt.logits([text]) for text in tiny.TEXTS])
        error = float(np.abs(alone - beside).max())
        found = f"{model}: logits differ by {error:.2g}"
        demand(error <= TOLERANCE, found, "let the mask keep padding out of what is added")


@check("strategy", applies=_tried)
def strange_architecture_is_no_crash(candidate: Candidate) -> None:
    """A model of an unknown architecture works, or is refused by an error that says what to do."""
    from tunebook.testing.trials import prepare_stranger

    try:
        model = legal_models(candidate.descriptor)[0]
        prepare_stranger(candidate, model).logits(tiny.TEXTS)
    except TunebookError:
        return
    except Exception as error:
        found = f"{type(error).__name__}: {error}"
        raise CheckFailed(found, "raise a ConfigError whose Problem names a way out") from error


@check("strategy", cost="slow", applies=_shared)
def several_tasks_share_a_model(candidate: Candidate) -> None:
    """Tagged `multitask`, it trains the heads of two tasks, which survive saving."""
    import numpy as np
    import torch

    from tunebook.export import load_classifiers
    from tunebook.testing.trials import train_tasks

    model = legal_models(candidate.descriptor)[0]
    attempt = train_tasks(candidate, model)
    advice = "treat all parameters alike that begin with `head.`, or say multitask=False"
    demand(attempt.prepared.before is None, f"{model}: a stage of one task alone", advice)
    now = dict(attempt.prepared.model.named_parameters())
    for task, loaded in load_classifiers(attempt.directory, candidate.host).items():
        head = [name for name in now if name.startswith(f"head.of_{task}.")]
        learnt = [name for name in head if not torch.equal(now[name].detach(), attempt.start[name])]
        demand(learnt, f"{model}: the head of one of the tasks stays random", advice)
        same = np.array_equal(loaded.logits(tiny.TEXTS), attempt.logits(task, tiny.TEXTS))
        demand(same, f"{model}: a task has other logits once it is loaded", advice)


def _changed(attempt: Attempt) -> list[str]:
    """Returns the names of parameters that the training has changed."""
    import torch

    return [
        name
        for name, parameter in attempt.parameters.items()
        if not torch.equal(parameter.detach(), attempt.start[name])
    ]
