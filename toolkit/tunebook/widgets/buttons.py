"""Buttons as all views have them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as ipw


def button(text: str, act: Callable[[], object], **about: Any) -> ipw.Button:
    """Returns a button as wide as its text.

    Args:
        text: What stands on it.
        act: Called when it is pressed.
        about: Other traits of it, such as `icon` and `tooltip`.
    """
    made = ipw.Button(description=text, layout=ipw.Layout(width="auto"), **about)
    made.on_click(lambda _: act())
    return made
