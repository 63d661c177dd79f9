"""What a client can read by address: records and reports of runs, schemas."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS

from tunebook.errors import ConfigError, Problem, TunebookError
from tunebook.mcp.answers import MOST_BYTES, UNTRUSTED, answer, as_text, error_answer, text_of
from tunebook.mcp.workspace import Workspace
from tunebook.outcomes import as_tunebook_error

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer


def add_resources(server: MCPServer[Any], workspace: Workspace) -> None:
    """Gives a server its resources."""
    shelf = Shelf(workspace)

    @server.resource("tunebook://schema/case", mime_type="application/json")
    def case_schema() -> str:
        """JSON Schema of a case, with the settings of all plugins."""
        return shelf.read(shelf.case_schema)

    @server.resource("tunebook://schema/plan", mime_type="application/json")
    def plan_schema() -> str:
        """JSON Schema of the plan of a batch."""
        return shelf.read(shelf.plan_schema)

    @server.resource("tunebook://schema/{kind}/{name}", mime_type="application/json")
    def plugin_schema(kind: str, name: str) -> str:
        """JSON Schema of the settings of a plugin, such as tunebook://schema/strategy/lora."""
        return shelf.read(lambda: shelf.plugin_schema(kind, name))

    untrusted = {"untrusted": UNTRUSTED}

    @server.resource("tunebook://runs/{run}/record", mime_type="application/json", meta=untrusted)
    def record(run: str) -> str:
        """All that is known of a run: settings, versions, data, scores, warnings, error."""
        return shelf.read(lambda: shelf.record(run))

    @server.resource("tunebook://runs/{run}/report{?start}", mime_type="text/html", meta=untrusted)
    def report(run: str, start: int = 0) -> str:
        """The report of a run as a page; of a long one the part from the sign `start` on."""
        return shelf.read(lambda: shelf.report(run, start))


class Shelf:
    """The texts behind the addresses."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def read(self, make: Callable[[], str]) -> str:
        """Returns a text.

        Raises:
            MCPError: There is none; with the error in our one shape as its data.
        """
        try:
            return make()
        except Exception as error:
            known: TunebookError = as_tunebook_error(error, self._workspace.root)
            first = known.problems[0]
            message = text_of(f"{first.code}: {first.fix}")
            raise MCPError(INVALID_PARAMS, message, error_answer(known)) from error

    def case_schema(self) -> str:
        from tunebook.schema import CaseSchema

        # a schema cut in the middle is none, and this one is ours
        return as_text(CaseSchema(self._workspace.host()).json_schema())

    def plan_schema(self) -> str:
        from tunebook.batch.plan import plan_model

        return as_text(plan_model(self._workspace.host()).model_json_schema())

    def plugin_schema(self, kind: str, name: str) -> str:
        host = self._workspace.host()
        if kind == "case":
            fix = "read tunebook://schema/case, and describe the case"
            problem = ("usage.unknown_kind", "schema", "a kind of plugin with settings", "`case`")
            raise ConfigError(Problem(*problem, fix))
        return as_text(host.get(kind, name).config.model_json_schema())

    def record(self, run: str) -> str:
        found = self._workspace.run(run).read_record().model_dump(mode="json")
        return as_text(answer({"record": found}, untrusted=("record",)))

    def report(self, run: str, start: int) -> str:
        directory = self._workspace.run(run)
        if not directory.report.is_file():
            found, fix = "none", "wait until the run has succeeded"
            problem = ("run.no_result", directory.run_id, "a run with a report", found, fix)
            raise ConfigError(Problem(*problem))
        text = directory.report.read_text("utf-8", "replace")
        piece = text[max(start, 0) :][:MOST_BYTES]
        end = max(start, 0) + len(piece)
        if end >= len(text):
            return piece
        onward = f"tunebook://runs/{directory.run_id}/report?start={end}"
        return f"{piece}\n<!-- cut at {end} of {len(text)} signs; go on with {onward} -->"
