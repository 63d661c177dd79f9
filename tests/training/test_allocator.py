"""Memory that a step frees is there for the next one."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys

import pytest

STEPS = """
import json, resource, torch
from tunebook.training.allocator import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        blocks = [torch.ones(500_000) for _ in range(10)]  # 20 MB
        del blocks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults()
before = faults()
obeyed = keep_freed_memory()
faults()
print(json.dumps([obeyed, before, faults()]))
"""


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
def test_pages_are_mapped_once() -> None:
    # as glibc begins: whether it has learnt otherwise by itself depends on what was freed before
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "131072"}
    done = subprocess.run(
        [sys.executable, "-c", STEPS],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    obeyed, before, after = json.loads(done.stdout)
    assert obeyed
    assert before > 1000  # or the test shows nothing
    assert after < before / 20
