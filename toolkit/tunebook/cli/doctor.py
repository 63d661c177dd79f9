"""Looking at the machine: `doctor`."""

from __future__ import annotations

import click

from tunebook.cli.answers import Answer, table
from tunebook.cli.application import Settings, command
from tunebook.errors import MachineError, Problem


@command("doctor")
@click.option("--no-network", is_flag=True, help="Don't try to reach the model hub.")
@click.pass_obj
def doctor_command(settings: Settings, no_network: bool) -> Answer:
    """See whether packages, kernels, disk and network are in order, and what to do if not.

    The exit code is 6 where something is wrong, and 0 where there are only notes.
    """
    from tunebook.doctor import examine
    from tunebook.environment import hardware, package_versions

    found = examine(settings.runs_dir, settings.host, network=not no_network)
    wrong = [each for each in found if each.level == "wrong"]
    rows = []
    for each in found:
        rows.append((each.level, each.name, each.found))
        rows += [("", "", f"→ {each.fix}")] if each.fix else []
    data = {
        "healthy": not wrong,
        "findings": [each.to_dict() for each in found],
        "versions": package_versions(),
        "hardware": hardware(),
    }
    problems = [
        Problem("environment.doctor", each.name, "nothing in the way", each.found, each.fix)
        for each in wrong
    ]
    error = MachineError(*problems) if problems else None
    return Answer(table(rows), data, error)
