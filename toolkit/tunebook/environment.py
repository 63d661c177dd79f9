"""What a run ran on: versions, hardware, memory."""

from __future__ import annotations

import json
import os
import platform
import resource
import sys
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
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
