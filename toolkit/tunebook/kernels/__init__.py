"""Warm kernels: forked from a process that has imported torch, transformers and the rest already.

A server per user and environment (`server`) preloads and forks; a Jupyter kernel provisioner
(`provisioner`) asks it for kernels, so that papermill, nbclient and JupyterLab use it alike. Where
a warm kernel cannot be had, one is started as usual and the reason is said. Linux only: forking
is not safe with the frameworks of macOS, and Windows has no fork.

Importing this costs nothing; Jupyter and psutil are imported where they are needed.
"""

from __future__ import annotations

from tunebook.kernels.places import NotWarm

__all__ = ["NotWarm"]
