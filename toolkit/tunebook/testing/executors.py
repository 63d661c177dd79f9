"""What an executor promises: to carry commands out, to say once how they ended, to leave nothing.

The checks run real commands, on the machine of the check or on one that shares its disk.
"""

from __future__ import annotations

import os
import signal
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tunebook.errors import MachineError
from tunebook.testing import attempting
from tunebook.testing.attempting import FAMILY, demand_gone, on_executor, small_config
from tunebook.testing.candidate import Candidate
from tunebook.testing.check import CheckFailed, CheckSkipped, built, check, demand

ODD = "Größe {x} 100% 数据 'a' \"b\" $HOME"
"""A name that a path, an argument or a variable may have."""

LONGEST_DETAIL = 10_000
MOST_GROWTH_MB = 30
NOWHERE = "tcp://127.0.0.1:1"
"""An address that nobody listens at."""

LISTEN = """
import signal
def polite(*_):
    open(os.path.join(folder, "said.txt"), "w").write("stopped politely")
    sys.exit(5)
signal.signal(signal.SIGINT, polite)
mark("ready")
time.sleep(600)
"""
DEAF = """
import signal
signal.signal(signal.SIGINT, lambda *_: mark("heard"))
mark("ready", os.getpid())
while True: time.sleep(1)
"""
MEET = """
mark("here")
until = time.time() + float(sys.argv[3])
others = sys.argv[4:]
while not all(os.path.exists(each) for each in others):
    if time.time() > until: sys.exit(9)
    time.sleep(0.02)
"""
STAY = "mark('from', time.time()); time.sleep(0.3); mark('to', time.time())"


@contextmanager
def tracing_memory() -> Iterator[None]:
    """Counts what Python holds; the process's size may not grow, where it freed memory before."""
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


def _has_address(descriptor: Any) -> bool:
    return built(descriptor) and "address" in descriptor.config.model_fields


# how things end


@check("executor", cost="slow")
def success_is_told(candidate: Candidate) -> None:
    """A command that comes to its end is told as exited with status 0."""
    with on_executor(candidate) as trial:
        _, end = trial.run("mark('ran')")
    demand((end.kind, end.status) == ("exited", 0), f"{end}", "tell ('exited', 0)")


@check("executor", cost="slow")
def an_exception_is_told(candidate: Candidate) -> None:
    """A command that raises is told as exited with status 1, and no exception comes of it."""
    with on_executor(candidate) as trial:
        _, end = trial.run("raise ValueError('as is to be expected')")
    demand((end.kind, end.status) == ("exited", 1), f"{end}", "tell ('exited', 1)")


@check("executor", cost="slow")
def a_killed_process_is_told(candidate: Candidate) -> None:
    """A process that is killed from outside is told as exited with the negative signal."""
    with on_executor(candidate) as trial:
        attempt = trial.start("mark('ready', os.getpid()); time.sleep(600)")
        os.kill(trial.mark(attempt, "ready"), signal.SIGKILL)
        end = trial.end_of(attempt)
    right = (end.kind, end.status) == ("exited", -signal.SIGKILL)
    demand(right, f"{end}", "tell ('exited', -9): the command died, not the machine")


@check("executor", cost="slow")
def want_of_memory_is_one_end_of_many(candidate: Candidate) -> None:
    """A command without enough memory ends, is told, and the next one runs."""
    hungry = "import resource; resource.setrlimit(resource.RLIMIT_AS, (2**28, 2**28))\n"
    with on_executor(candidate) as trial:
        _, end = trial.run(hungry + "bytearray(2**29)")
        demand((end.kind, end.status) == ("exited", 1), f"{end}", "tell ('exited', 1)")
        _, end = trial.run("mark('ran')")
    demand(end.status == 0, f"the next: {end}", "leave no limit behind")


@check("executor", cost="slow")
def each_end_is_told_once(candidate: Candidate) -> None:
    """An end is told once, the key is no longer running, and stopping it changes nothing."""
    with on_executor(candidate) as trial:
        attempt = trial.start("time.sleep(0.2)")
        demand(attempt.key in trial.executor.running(), "it doesn't run", "say what was started")
        trial.end_of(attempt)
        demand(attempt.key not in trial.executor.running(), "it runs on", "forget what has ended")
        for kill in (False, True):
            trial.executor.stop(attempt.key, kill=kill)
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            trial.poll()


