"""What libraries warn one another of, and nobody who runs a case can do anything about."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

BETWEEN_LIBRARIES = (
    r"`is_gradient_checkpointing` is deprecated",  # peft 0.21 asks a model of transformers 5 for it
)
"""How such warnings begin, as regular expressions."""


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Leaves out warnings of one library to another; a lesson would show them in red."""
    with warnings.catch_warnings():
        for message in BETWEEN_LIBRARIES:
            warnings.filterwarnings("ignore", message=message, category=FutureWarning)
        yield
