"""An agent at work, without a language model: it knows nothing but what the tools tell it.

It finds a case, mends a wrong parameter by what the error says, plans and runs two strategies on
the smoke preset, compares them, and reports. Run it in a folder of your own:
``python example_agent.py [CASE]``.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcp import Client, StdioServerParameters


@dataclass
class Transcript:
    """What went over the wire: a language model would have read the answers."""

    messages: int = 0
    sent: int = 0
    received: int = 0
    calls: int = 0

    def note(self, sent: str, received: str) -> None:
        self.messages += 2
        self.calls += 1
        self.sent += len(sent.encode())
        self.received += len(received.encode())


class Agent:
    """Calls tools, and keeps count."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.transcript = Transcript()

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        result = await self._client.call_tool(tool, arguments)
        (content,) = result.content
        self.transcript.note(json.dumps({tool: arguments}), content.text)
        answer: dict[str, Any] = json.loads(content.text)
        return answer

    async def find(self, wanted: str) -> str:
        """Returns the installed case that is about something."""
        found = await self.call("list", kind="cases")
        return next(each["name"] for each in found["cases"] if wanted in json.dumps(each).lower())

    async def mended(self, case: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Returns parameters that are valid: errors name the right key or value."""
        for _ in range(5):
            answer = await self.call("validate", case=case, parameters=parameters)
            if "error" not in answer:
                return parameters
            for problem in answer["error"]["problems"]:
                parameters = _mend(parameters, problem)
        raise RuntimeError("the errors don't say enough")

    async def run(self, case: str, parameters: Mapping[str, Any]) -> str:
        """Plans a run, starts it, waits for its end, and returns its id."""
        planned = await self.call("plan", case=case, parameters=parameters, part="/hash")
        started = await self.call(
            "run_start",
            case=case,
            parameters=parameters,
            plan=planned["value"],
            token=json.dumps([case, parameters]),
        )
        told = started
        while not told.get("ended"):
            told = await self.call("run_wait", run=started["run_id"])
        if told["state"] != "succeeded":
            raise RuntimeError(json.dumps(told["run_error"]))
        return str(started["run_id"])


def _mend(parameters: dict[str, Any], problem: Mapping[str, str]) -> dict[str, Any]:
    """Does what `fix` says where it is of the form "did you mean `x`?"."""
    right = re.search(r"did you mean `(.+?)`", problem["fix"])
    wrong = re.search(r"`(.+?)`", problem["found"])
    if right is None or wrong is None:
        raise RuntimeError(f"nothing to do: {problem}")
    swap = {wrong[1]: right[1]}
    return {swap.get(key, key): swap.get(str(v), v) for key, v in parameters.items()}


async def work(client: Client, case: str | None, smoke: Mapping[str, Any]) -> dict[str, Any]:
    """Does the whole job; returns the report."""
    agent = Agent(client)
    case = case or await agent.find("medical")
    described = await agent.call("describe", name=case, part="/presets")
    if "smoke" not in described["value"]:
        raise RuntimeError(f"{case} has no smoke preset")
    wrong = {"preset": "smoke", "stratgy": "feature_extracton", **smoke}
    first = await agent.mended(case, wrong)
    second = {**first, "strategy": "bitfit"}
    runs = [await agent.run(case, parameters) for parameters in (first, second)]
    results = [await agent.call("results", run=run, part="/headline") for run in runs]
    compared = await agent.call("compare", run=runs[0], other=runs[1])
    return {
        "case": case,
        "mended": first,
        "runs": runs,
        "scores": [each["value"] for each in results],
        "differences": compared["differences"],
        "transcript": vars(agent.transcript),
    }


def server(workspace: Path, *options: str) -> StdioServerParameters:
    """Returns how the server is started."""
    command = ["-m", "tunebook.cli", "mcp", "--workspace", str(workspace), *options]
    # the client hands on next to nothing of the environment by itself
    return StdioServerParameters(command=sys.executable, args=command, env=dict(os.environ))


async def main() -> None:
    """Works on the case that is named, or looks for a medical one."""
    async with Client(server(Path.cwd())) as client:
        report = await work(client, *(sys.argv[1:2] or [None]), smoke={})
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    asyncio.run(main())