@check("executor", cost="slow")
def a_key_can_be_used_again(candidate: Candidate) -> None:
    """What has ended can be tried again under its key."""
    with on_executor(candidate) as trial:
        first, _ = trial.run("sys.exit(3)", key="again")
        end = trial.ended.pop(first.key)
        _, again = trial.run("sys.exit(4)", key="again")
    statuses = [end.status, again.status]
    demand(statuses == [3, 4], f"{statuses} instead of [3, 4]", "forget what has ended")


@check("executor", cost="slow")
def nothing_waits_but_the_one_who_asks(candidate: Candidate) -> None:
    """`start` and `poll` return at once, however long a command takes."""
    with on_executor(candidate) as trial:
        trial.end_of(trial.start("pass"))  # what is opened on first use is open
        started = time.monotonic()
        attempt = trial.start("time.sleep(6)")
        trial.poll()
        seconds = time.monotonic() - started
        trial.executor.stop(attempt.key, kill=True)
        trial.end_of(attempt)
    demand(seconds < 4, f"they took {seconds:.1f} s", "wait in a thread or not at all")


# stopping


@check("executor", cost="slow")
def a_polite_stop_lets_it_write(candidate: Candidate) -> None:
    """A stop is a SIGINT: the command can still write into its folder; it is told as stopped."""
    with on_executor(candidate) as trial:
        attempt = trial.start(LISTEN)
        trial.mark(attempt, "ready")
        trial.executor.stop(attempt.key)
        end = trial.end_of(attempt)
        said = attempt.folder / "said.txt"
        demand(said.exists(), f"it could not write; {end}", "send SIGINT, and wait for the end")
    demand((end.kind, end.status) == ("stopped", 5), f"{end}", "tell ('stopped', 5)")


@check("executor", cost="slow")
def what_is_deaf_can_be_killed(candidate: Candidate) -> None:
    """A command that ignores the polite stop runs on until it is killed."""
    with on_executor(candidate) as trial:
        attempt = trial.start(DEAF)
        pid = trial.mark(attempt, "ready")
        trial.executor.stop(attempt.key)
        trial.mark(attempt, "heard")
        trial.executor.stop(attempt.key, kill=True)
        end = trial.end_of(attempt)
        demand_gone([pid], "stop(kill=True)", "send SIGKILL")
    demand(end.kind == "stopped", f"{end}", "tell what was asked to end as stopped")


@check("executor", cost="slow")
def killing_takes_the_family_along(candidate: Candidate) -> None:
    """After `stop(kill=True)` children and grandchildren are gone, other sessions included."""
    with on_executor(candidate) as trial:
        attempt = trial.start(FAMILY)
        family = trial.mark(attempt, "family")
        trial.executor.stop(attempt.key, kill=True)
        trial.end_of(attempt)
        demand_gone(family, "stop(kill=True)", "kill all descendants, kernels have own sessions")


@check("executor", cost="slow")
def what_ends_leaves_no_orphans(candidate: Candidate) -> None:
    """When a command has ended, what it has left running is ended too."""
    with on_executor(candidate) as trial:
        attempt = trial.start(FAMILY.replace("time.sleep(600)\n", "time.sleep(0.5)\n"))
        family = trial.mark(attempt, "family")
        trial.end_of(attempt)
        demand_gone(family, "the command's end", "kill what it has left, whatever its session")


@check("executor", cost="slow")
def closing_leaves_nothing(candidate: Candidate) -> None:
    """After `close` nothing that was started is left, and closing twice is no error."""
    with on_executor(candidate, own=True) as trial:
        family = trial.mark(trial.start(FAMILY), "family")
        trial.executor.close()
        demand_gone(family, "close()", "end what still runs, orphans included")


@check("executor", cost="slow")
def a_killed_owner_leaves_nothing(candidate: Candidate) -> None:
    """When the process that uses the executor is killed, the commands end."""
    from tunebook.testing import fresh

    place = candidate.scratch / "killed owner"
    place.mkdir()
    settings = small_config(candidate).model_dump(mode="json")
    family = fresh.call_and_kill("family", candidate.source, settings=settings, place=str(place))
    demand_gone(family, "kill -9 of its owner", "let it watch a pipe that closes with its owner")


# what surrounds a command


