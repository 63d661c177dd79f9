"""The command group: commands loaded on call, common options, and one shape for every error."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

import click

from tunebook import __version__
from tunebook.cli.answers import Answer, print_answer, print_json, say, show_warning
from tunebook.cli.summaries import SUMMARIES
from tunebook.errors import (
    EXIT_CODES,
    ConfigError,
    ExitCode,
    MachineError,
    Problem,
    StoppedError,
    TunebookError,
    did_you_mean,
)

if TYPE_CHECKING:
    from tunebook.host import PluginHost

COMMANDS: Mapping[str, str] = {
    "plugins": "tunebook.cli.reference",
    "schema": "tunebook.cli.reference",
    "describe": "tunebook.cli.reference",
    "validate": "tunebook.cli.validate",
    "check": "tunebook.cli.check",
    "matrix": "tunebook.cli.matrix",
    "new": "tunebook.cli.new",
    "plan": "tunebook.cli.plan",
    "run": "tunebook.cli.run",
    "status": "tunebook.cli.handles",
    "wait": "tunebook.cli.handles",
    "logs": "tunebook.cli.handles",
    "stop": "tunebook.cli.handles",
    "results": "tunebook.cli.results",
    "runs": "tunebook.cli.history",
    "show": "tunebook.cli.history",
    "watch": "tunebook.cli.watch",
    "events": "tunebook.cli.watch",
    "control": "tunebook.cli.control",
    "batch": "tunebook.cli.batch",
    "batches": "tunebook.cli.batches",
    "audition": "tunebook.cli.audition",
    "resume": "tunebook.cli.resume",
    "rerun": "tunebook.cli.rerun",
    "leaderboard": "tunebook.cli.leaderboard",
    "predict": "tunebook.cli.predict",
    "doctor": "tunebook.cli.doctor",
    "cache": "tunebook.cli.cache",
    "kernel": "tunebook.cli.kernel",
    "nb": "tunebook.cli.nb",
    "mcp": "tunebook.cli.mcp",
    "skills": "tunebook.cli.skills",
}
"""By command, the module that holds it as ``<command>_command``."""
INTERNAL_ERROR = 1


@dataclass
class Settings:
    """The options that every command takes."""

    as_json: bool = False
    debug: bool = False
    plugin_files: list[Path] = field(default_factory=list)
    runs_dir_given: str | None = None
    stdout: TextIO | None = None
    """Standard output itself, for a command that writes to it before it answers."""

    @property
    def runs_dir(self) -> Path:
        """Where runs lie.

        Raises:
            ConfigError: It is a file.
        """
        return self.runs_dir_in(Path())

    def runs_dir_in(self, folder: Path) -> Path:
        """Returns where the runs are of somebody who works in `folder`.

        Raises:
            ConfigError: It is a file.
        """
        from tunebook.records import runs_folder

        path = folder / runs_folder(self.runs_dir_given)
        if path.exists() and not path.is_dir():
            problem = ("runs_dir.not_a_folder", "--runs-dir", "a folder", f"the file {path}")
            raise ConfigError(Problem(*problem, "name another place with --runs-dir"))
        return path

    def host(self) -> PluginHost:
        """Returns the plugins to work with."""
        from tunebook.host import PluginHost

        return PluginHost(files=self.plugin_files)


def common_options() -> list[click.Option]:
    """Returns new instances of the options that every command takes."""
    return [
        click.Option(
            ["--json", "as_json"],
            is_flag=True,
            expose_value=False,
            callback=_keep,
            help="Print one JSON object on standard output.",
        ),
        click.Option(
            ["--debug"],
            is_flag=True,
            expose_value=False,
            callback=_keep,
            help="Show tracebacks.",
        ),
        click.Option(
            ["--plugin", "plugin_files"],
            multiple=True,
            metavar="FILE",
            type=click.Path(path_type=Path),
            expose_value=False,
            callback=_keep,
            help="Load a single-file plugin; may be given several times.",
        ),
        click.Option(
            ["--runs-dir", "runs_dir_given"],
            metavar="DIR",
            expose_value=False,
            callback=_keep,
            help="Where runs lie (default: $TUNEBOOK_RUNS_DIR, else runs).",
        ),
    ]


def _keep(context: click.Context, option: click.Parameter, value: Any) -> None:
    """Takes an option wherever it stands, before the command or after it."""
    settings = context.ensure_object(Settings)
    name = str(option.name)
    if isinstance(value, tuple):
        settings.plugin_files += value
    elif value:
        setattr(settings, name, value)


class Command(click.Command):
    """A command with the common options."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += common_options()

    def invoke(self, ctx: click.Context) -> Any:
        """Keeps what a library prints out of standard output, which is for the answer alone."""
        ctx.ensure_object(Settings).stdout = sys.stdout
        with contextlib.redirect_stdout(sys.stderr):
            return super().invoke(ctx)


DRY = "nothing was written: this is a dry run"
"""What a command says that would have written something."""


