"""What each command does, in a few words, so that `tunebook --help` need not load any of them."""

from __future__ import annotations

from collections.abc import Mapping

SUMMARIES: Mapping[str, str] = {
    "plugins": "List the plugins, and why one cannot be used.",
    "schema": "Print the JSON Schema of a case or of a plugin's settings.",
    "describe": "Explain a plugin, `case` or `plan`, or everything there is.",
    "validate": "Check a case and print its settings.",
    "check": "Check that a plugin keeps the contract of its kind.",
    "matrix": "Try strategies on every task, family and head, as a table.",
    "new": "Make a plugin project or a case to start from.",
    "plan": "Say what a run would do: data, steps, time, memory.",
    "run": "Run a case, in its notebook where it has one.",
    "status": "Show the state and the progress of a run.",
    "wait": "Wait until a run has ended.",
    "logs": "Print the log of a run.",
    "stop": "Stop a run, and score what it has learnt so far.",
    "results": "Rank the runs that succeeded.",
    "runs": "List the runs.",
    "show": "Show a run: result, settings, files.",
    "watch": "Follow a run while it trains.",
    "events": "Print the events of a run.",
    "control": "Steer a run: pause, resume, stop, set a rate, …",
    "batch": "Run a plan, or a grid over a case.",
    "batches": "List the batches, or show how far one is.",
    "audition": "Try strategies under a budget, and say which to take.",
    "resume": "Go on with a run or a batch that was cut short.",
    "rerun": "Repeat a run, and say whether the result is identical.",
    "leaderboard": "Rank the runs of a batch.",
    "predict": "Classify texts with the model of a run.",
    "doctor": "See whether packages, kernels, disk and network are in order.",
    "cache": "Look at the cache that runs share, or free space.",
    "kernel": "Manage kernels that start with everything imported.",
    "nb": "Look at, check and change notebooks by program.",
    "mcp": "Serve tools to an agent, on standard input and output.",
    "skills": "Teach a coding agent to drive tunebook.",
}
"""By command."""
