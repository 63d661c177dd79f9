"""Compositions of adapters as data: read from YAML, text or Python, printed, and checked.

A mapping is the canonical form, the one that is saved: ``{stack: [language, task]}``. A short
text, ``stack(language, task)``, is read wherever a mapping is, and is what messages show. `Block`
is also the type of a config's field that holds a composition.
"""

from tunebook.composition.blocks import (
    BLOCKS,
    Average,
    BatchSplit,
    Block,
    Fuse,
    MultiTask,
    Parallel,
    Stack,
)
from tunebook.composition.checks import NESTINGS, CompositionError, check
from tunebook.composition.reading import read

__all__ = [
    "BLOCKS",
    "NESTINGS",
    "Average",
    "BatchSplit",
    "Block",
    "CompositionError",
    "Fuse",
    "MultiTask",
    "Parallel",
    "Stack",
    "check",
    "read",
]