@check("executor", cost="slow")
def a_million_lines_block_nothing(candidate: Candidate) -> None:
    """A command that prints a million lines comes to its end, and nobody keeps them all."""
    script = "for n in range(1000):\n    print('\\n'.join(['line %d, of many' % n * 3] * 1000))"
    with on_executor(candidate) as trial, tracing_memory():
        _, end = trial.run(script)
        growth = tracemalloc.get_traced_memory()[0] / 2**20
    demand((end.kind, end.status) == ("exited", 0), f"{end.kind} {end.status}", "read its output")
    fix = "keep the last lines only, or write them to a file"
    demand(growth < MOST_GROWTH_MB, f"{growth:.0f} MB more memory", fix)
    demand(len(end.detail) <= LONGEST_DETAIL, f"a detail of {len(end.detail)} signs", fix)


@check("executor", cost="slow")
def environment_reaches_the_command(candidate: Candidate) -> None:
    """Variables are laid on top of those of the machine, whatever signs they hold."""
    script = "mark('seen', [os.environ.get('TUNEBOOK_ODD'), 'PATH' in os.environ])"
    with on_executor(candidate) as trial:
        attempt, _ = trial.run(script, environment={"TUNEBOOK_ODD": ODD})
        seen = trial.mark(attempt, "seen")
    demand(seen == [ODD, "PATH" in os.environ], f"it sees {seen}", "add to the environment")


@check("executor", cost="slow")
def threads_reach_the_command(candidate: Candidate) -> None:
    """The command's numeric libraries use as many threads as it may."""
    script = "mark('threads', os.environ.get('OMP_NUM_THREADS'))"
    with on_executor(candidate) as trial:
        seen = [trial.mark(trial.run(script, threads=n)[0], "threads") for n in (1, 3)]
        threads, slots = trial.executor.threads, trial.executor.slots
    demand(seen == ["1", "3"], f"OMP_NUM_THREADS is {seen}", "set it to attempt.threads")
    demand(threads >= 1 and slots >= 1, f"{threads} threads, {slots} slots", "give one at least")


@check("executor", cost="slow")
def relative_paths_mean_the_same(candidate: Candidate) -> None:
    """The command runs in the working directory of whoever starts it."""
    with on_executor(candidate) as trial:
        attempt, _ = trial.run("mark('where', os.path.realpath(os.getcwd()))")
        where = trial.mark(attempt, "where")
    demand(where == str(Path.cwd().resolve()), f"it runs in {where}", "pass on the directory")


@check("executor", cost="slow")
def files_are_there_when_it_has_ended(candidate: Candidate) -> None:
    """What lies in the folder reaches the command, and what it writes there lies there after it."""
    script = f"""
deep = os.path.join(folder, "deep", {ODD.replace("/", "")!r})
os.makedirs(deep)
given = open(os.path.join(folder, "given.bin"), "rb").read()
for place in (folder, deep):
    open(os.path.join(place, "made.bin"), "wb").write(given[::-1])
open(os.path.join(folder, "empty"), "w")
os.remove(os.path.join(folder, "given.bin"))
"""
    given = bytes(range(256)) * 1200
    with on_executor(candidate) as trial:
        (trial.place / "files" / "run").mkdir(parents=True)
        (trial.place / "files" / "run" / "given.bin").write_bytes(given)
        attempt, end = trial.run(script, key="files")
        demand(end.status == 0, f"{end}", "bring the folder's files to the command")
        home = attempt.folder
        found = {str(each.relative_to(home)) for each in home.rglob("*") if each.is_file()}
        wanted = {"made.bin", "empty", f"deep/{ODD}/made.bin"}
        demand(found == wanted, f"{sorted(found)} lie there", "bring back what it wrote, and only")
        same = (home / "deep" / ODD / "made.bin").read_bytes() == given[::-1]
        demand(same, "a file came back with other bytes", "bring files back byte by byte")


@check("executor", cost="slow")
def names_may_hold_any_sign(candidate: Candidate) -> None:
    """Keys, folders and arguments may hold braces, quotes, spaces and letters of any script."""
    script = "mark('seen', [sys.argv[3:], os.path.basename(folder), os.path.isdir(folder)])"
    with on_executor(candidate) as trial:
        arguments = (ODD, "--option={}", "-x", "")
        attempt, end = trial.run(script, key=ODD, folder=ODD, arguments=arguments)
        demand(end.status == 0, f"{end}", "pass arguments as they are, through no shell")
        seen = trial.mark(attempt, "seen")
    demand(seen[0] == [*arguments] and seen[2], f"it sees {seen}", "pass arguments as they are")


