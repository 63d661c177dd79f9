"""What a run ran on: versions, hardware, memory."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import platform
import resource
import sys
from collections.abc import Iterable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    "tunebook",
    "torch",
    "transformers",
    "peft",
    "adapters",
    "accelerate",
    "datasets",
    "scikit-learn",
    "numpy",
    "pandas",
    "papermill",
)


KERNEL_VARIABLE = "TUNEBOOK_KERNEL"
"""Tells a kernel how it was started, as JSON."""


def kernel_kind() -> dict[str, str]:
    """Returns `kind` and `why` of the kernel that this process is; nothing where it is none."""
    app = sys.modules.get("ipykernel.kernelapp")
    if app is None or not app.IPKernelApp.initialized():
        return {}
    with suppress(KeyError, TypeError, ValueError):
        told = json.loads(os.environ[KERNEL_VARIABLE])
        return {"kind": str(told["kind"]), "why": str(told["why"])}
    return {"kind": "cold", "why": "a Jupyter client started it"}


def package_versions() -> dict[str, str]:
    """Returns the versions of Python and of the packages that shape a result."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def code_hash(modules: Iterable[str]) -> str:
    """Returns the SHA-256 over the Python source of modules, and of all below them."""
    digest = hashlib.sha256()
    for name in sorted({*modules}):
        for path in _sources(name):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _sources(module: str) -> list[Path]:
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):  # such as a class that was defined in a notebook
        return []
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return []
    origin = Path(spec.origin)
    return sorted(origin.parent.rglob("*.py")) if spec.submodule_search_locations else [origin]


def hardware() -> dict[str, Any]:
    """Returns the machine in a few words; host and user names are left out."""
    import psutil
    import torch

    return {
        "system": platform.system(),
        "machine": platform.machine(),
        "cpu": getattr(torch.cpu, "get_capabilities", dict)().get("cpu_name", platform.processor()),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def peak_memory_mb() -> float:
    """Returns the largest resident set that this process has had, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
