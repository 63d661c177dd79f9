"""Where things lie, and which plugins the reference is about."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from tunebook.host import PluginHost

DOCS = Path(__file__).parents[1]
ROOT = DOCS.parent
PAGES = DOCS / "pages"


@cache
def bundled() -> PluginHost:
    """Returns the plugins that come with tunebook, and no others that happen to be installed."""
    return PluginHost(only=["tunebook"])
