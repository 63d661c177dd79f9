"""What goes over a server's socket: one JSON object a line, and open files beside it."""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Mapping, Sequence
from typing import Any

MOST_BYTES = 8 * 2**20
"""More than any environment can hold (ARG_MAX)."""
MOST_FILES = 4


class Garbage(Exception):
    """The other side doesn't speak the protocol."""


class Gone(Exception):
    """The other side has closed the connection."""


def send(connection: socket.socket, message: Mapping[str, Any], files: Sequence[int] = ()) -> None:
    """Sends a message, and descriptors of open files with its first byte."""
    content = json.dumps(message).encode() + b"\n"
    if files:
        socket.send_fds(connection, [content[:1]], files)
        content = content[1:]
    connection.sendall(content)


class Inbox:
    """Collects what arrives until there is a whole message."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.files: list[int] = []
        self._content = b""

    def read(self) -> dict[str, Any] | None:
        """Takes in what there is; returns a message once it is whole.

        Raises:
            Garbage: It is none.
            Gone: There will be no more.
        """
        if b"\n" not in self._content:
            arrived, files, _, _ = socket.recv_fds(
                self.connection, 2**16, MOST_FILES, socket.MSG_CMSG_CLOEXEC
            )
            self.files += files
            self._content += arrived
            if not arrived:
                raise Gone
        line, newline, rest = self._content.partition(b"\n")
        if not newline:
            if len(line) > MOST_BYTES or len(self.files) > MOST_FILES:
                raise Garbage(f"{len(line)} bytes without an end")
            return None
        self._content = rest
        return _parse(line)

    def close_files(self) -> None:
        """Closes the files that came along."""
        while self.files:
            os.close(self.files.pop())


def _parse(line: bytes) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Garbage("not JSON") from error
    if not isinstance(message, dict):
        raise Garbage("not an object")
    return message


def peer(connection: socket.socket) -> tuple[int, int]:
    """Returns process and user at the other end, as the system tells it."""
    about = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    process, user, _ = struct.unpack("3i", about)
    return process, user
