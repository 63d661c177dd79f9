"""What a fork takes from its server and cannot change: the key that a server goes by.

All else comes with the request: environment, working directory, limits, output.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

from tunebook.kernels.places import NotWarm

PROTOCOL = 1
"""Changes when requests do; a server of another version is not asked."""

READ_ONCE = re.compile(
    "|".join(
        [
            "(OMP|KMP|GOMP|MKL|OPENBLAS|GOTO|BLIS|NUMEXPR|NPY|NUMPY|ONEDNN|DNNL|ATEN|TORCH)_.*",
            "(PYTORCH|PYTHON(?!EXECUTABLE)|TRANSFORMERS|TOKENIZERS|HF|HUGGINGFACE|DATASETS).*",
            "(ACCELERATE|ARROW|JE_ARROW|JOBLIB|LOKY|SKLEARN|PANDAS|MPL|LD|MALLOC|CUDA(?!_VIS)).*",
            "(FSSPEC|LC|XDG_.*_HOME|IPYTHON|JUPYTER|SSL_CERT)_?.*|GLIBC_TUNABLES|HOME|PATH|LANG|TMPDIR",
            "TUNEBOOK_KERNELS_.*",
        ]
    )
)
"""Variables that a library or the C runtime reads once, on import."""
PASSED = re.compile("JPY_.*|TUNEBOOK_(?!KERNELS_).*|PYTHONEXECUTABLE|PYTEST_.*")
"""Variables of one run or one client, that a server must not keep."""


def server_key(python: str, environment: Mapping[str, str]) -> str:
    """Returns the name of the server that can make a kernel for this process.

    Args:
        python: The kernel's interpreter.
        environment: The kernel's environment.

    Raises:
        NotWarm: No server can stand in for this environment.
    """
    _check_python_path(environment.get("PYTHONPATH"))
    world = {
        "protocol": PROTOCOL,
        "python": python,
        "environment": sorted(kv for kv in environment.items() if READ_ONCE.fullmatch(kv[0])),
        "cores": sorted(os.sched_getaffinity(0)),  # pools are sized by them on import
        "nice": os.getpriority(os.PRIO_PROCESS, 0),
        "control_groups": Path("/proc/self/cgroup").read_text(),  # limits of a container or a job
        "namespaces": sorted(str(link.readlink()) for link in Path("/proc/self/ns").iterdir()),
    }
    return hashlib.sha256(json.dumps(world).encode()).hexdigest()[:16]


def server_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Returns what a server is started with: a kernel's environment without its run's."""
    return {name: value for name, value in environment.items() if not PASSED.fullmatch(name)}


def _check_python_path(given: str | None) -> None:
    if given and not all(map(os.path.isabs, given.split(os.pathsep))):
        raise NotWarm("PYTHONPATH has a relative folder, which means another one in each place")