def dry_run_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the option of commands that write or end something."""
    return click.option("--dry-run", is_flag=True, help="Check everything, and do nothing.")(
        function
    )


def command(name: str, **attributes: Any) -> Callable[[Callable[..., Answer | None]], Command]:
    """Returns the decorator that makes a function a command of this application; one that answers
    in another way, such as a server, returns None."""
    return click.command(name, cls=Command, **attributes)


class CommandGroup(click.Group):
    """Commands under one name, such as `cache` over `cache ls`."""

    command_class = Command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        names = self.list_commands(ctx)
        if args[0] not in names and not args[0].startswith("-"):
            fix, found = did_you_mean(args[0], names), f"`{args[0]}`"
            problem = ("usage.unknown_command", ctx.command_path, "a command", found, fix)
            raise ConfigError(Problem(*problem))
        return super().resolve_command(ctx, args)


def group(name: str, **attributes: Any) -> Callable[[Callable[..., None]], CommandGroup]:
    """Returns the decorator that makes a function a group; `@that.command("ls")` adds to it."""
    return click.group(name, cls=CommandGroup, params=common_options(), **attributes)


class Application(CommandGroup):
    """Loads a command's module when it is called, and turns every error into the one shape."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return [*COMMANDS]

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002
        cmd_name: str,
    ) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[cmd_name])
        found: click.Command = getattr(module, f"{cmd_name}_command")
        found.short_help = found.short_help or SUMMARIES.get(cmd_name)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands without loading those whose summary is known."""
        rows = [(name, SUMMARIES.get(name) or self._summary(ctx, name)) for name in COMMANDS]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def _summary(self, ctx: click.Context, name: str) -> str:
        found = self.get_command(ctx, name)
        return found.get_short_help_str(80) if found else ""

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> NoReturn:
        """Runs a command; what it answers is the only thing written to standard output."""
        arguments = list(sys.argv[1:] if args is None else args)
        flags = arguments[: arguments.index("--")] if "--" in arguments else arguments
        as_json = "--json" in flags
        call = {**extra, "args": arguments, "prog_name": prog_name or "tunebook"}
        try:
            with warnings.catch_warnings():
                warnings.showwarning = show_warning
                answer = super().main(**{**call, "standalone_mode": False})
            code = _deliver(answer, as_json=as_json)
            sys.stdout.flush()
        except BrokenPipeError:
            # the reader, such as `head`, has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = ExitCode.OK
        except (Exception, KeyboardInterrupt) as error:
            if "--debug" in flags:
                traceback.print_exception(error)
            code = _report(error, as_json=as_json)
        sys.exit(int(code))


def _deliver(answer: Any, *, as_json: bool) -> int:
    if not isinstance(answer, Answer):  # click answered itself: --help, --version
        return int(answer or 0)
    print_answer(answer, sys.stdout, as_json=as_json)
    return answer.error.exit_code if answer.error else ExitCode.OK


def _report(error: BaseException, *, as_json: bool) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError) and not as_json:
        say(error.format_message())
        return ExitCode.CONFIG
    known = in_one_shape(error)
    if as_json:
        # one line, as it may be the last of those that a command has written
        print_json({"error": known.to_dict()}, sys.stdout, one_line=True)
    say(f"error: {known}")
    return INTERNAL_ERROR if isinstance(known, UnexpectedError) else known.exit_code


class UnexpectedError(TunebookError):
    """An error in tunebook or a plugin that nobody foresaw."""

    exit_code = INTERNAL_ERROR  # type: ignore[assignment]


def in_one_shape(error: BaseException) -> TunebookError:
    """Returns any error as one with problems that say what to do."""
    if isinstance(error, TunebookError):
        return error
    if isinstance(error, click.UsageError):
        return ConfigError(_usage_problem(error))
    if isinstance(error, KeyboardInterrupt | click.Abort):
        found = "a person interrupted it"
        return StoppedError(Problem("command.stopped", "tunebook", "to finish", found, ""))
    if isinstance(error, OSError) and error.filename is not None:
        found = error.strerror or str(error)
        fix = "see that the place exists, can be used and has space"
        where = str(error.filename)
        return MachineError(Problem("environment.os", where, "to read or write it", found, fix))
    found = f"{type(error).__name__}: {error}"
    fix = "run it again with --debug, and report what it prints"
    return UnexpectedError(Problem("internal.unexpected", "tunebook", "no such error", found, fix))


def _usage_problem(error: click.UsageError) -> Problem:
    context = error.ctx
    where = context.command_path if context else "tunebook"
    if isinstance(error, click.NoSuchOption):
        options = [o for p in context.command.params for o in p.opts] if context else []
        fix = did_you_mean(error.option_name, [*options, "--help"])
        found = f"`{error.option_name}`"
        return Problem("usage.unknown_option", where, "an option of the command", found, fix)
    fix = f"see `{where} --help`"
    return Problem("usage.invalid", where, "a valid call", error.format_message(), fix)


application = Application(
    name="tunebook",
    help="Turns a pretrained Transformer into a model of one domain, in re-runnable notebooks.",
    epilog="\b\nExit codes:\n"
    + "\n".join(f"  {int(code)}  {meaning}" for code, meaning in EXIT_CODES.items()),
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    params=common_options(),
)
click.version_option(__version__, prog_name="tunebook")(application)
