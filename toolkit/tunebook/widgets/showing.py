"""Whether somebody looks, and what is shown where nobody does."""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from typing import Any

from tunebook.progress import Html


def headless() -> bool:
    """Whether nobody looks: under papermill, or outside of a notebook."""
    if os.environ.get("TUNEBOOK_RUN_DIR"):
        return True
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is None or not hasattr(shell, "kernel")


class Shown(ABC):
    """Shows itself as widgets, or as still HTML where nobody could press them.

    Attributes:
        widget: The whole of it.
    """

    widget: Any

    @abstractmethod
    def still(self) -> str:
        """Returns what it shows now, as HTML without widgets."""

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(Html(self.still()) if headless() else self.widget)
