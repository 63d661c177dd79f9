"""The server as a process, with the SDK's own client at the other end of its standard streams."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mcp_server_help import write_case
from tunebook.records import find_runs

pytest.importorskip("mcp.server", reason="needs the extra mcp")

from mcp import Client, MCPError

from mcp_server.example_agent import server, work

pytestmark = pytest.mark.slow
ENDLESS = {"epochs": 1000, "learning_rate": 1e-4, "precision": "fp32", "evaluations": 1}
NOISY = """
import os, subprocess, sys
print("noise on import")
os.write(1, b"noise past Python\\n")
subprocess.run(["echo", "noise of a child"])
"""


def with_client(folder: Path, work: Callable[[Client], Awaitable[Any]], *options: str) -> Any:
    async def main() -> Any:
        async with Client(server(folder, *options)) as client:
            return await work(client)

    return asyncio.run(asyncio.wait_for(main(), 300))


def told(result: Any) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(result.content[0].text)
    return content


def test_tools_resources_errors_and_noise(folder: Path) -> None:
    (folder / "noisy.py").write_text(NOISY)

    async def look(client: Client) -> None:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert len(tools) == 13
        for tool in tools.values():
            assert tool.description
            assert tool.input_schema["additionalProperties"] is False
            properties = tool.input_schema["properties"].items()
            assert all("description" in about or "title" in about for _, about in properties)
        assert tools["validate"].annotations.read_only_hint
        assert tools["run_control"].annotations.destructive_hint
        wrong = await client.call_tool("validate", {"case": "tiny.json", "parameters": {"sed": 1}})
        assert wrong.is_error
        assert told(wrong)["error"]["problems"][0]["fix"] == "did you mean `seed`?"
        assert told(await client.call_tool("nope", {}))["error"]["problems"]

        templates = (await client.list_resource_templates()).resource_templates
        assert len(templates) == 3
        assert len((await client.list_resources()).resources) == 2
        schema = await client.read_resource("tunebook://schema/strategy/lora")
        assert "r" in json.loads(schema.contents[0].text)["properties"]
        case = await client.read_resource("tunebook://schema/case")
        assert "properties" in json.loads(case.contents[0].text)
        for uri, code in {
            "tunebook://schema/strategy/lroa": "strategy.unknown",
            "tunebook://runs/no-such-run/record": "run.unknown",
            "tunebook://runs/no-such-run/report": "run.unknown",
        }.items():
            with pytest.raises(MCPError) as caught:
                await client.read_resource(uri)
            assert caught.value.data["error"]["problems"][0]["code"] == code
        for uri in ("tunebook://runs/..%2F..%2Fx/record", "tunebook://nowhere"):
            with pytest.raises(MCPError):
                await client.read_resource(uri)

    with_client(folder, look, "--plugin", str(folder / "noisy.py"))


def test_read_only_offers_nothing_that_writes(folder: Path) -> None:
    async def look(client: Client) -> None:
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert names.isdisjoint({"run_start", "run_control"})
        assert "batch" in names
        refused = told(await client.call_tool("run_start", {"case": "tiny.json"}))
        assert refused["error"]["problems"][0]["code"] == "mcp.read_only"

    with_client(folder, look, "--read-only")


def test_one_token_starts_one_run_whoever_asks_and_the_run_outlives_the_server(
    folder: Path,
) -> None:
    write_case(folder / "long.json", training=ENDLESS)
    given = {"case": "long.json", "token": "one", "notebook": False}

    async def two_agents() -> list[dict[str, Any]]:
        async with Client(server(folder)) as one, Client(server(folder)) as other:
            asked = [each.call_tool("run_start", given) for each in (one, other, one, other)]
            return [told(result) for result in await asyncio.gather(*asked)]

    answers = asyncio.run(asyncio.wait_for(two_agents(), 300))
    assert len({answer["run_id"] for answer in answers}) == 1
    assert sorted(answer["new"] for answer in answers) == [False, False, False, True]
    (run,) = find_runs(folder / "runs")

    async def later(client: Client) -> dict[str, Any]:
        status = told(await client.call_tool("run_status", {"run": run.run_id}))
        assert status["state"] in ("starting", "running")
        long = client.call_tool("run_wait", {"run": run.run_id, "timeout": 500})
        waiting = asyncio.ensure_future(long)  # it holds up no other call
        await client.call_tool(
            "run_control", {"run": run.run_id, "action": "abort", "wait": 60, "by": "agent 2"}
        )
        ended = told(await waiting)
        assert (ended["state"], ended["exit_code"]) == ("stopped", 5)
        again = told(await client.call_tool("run_start", {"resume": run.run_id}))
        assert (again["run_id"], again["new"]) == (run.run_id, True)
        ask = {"run": run.run_id, "action": "abort", "wait": 60}
        await client.call_tool("run_control", ask)
        return told(await client.call_tool("run_wait", {"run": run.run_id, "timeout": 60}))

    ended = with_client(folder, later)
    assert (ended["state"], ended["resumed"]) == ("stopped", 1)


def test_a_broken_line_on_the_wire_is_no_end(folder: Path) -> None:
    command = server(folder)
    process = subprocess.run(
        [command.command, *command.args],
        input="this is no JSON\n{}\n",
        capture_output=True,
        text=True,
        env={**os.environ, **(command.env or {})},
        timeout=120,
        check=False,
    )
    assert process.returncode == 0
    assert all(json.loads(line) for line in process.stdout.splitlines())


def test_an_agent_finds_mends_runs_compares_and_reports(folder: Path) -> None:
    report = with_client(folder, partial(work, case="tiny.json", smoke={"seed": 1}))
    assert report["mended"] == {"preset": "smoke", "strategy": "feature_extraction", "seed": 1}
    assert len({*report["runs"]}) == 2
    for scores in report["scores"]:
        (primary,) = scores.values()
        assert primary["low"] <= primary["value"] <= primary["high"]
    assert {"score", "this_run", "difference", "low", "high", "interval_excludes_0"} <= report[
        "differences"
    ][0].keys()
    transcript = report["transcript"]
    assert transcript["calls"] <= 20
    assert transcript["received"] < 30_000
