"""tunebook turns a pretrained Transformer into a model of one domain in re-runnable notebooks."""

from __future__ import annotations

__version__ = "0.1.0"
