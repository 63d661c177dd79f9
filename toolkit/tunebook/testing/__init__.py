"""The conformance kit: what a plugin promises, found out by checks that its author can run.

In a test module of the plugin:

    from tunebook.testing import parametrize_checks

    @parametrize_checks("my_plugin")
    def test_my_plugin_keeps_the_contract(check):
        check()

On the command line: ``tunebook check my_plugin``. Importing this package imports nothing heavy.
"""

from __future__ import annotations

from tunebook.testing.candidate import Candidate, find_candidates
from tunebook.testing.check import Check, CheckFailed, CheckSkipped
from tunebook.testing.parametrize import parametrize_checks
from tunebook.testing.registry import CHECKS, checks_for
from tunebook.testing.running import CheckResult, run_checks

__all__ = [
    "CHECKS",
    "Candidate",
    "Check",
    "CheckFailed",
    "CheckResult",
    "CheckSkipped",
    "checks_for",
    "find_candidates",
    "parametrize_checks",
    "run_checks",
]
