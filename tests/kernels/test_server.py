"""A server forks, says how its kernels end, and survives whatever is said to it."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from tunebook.kernels.client import ask_all, begin_warming
from tunebook.kernels.places import NotWarm, places
from tunebook.kernels.preload import PRELOAD_VARIABLE
from tunebook.kernels.server import IDLE_VARIABLE
from tunebook.kernels.wire import Inbox
from warm_servers import Fork, own_servers, until

pytestmark = pytest.mark.slow


def status() -> dict[str, object]:
    (only,) = ask_all("status")
    return only


def talk(folder: Path, content: bytes) -> dict[str, object] | None:
    """Says something to the only server and returns its answer, None where it hangs up."""
    (place,) = places(folder)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(str(place.socket))
        connection.sendall(content)
        connection.shutdown(socket.SHUT_WR)
        inbox = Inbox(connection)
        while (answer := inbox.read()) is None:
            pass
        return answer


def test_a_fork_has_the_clients_world(server: Path, fork: Fork, tmp_path: Path) -> None:
    process = fork("--version", environment={"MINE": "€ \udcff"})
    assert (tmp_path / "out.txt").read_text() == ""  # nothing runs before it is released
    process.release()
    assert process.wait(20) == 0
    assert (tmp_path / "out.txt").read_text().strip()[0].isdigit()


def test_exit_status_and_signals_are_reported(server: Path, fork: Fork) -> None:
    kernel = fork()
    kernel.release()
    assert kernel.poll() is None
    assert os.getpgid(kernel.pid) == os.getsid(kernel.pid) == kernel.pid
    kernel.send_signal(signal.SIGTERM)
    assert kernel.wait(20) == -signal.SIGTERM
    kernel.send_signal(signal.SIGKILL)  # of no use, and no error
    misled = fork("--transport=pigeon")
    misled.release()
    assert misled.wait(20) == 1


def test_an_unreleased_kernel_ends_with_its_client(server: Path, fork: Fork) -> None:
    kernel = fork()
    kernel._inbox.connection.close()
    assert until(lambda: not psutil.pid_exists(kernel.pid))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\n", "not JSON"),
        (b"GET / HTTP/1.1\r\n\r\n", "not JSON"),
        (b"\xff\xfe\x00\n", "not JSON"),
        (b"[" * 100_000 + b"\n", "not JSON"),
        (b"[1]\n", "not an object"),
        (b"{}\n", ""),
        (b'{"status": 1, "stop": 1}\n', ""),
        (b'{"run": 1}\n', "no wish `run`"),
        (b'{"fork": {}}\n', "arguments"),
        (b'{"fork": []}\n', ""),
        (b'{"fork": {"arguments": [1]}}\n', ""),
        (
            b'{"fork": {"arguments": [], "environment": {"a": "b\\u0000"}, "folder": "/",'
            b' "umask": 0, "limits": {}}}\n',
            "not a text",
        ),
        (
            b'{"fork": {"arguments": [], "environment": {}, "folder": "/", "umask": 0,'
            b' "limits": {}}}\n',
            "0 files instead of 2",
        ),
    ],
    ids=range(13),
)
def test_garbage_is_answered(server: Path, fork: Fork, content: bytes, said: str) -> None:
    fork("--version").kill()  # a server is there
    before = status()["pid"]
    answer = talk(server, content)
    assert answer is not None
    assert said in str(answer["refused"])
    assert status()["pid"] == before


def test_endless_garbage_is_cut_off(server: Path, fork: Fork) -> None:
    fork("--version").kill()
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        talk(server, b"x" * (64 * 2**20))
    assert status()["state"] == "ready"


def test_whoever_says_nothing_keeps_nobody_waiting(server: Path, fork: Fork) -> None:
    fork("--version").kill()
    (place,) = places(server)
    silent = [socket.socket(socket.AF_UNIX) for _ in range(20)]
    for connection in silent:
        connection.connect(str(place.socket))
    fork("--version").kill()
    assert select.select(silent, [], [], 0)[0] == []  # none of them was waited for
    for connection in silent[:10]:
        connection.close()
    silent[-1].settimeout(30)
    assert b"not told what is wanted" in silent[-1].recv(1000)


def test_two_hundred_at_once_are_served(server: Path, fork: Fork) -> None:
    fork("--version").kill()
    with ThreadPoolExecutor(200) as pool:
        answers = [*pool.map(lambda _: talk(server, b'{"status": true}\n'), range(200))]
    assert {answer["pid"] for answer in answers if answer} == {status()["pid"]}
    assert len(answers) == 200
    with ThreadPoolExecutor(20) as pool:
        forked = [*pool.map(lambda _: fork("--version"), range(20))]
    assert len({process.pid for process in forked}) == 20


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"environment": {"TERM": "x", "COLUMNS": "1"}}, None),
        ({"environment": {"PYTHONHASHSEED": "7"}, "start": False}, "no server runs"),
    ],
)
def test_the_environment_decides(
    server: Path, fork: Fork, options: dict[str, object], why: str | None
) -> None:
    fork("--version").kill()
    if why is None:
        fork("--version", **options).kill()
        return
    with pytest.raises(NotWarm, match=why):
        fork("--version", **options)


def test_limits_that_cannot_be_had_are_a_reason(
    server: Path, fork: Fork, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = {"RLIMIT_NOFILE": (2**31, 2**31)}
    monkeypatch.setattr("tunebook.kernels.client._limits", lambda: limits)
    with pytest.raises(NotWarm, match="could not be set up"):
        fork("--version")


def test_two_starters_make_one_server(light: Path, fork: Fork) -> None:
    for _ in range(3):
        begin_warming(sys.executable, os.environ)
    with ThreadPoolExecutor(6) as pool:
        for process in pool.map(lambda _: fork("--version"), range(6)):
            process.kill()
    assert status()["forks"] == 6
    server = psutil.Process(int(str(status()["pid"])))
    assert server.pid not in {child.pid for child in psutil.Process().children(recursive=True)}
    assert server.num_threads() == 1


def test_a_killed_server_is_replaced_and_its_kernels_live_on(light: Path, fork: Fork) -> None:
    kernel = fork()
    kernel.release()
    first = int(str(status()["pid"]))
    os.kill(first, signal.SIGKILL)
    assert until(lambda: not psutil.pid_exists(first))
    assert kernel.poll() is None
    (place,) = places(light)
    assert place.socket.exists()  # nobody has removed it
    fork("--version").kill()
    assert status()["pid"] != first
    kernel.send_signal(signal.SIGKILL)
    assert kernel.wait(10) == 1  # nobody can say more

    orphan = fork()
    orphan.release()
    os.kill(int(str(status()["pid"])), signal.SIGKILL)
    orphan._inbox.connection.close()
    assert until(lambda: not orphan.identity.is_alive())


def test_changed_source_gets_a_new_server(
    light: Path, fork: Fork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "lib" / "mine.py"
    source.parent.mkdir()
    source.write_text("x = 1")
    past = time.time_ns() - 60 * 10**9
    os.utime(source, ns=(past, past))
    monkeypatch.setenv("PYTHONPATH", str(source.parent))
    monkeypatch.setenv(PRELOAD_VARIABLE, "mine,no_such_module")
    running = fork()
    running.release()
    fork("--version").kill()
    first = status()
    assert first["forks"] == 2
    source.write_text("x = 22")
    os.utime(source, ns=(past, past))  # another size is enough
    fork("--version").kill()
    assert status()["pid"] != first["pid"]
    assert running.poll() is None  # it goes on, and its server ends with it
    running.kill()
    assert running.wait(10) == -signal.SIGKILL
    assert until(lambda: not psutil.pid_exists(int(str(first["pid"]))))


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True)"
         ".start()", "2 threads"),
        ("import os\nos.environ.get('MINE')", "another MINE"),
        ("print('oh no', flush=True)\nimport os\nos._exit(3)", "its server has ended: oh no"),
    ],
)  # fmt: skip
def test_a_server_that_must_not_be_forked_says_so(
    light: Path,
    fork: Fork,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    source: str,
    why: str,
) -> None:
    (tmp_path / "odd.py").write_text(source)
    past = time.time_ns() - 60 * 10**9
    os.utime(tmp_path / "odd.py", ns=(past, past))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv(PRELOAD_VARIABLE, "odd")
    begin_warming(sys.executable, os.environ)
    with pytest.raises(NotWarm, match=why):
        fork("--version", environment={"MINE": "1"})


def test_copying_all_variables_is_no_reading_of_one(
    light: Path, fork: Fork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As fsspec does when it is imported."""
    source = "import os\nall = dict(os.environ), os.environ.copy(), {**os.environ}\n"
    (tmp_path / "copies.py").write_text(source + "dict(os.environ.items())\n")
    past = time.time_ns() - 60 * 10**9
    os.utime(tmp_path / "copies.py", ns=(past, past))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv(PRELOAD_VARIABLE, "copies")
    monkeypatch.setenv("MINE", "first terminal")
    begin_warming(sys.executable, os.environ)
    for mine in ("first terminal", "another one"):
        kernel = fork("--version", environment={"MINE": mine})
        kernel.release()
        assert kernel.wait(20) == 0
    assert status()["forks"] == 2


