"""What a run ran on: versions, hardware, memory."""

from __future__ import annotations

import json
import os
import platform
import resource
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
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
    "tokenizers",
    "safetensors",
    "scikit-learn",
    "scipy",
    "numpy",
    "pandas",
    "pyarrow",
    "papermill",
)
NUMERIC = ("torch", "transformers", "tokenizers", "numpy", "scipy", "scikit-learn")
STEERING = ("OMP_", "MKL_", "OPENBLAS_", "KMP_", "ATEN_", "ONEDNN_", "DNNL_")
"""What the names of variables begin with that steer threads and kernels."""


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
    return {"python": platform.python_version(), **_versions(PACKAGES)}


@cache
def _versions(names: tuple[str, ...]) -> dict[str, str]:
    versions = {}
    for name in names:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def numerics() -> dict[str, Any]:
    """Returns what shapes the last bits of a computation: versions, threads and vector units.

    Sums that several threads share, or that another vector unit takes in other portions, are
    rounded differently.
    """
    import torch

    return {
        "packages": _versions(NUMERIC),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "matmul": torch.get_float32_matmul_precision(),
        "variables": _variables(),
    }


def _variables() -> dict[str, str]:
    """Returns the variables that steer threads and kernels, of those that are set."""
    return {name: value for name, value in sorted(os.environ.items()) if name.startswith(STEERING)}


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
        "interop_threads": torch.get_num_interop_threads(),
        "variables": _variables(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def memory_of(who: Mapping[str, Any] | None) -> float | None:
    """Returns the resident memory of the owner of a run in MB, where the process can be seen."""
    import psutil

    try:
        return float(psutil.Process(who["pid"]).memory_info().rss / 2**20) if who else None
    except (psutil.Error, KeyError, ValueError, TypeError):
        return None


def peak_memory_mb() -> float:
    """Returns the largest resident set that this process has had, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
