"""Which compositions one classifier can be trained with. Light."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tunebook.composition import BatchSplit, Block, Fuse, MultiTask, Parallel, check
from tunebook.errors import Problem

ILLEGAL: Mapping[type[Block], str] = {
    Parallel: "it answers once for each adapter, and there is one head",
    BatchSplit: "it cuts every batch in the same parts, and batches differ in size",
    MultiTask: "it must be told the task of each text, and here a batch is of one task",
}
"""By block, why a classifier cannot be trained with it."""


def composition_problems(
    block: Block, new: Sequence[str], trained: Sequence[str], languages: Sequence[str] = ()
) -> list[Problem]:
    """Returns what keeps a block from being trained.

    Args:
        block: What is to be active; nothing is wrong with it as such.
        new: Names of the adapters that are made.
        trained: Names of the adapters that the labels don't train.
        languages: Those of them that are trained on texts beforehand.
    """
    found = [
        *_names_taken(new, trained),
        *_several_languages(languages),
        *check(block, [*new, *trained]),
        *_illegal(block),
    ]
    return found or [*_untrained(block, new), *_unused(block, trained)]


def fusions(block: Block) -> list[Fuse]:
    """Returns the blocks that have weights of their own, which are then all that is trained."""
    return [inside for inside in block.blocks() if isinstance(inside, Fuse)]


def renamed(block: Block, names: Mapping[str, str]) -> Block:
    """Returns a block with other names for some adapters."""
    children = [
        renamed(child, names) if isinstance(child, Block) else names.get(child, child)
        for child in block
    ]
    return type(block)(*children, **block.options)


def _names_taken(new: Sequence[str], trained: Sequence[str]) -> Iterator[Problem]:
    for name in sorted({*new} & {*trained}):
        yield Problem(
            "composition.name_taken",
            f"adapters.{name}",
            "another name than that of the new adapter",
            f"`{name}`, which `{'name' if name == new[0] else 'own'}` says too",
            "rename one of them",
        )
    if len({*new}) < len(new):
        yield Problem(
            "composition.name_taken",
            "own",
            "another name than `name`",
            f"`{new[0]}`",
            "rename one of them",
        )


def _several_languages(languages: Sequence[str]) -> Iterator[Problem]:
    if len(languages) > 1:
        yield Problem(
            "composition.several_languages",
            "adapters",
            "at most one adapter without `run`: one corpus trains one",
            ", ".join(f"`{name}`" for name in languages),
            "train the others in runs of their own and name these",
        )


def _illegal(block: Block) -> Iterator[Problem]:
    for inside in block.blocks():
        if type(inside) in ILLEGAL:
            yield Problem(
                "composition.one_task",
                "composition",
                "`stack`, `fuse` and `average`, which have one answer for a text",
                f"`{inside}`: {ILLEGAL[type(inside)]}",
                "use `fuse` to learn from several adapters, and `own` to give each task of a "
                "multi-task case one of its own",
            )


def _untrained(block: Block, new: Sequence[str]) -> Iterator[Problem]:
    """New adapters are what is trained: one comes last, and nothing is fused with them."""
    made = [name for name in new if name in block.adapters]
    fused = [(fuse, name) for fuse in fusions(block) for name in made if name in fuse.adapters]
    for fuse, name in fused:
        yield Problem(
            "composition.fuse_untrained",
            "composition",
            "trained adapters inside `fuse`, which learns how to mix them",
            f"`{fuse}` with `{name}`, which is new",
            f"train `{name}` first and name its run in `adapters`",
        )
    stays = bool(fusions(block)) or block.adapters[-1] not in made
    if made and stays and not fused:
        last = block.adapters[-1] in made
        yield Problem(
            "composition.not_trained",
            "composition",
            "the new adapter last, where it is trained"
            + (", and no `fuse`, which would be trained alone" if fusions(block) else ""),
            f"`{made[-1]}` in `{block}`",
            f"leave `fuse` out, or leave `{made[-1]}` out and train the fusion alone"
            if last
            else f"put `{made[-1]}` last, or name the run that trained it in `adapters`",
        )


def _unused(block: Block, trained: Sequence[str]) -> Iterator[Problem]:
    for name in trained:
        if name not in block.adapters:
            yield Problem(
                "composition.unused_adapter",
                f"adapters.{name}",
                "an adapter that `composition` puts to use",
                f"`{block}` without `{name}`",
                f"write such as `composition: {{stack: [{name}, task]}}`, or leave it out",
            )
