"""How a fork of the server becomes a kernel that cannot be told from a fresh one."""

from __future__ import annotations

import atexit
import gc
import importlib
import importlib.util
import logging
import os
import resource
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from tunebook.kernels.process import ProcessId, lifeline
from tunebook.kernels.wire import send

SELF_SEEDED = (
    ("random", "_inst"),
    ("numpy.random.mtrand", "_rand"),
    ("datasets.fingerprint", "fingerprint_rng"),
    ("sympy.core.random", "rng"),
    ("sympy.core.random", "_assumptions_rng"),
    ("torch", "default_generator"),
)
"""Generators that a fresh process seeds from the system; those of CUDA don't exist yet."""
OPENBLAS_VARIABLES = ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS")


@dataclass(frozen=True)
class Order:
    """What a client wants a fork to be."""

    arguments: Sequence[str]
    environment: Mapping[str, str]
    folder: str
    umask: int
    limits: Mapping[str, tuple[int, int]]

    @classmethod
    def parse(cls, content: Mapping[str, Any]) -> Order:
        """Raises KeyError, TypeError or ValueError where it is none."""
        return cls(
            arguments=[*map(_text, content["arguments"])],
            environment={_text(k): _text(v) for k, v in content["environment"].items()},
            folder=_text(content["folder"]),
            umask=int(content["umask"]),
            limits={_text(name): (int(a), int(b)) for name, (a, b) in content["limits"].items()},
        )

    def beside(self, added: Mapping[str, str]) -> Order:
        """Returns it with variables that importing libraries would have added."""
        return replace(self, environment={**added, **self.environment})


def _text(value: object) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise TypeError("not a text")
    return value


def become_kernel(connection: socket.socket, order: Order, files: Sequence[int]) -> NoReturn:
    """Runs a kernel to its end, and the process with it."""
    try:
        _take_on(order, files)
    except Exception as error:
        _refuse(connection, error)
    connection.setblocking(True)
    identity = ProcessId.of(os.getpid())
    send(connection, {"pid": identity.pid, "ticks": identity.ticks})
    if not connection.recv(3):  # nobody is there to own this kernel
        os._exit(1)
    threading.Thread(target=lifeline, args=(connection,), daemon=True, name="lifeline").start()
    client = int(order.environment.get("JPY_PARENT_PID", 0))
    status = 1
    try:
        _kernel_app().launch_instance(list(order.arguments), parent_handle=client)
        status = 0
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:
        traceback.print_exc()
    _leave(status)


def _leave(status: int) -> NoReturn:
    """Ends as the interpreter would, but for taking every module apart.

    That would copy all the memory shared with the server, for nothing: a second per kernel.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None:
            stream.flush()
    os._exit(status)


def _refuse(connection: socket.socket, error: Exception) -> NoReturn:
    send(connection, {"refused": f"the fork could not be set up: {error}"})
    os._exit(1)


def _take_on(order: Order, files: Sequence[int]) -> None:
    os.setsid()
    _reset_signals()
    _take_files(files)
    os.environ.clear()
    os.environ.update(order.environment)
    time.tzset()
    os.chdir(order.folder)
    os.umask(order.umask)
    for name, (soft, hard) in order.limits.items():
        resource.setrlimit(getattr(resource, name), (soft, hard))
    launcher = importlib.util.find_spec("ipykernel_launcher")
    sys.argv = [str(launcher and launcher.origin), *order.arguments]
    importlib.invalidate_caches()
    _reseed()
    _size_openblas(order.environment)
    gc.enable()


def _reset_signals() -> None:
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def _take_files(files: Sequence[int]) -> None:
    """Standard output and error are the client's."""
    nowhere = os.open(os.devnull, os.O_RDONLY)
    for number, file in enumerate((nowhere, *files)):
        os.dup2(file, number)
        os.close(file)


def _reseed() -> None:
    for module, name in SELF_SEEDED:
        if module in sys.modules:
            getattr(sys.modules[module], name).seed()


def _size_openblas(environment: Mapping[str, str]) -> None:
    """Gives OpenBLAS the threads that it would have taken on import; see its `USAGE.md`."""
    if "threadpoolctl" not in sys.modules:
        return
    cores = len(os.sched_getaffinity(0))
    given = (environment.get(name, "") for name in OPENBLAS_VARIABLES)
    wanted = next((int(text) for text in given if text.isdecimal() and int(text) > 0), cores)
    for library in sys.modules["threadpoolctl"].ThreadpoolController().lib_controllers:
        if library.internal_api == "openblas":
            library.set_num_threads(min(wanted, cores))


def _kernel_app() -> type[Any]:
    from ipykernel import kernelapp

    class IPKernelApp(kernelapp.IPKernelApp):
        """Does what happens to a fresh kernel before its libraries are imported."""

        def init_poller(self) -> None:
            """The parent is a server that may end; `lifeline` watches the client instead."""

        def init_io(self) -> None:
            """Loggers that libraries set up on import write to the notebook."""
            before = {sys.stdout: "stdout", sys.stderr: "stderr"}
            super().init_io()  # type: ignore[no-untyped-call]
            for handler in _stream_handlers():
                if handler.stream in before:
                    handler.setStream(getattr(sys, before[handler.stream]))

    return IPKernelApp


def _stream_handlers() -> list[logging.StreamHandler[Any]]:
    loggers = [logging.root, *logging.root.manager.loggerDict.values()]
    handlers = {h for each in loggers if isinstance(each, logging.Logger) for h in each.handlers}
    return [h for h in handlers if isinstance(h, logging.StreamHandler)]