def test_an_idle_server_leaves_nothing(tmp_path: Path, fork: Fork) -> None:
    with own_servers(**{PRELOAD_VARIABLE: "json", IDLE_VARIABLE: "0.5"}) as folder:
        kernel = fork()
        kernel.release()
        server = psutil.Process(int(str(status()["pid"])))
        time.sleep(1)
        assert server.is_running()  # it isn't idle
        kernel.kill()
        assert until(lambda: not server.is_running(), 10)
        assert [*folder.iterdir()] == []


def test_a_stopped_server_ends_after_its_kernels(light: Path, fork: Fork) -> None:
    kernel = fork()
    kernel.release()
    server = psutil.Process(int(str(status()["pid"])))
    (answer,) = ask_all("stop")
    assert answer["kernels"] == 1
    assert ask_all("status") == []
    assert [*light.iterdir()] == []
    assert kernel.poll() is None
    kernel.kill()
    assert until(lambda: not server.is_running(), 10)


def test_a_kernel_ends_when_its_client_is_killed(light: Path, tmp_path: Path) -> None:
    client = (
        "import os, sys, time; from tunebook.kernels.client import fork_kernel\n"
        f"command = [sys.executable, '-m', 'ipykernel_launcher', '-f', '{tmp_path}/k.json']\n"
        "kernel = fork_kernel(command, os.environ, '/', (1, 2)); kernel.release()\n"
        "print(kernel.pid, flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", client], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    kernel = int(process.stdout.readline())
    assert psutil.pid_exists(kernel)
    process.kill()
    process.wait()
    assert until(lambda: not psutil.pid_exists(kernel), 10)
    process.stdout.close()


def test_a_python_without_tunebook_is_a_reason(light: Path, fork: Fork) -> None:
    from tunebook.kernels.client import fork_kernel

    with pytest.raises(NotWarm, match="no server could be started"):
        fork_kernel(["/bin/false", "-m", "ipykernel_launcher"], os.environ, "/", (1, 2))
    with pytest.raises(NotWarm, match="no server could be started"):
        fork_kernel(["/no/python", "-m", "ipykernel_launcher"], os.environ, "/", (1, 2))


def test_an_impostor_is_waited_for_no_longer_than_patience(
    light: Path, fork: Fork, monkeypatch: pytest.MonkeyPatch
) -> None:
    fork("--version").kill()
    monkeypatch.setattr("tunebook.kernels.client.ANSWER_SECONDS", 0.5)
    server = int(str(status()["pid"]))
    os.kill(server, signal.SIGSTOP)
    try:
        with pytest.raises(NotWarm, match="silent for"):
            fork("--version")
    finally:
        os.kill(server, signal.SIGCONT)
