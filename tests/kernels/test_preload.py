"""What is imported before a fork may be forked: no threads, no seeds that nobody renews."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

PROBE = """
import json, os, random, sys
from tunebook.kernels.preload import PRELOAD, preload
from tunebook.kernels.child import SELF_SEEDED
preloaded = preload(PRELOAD)
import numpy, torch, zmq
kinds = (random.Random, numpy.random.RandomState, numpy.random.Generator, torch.Generator)
found = {
    id(value): (name, key)
    for name, module in list(sys.modules.items())
    for key, value in list(getattr(module, "__dict__", {}).items())
    if isinstance(value, kinds) and not isinstance(value, random.SystemRandom)
}
found_again = {found[id(getattr(sys.modules[name], key))] for name, key in SELF_SEEDED}
print(json.dumps({
    "threads": len(os.listdir("/proc/self/task")),
    "objection": preloaded.objection(dict(os.environ, TERM="other")),
    "differs": preloaded.objection({**preloaded.given, "HF_HOME": "/elsewhere"}),
    "changed": preloaded.changed(),
    "files": len(preloaded.stamps),
    "generators": len(found),
    "forgotten": sorted(map(list, set(found.values()) - found_again)),
    "zmq": zmq.Context._instance is None,
    "backend": "matplotlib_inline.backend_inline" in sys.modules,
}))
"""


@pytest.mark.slow
def test_the_preloaded_process_can_be_forked() -> None:
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    result = subprocess.run(
        [sys.executable, "-c", PROBE], capture_output=True, text=True, check=True, env=environment
    )
    found = json.loads(result.stdout.splitlines()[-1])
    assert found["threads"] == 1
    assert found["objection"] is None
    assert "HF_HOME" in found["differs"]
    assert found["changed"] is None
    assert found["files"] > 2000
    assert found["generators"] == 6
    assert found["forgotten"] == []
    assert found["zmq"]
    assert not found["backend"]  # it hooks into the shell that is there when it is imported