# several at once


@check("executor", cost="slow")
def slots_run_at_once(candidate: Candidate) -> None:
    """As many attempts as there are slots are at work at the same time."""
    with on_executor(candidate) as trial:
        count = min(trial.executor.slots, 4)
        keys = [f"meeting-{number}" for number in range(count)]
        marks = [str(trial.place / key / "marks" / "here") for key in keys]
        given = (str(attempting.PATIENCE / 4), *marks)
        attempts = [trial.start(MEET, key=key, arguments=given) for key in keys]
        ends = [trial.end_of(each) for each in attempts]
    met = all(end.status == 0 for end in ends)
    demand(met, f"{ends}", "carry out as many at once as `slots` says")


@check("executor", cost="slow")
def more_than_slots_wait(candidate: Candidate) -> None:
    """Attempts beyond the slots wait for their turn and are carried out then."""
    with on_executor(candidate) as trial:
        slots = trial.executor.slots
        if slots > 8:
            raise CheckSkipped(f"{slots} slots are too many to fill: settings={{'workers': 2}}")
        attempts = [trial.start(STAY) for _ in range(slots + 2)]
        ends = [trial.end_of(each) for each in attempts]
        demand(all(end.status == 0 for end in ends), f"{ends}", "carry out all in the end")
        spans = [(trial.mark(each, "from"), trial.mark(each, "to")) for each in attempts]
    most = max(sum(a <= start < b for a, b in spans) for start, _ in spans)
    demand(most <= slots, f"{most} at once in {slots} slots", "keep the others until one is free")


@check("executor", cost="slow")
def executors_do_not_disturb_one_another(candidate: Candidate) -> None:
    """Of two executors with the same key, closing one leaves the other's attempt alone."""
    with on_executor(candidate) as trial:
        attempt = trial.start("mark('ready'); time.sleep(1)", key="same")
        with on_executor(candidate, own=True) as other:
            other.mark(other.start("mark('ready'); time.sleep(600)", key="same"), "ready")
        end = trial.end_of(attempt)
    demand((end.kind, end.status) == ("exited", 0), f"{end}", "share nothing between executors")


# what breaks beneath


@check("executor", cost="slow")
def a_killed_worker_is_survived(candidate: Candidate) -> None:
    """When what carries a command is killed, the command ends, is told, and the next one runs."""
    with on_executor(candidate, own=True) as trial:
        attempt = trial.start("mark('parent', os.getppid())\n" + FAMILY)
        parents, family = _between(trial.mark(attempt, "parent")), trial.mark(attempt, "family")
        os.kill(parents[-1] if parents else family[0], signal.SIGKILL)
        end = trial.end_of(attempt)
        demand(not parents or end.kind == "lost", f"{end}", "tell it as lost")
        demand_gone(family, "kill -9 of its worker", "let it watch a pipe that closes with it")
        _, after = trial.run("pass")
    demand(after.status == 0, f"the next: {after}", "take another worker, or a new one")


@check("executor", cost="slow", applies=_has_address)
def an_unreachable_place_is_told(candidate: Candidate) -> None:
    """An address that nobody listens at is a MachineError that says what to do, and soon."""
    started = time.monotonic()
    try:
        executor = candidate.create(address=NOWHERE)
        slots = executor.slots
    except MachineError as error:
        fixes = [problem.fix for problem in error.problems]
        demand(all(fixes), "an error without advice", "say in `fix` what to do")
    except Exception as error:
        found = f"{type(error).__name__}: {error}"
        raise CheckFailed(found, "raise a MachineError with a Problem") from error
    else:
        raise CheckFailed(f"{slots} slots at {NOWHERE}", "raise a MachineError")
    seconds = time.monotonic() - started
    demand(seconds < attempting.PATIENCE, f"told after {seconds:.0f} s", "give up sooner")


def _between(parent: int) -> list[int]:
    """Returns the processes from a command's parent up to this one's child; none for a child."""
    import psutil

    found: list[int] = []
    process: psutil.Process | None = psutil.Process(parent)
    while process is not None and process.pid not in (os.getpid(), 1):
        found.append(process.pid)
        process = process.parent()
    return found if process is not None and process.pid == os.getpid() else []
