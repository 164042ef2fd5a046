# SPDX-License-Identifier: MIT
"""The console's socket in the mock kernel's process: one JSON object per line.

A request is ``{"command": ..., "arguments": {...}}``, its answer ``{"result": ...}`` or ``{"error": "one sentence"}``.
The socket is in the machine's directory, which only its user can enter, and other users are turned away besides. Each
connection has a thread that reads and writes; commands are carried out one after the other by the kernel's own thread,
between two system calls.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import queue
import signal
import socket
import struct
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amdgpu_hw.mock.console.commands import CommandError, Commands

if TYPE_CHECKING:
    from amdgpu_hw.mock.board import Board

__all__ = ("CONSOLE_SOCKET", "ConsoleServer")

CONSOLE_SOCKET = "console"
"""The socket, in the machine's directory."""

_CONNECTIONS_MAX = 16
_LINE_MAX = 64 * 1024
_PEER = struct.Struct("=iII")


class _Request:
    """A line, and its answer once there is one."""

    def __init__(self, line: bytes) -> None:
        self.line = line
        self.answer = b""
        self.answered = threading.Event()


class ConsoleServer:
    """Serves the consoles of a machine whose private directory is ``directory``. Raises `OSError`."""

    def __init__(self, board: Board, directory: Path) -> None:
        self._board = board
        self._commands = Commands(board)
        self._requests: queue.SimpleQueue[_Request] = queue.SimpleQueue()
        self._bell, self._bell_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(directory / CONSOLE_SOCKET))
        (directory / CONSOLE_SOCKET).chmod(0o600)
        self._listener.listen(_CONNECTIONS_MAX)
        self._listener.setblocking(False)
        self._connections: set[socket.socket] = set()
        self._watch()

    def close(self) -> None:
        """End all connections."""
        self._listener.close()
        for connection in tuple(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    # -- in the kernel's thread -----------------------------------------------------------------------------------

    def _watch(self) -> None:
        self._board.transport.watch(self._listener.fileno(), self._accept)
        self._board.transport.watch(self._bell, self._answer_requests)

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionAbortedError):
            connection, _ = self._listener.accept()
            connection.setblocking(True)
            _, uid, _ = _PEER.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
            if uid not in (os.getuid(), 0) or len(self._connections) >= _CONNECTIONS_MAX:
                connection.close()
            else:
                self._connections.add(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()
        self._board.transport.watch(self._listener.fileno(), self._accept)

    def _answer_requests(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._bell, 4096)
        while not self._requests.empty():
            request = self._requests.get()
            request.answer = self._answer(request.line)
            request.answered.set()
        self._board.transport.watch(self._bell, self._answer_requests)

    def _answer(self, line: bytes) -> bytes:
        try:
            answer = {"result": self._run(line)}
        except CommandError as error:
            answer = {"error": str(error)}
        except Exception as error:
            self._board.kernel.oops("the console", error)
            answer = {"error": f"the mock kernel failed at this command ({error!r}); its log has the call trace"}
        return json.dumps(answer, default=dataclasses.asdict).encode() + b"\n"

    def _run(self, line: bytes) -> Any:
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            raise CommandError("a request must be one line of JSON") from None
        if not isinstance(request, dict) or not request.keys() <= {"command", "arguments"}:
            raise CommandError('a request must be an object with "command" and perhaps "arguments"')
        return self._commands.run(request.get("command"), request.get("arguments", {}))

    # -- in the thread of a connection ----------------------------------------------------------------------------

    def _serve(self, connection: socket.socket) -> None:
        # Signals are for the kernel's thread, which has to wake up for them.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as lines:
            while line := lines.readline(_LINE_MAX):
                if not line.endswith(b"\n"):
                    break  # too long, or cut off
                request = _Request(line)
                self._requests.put(request)
                os.write(self._bell_end, b"!")
                request.answered.wait()
                connection.sendall(request.answer)
        self._connections.discard(connection)
