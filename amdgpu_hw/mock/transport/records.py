# SPDX-License-Identifier: MIT
"""Files of records in clients: one end of a SEQPACKET socket, where each read() and write() is one packet."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable

from amdgpu_hw.mock.kernel.file import RecordFile
from amdgpu_hw.mock.kernel.kernel import Kernel

__all__ = ("RecordStream",)

_MOST = 64 * 1024
_AGAIN_NS = 1_000_000


class RecordStream:
    """Carries the records of one file, until the client closes its end.

    ``watch(fd, callback)`` calls back once when a descriptor becomes readable; ``ended`` is called at the end.
    """

    def __init__(
        self,
        kernel: Kernel,
        file: RecordFile,
        watch: Callable[[int, Callable[[], None]], None],
        ended: Callable[[RecordStream], None],
    ) -> None:
        self._kernel = kernel
        self._file = file
        self._watch = watch
        self._ended = ended
        self._socket, self.client = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.setblocking(False)
        self._waiting: deque[bytes] = deque()
        file.send = self._send
        watch(self._socket.fileno(), self._readable)
        file.attached()

    def close(self) -> None:
        """Forget the file, whatever the client does with its end."""
        self._file.send = lambda _record: None
        self._file.release()
        self._waiting.clear()
        self._socket.close()

    def _send(self, record: bytes) -> None:
        self._waiting.append(record)
        if len(self._waiting) == 1:
            self._flush()

    def _flush(self) -> None:
        """Send what the socket takes; it does not say when it takes more, so that is tried again."""
        try:
            while self._waiting:
                self._socket.send(self._waiting[0])
                self._waiting.popleft()
        except BlockingIOError:
            self._kernel.timers.call_at(self._kernel.now() + _AGAIN_NS, self._flush)
        except OSError:
            self._waiting.clear()  # nobody reads; the end comes as EOF

    def _readable(self) -> None:
        try:
            record = self._socket.recv(_MOST)
        except BlockingIOError:
            record = None
        except OSError:
            record = b""
        if record == b"":
            self.close()
            self._ended(self)
            return
        if record is not None:
            self._file.write(record)
        self._watch(self._socket.fileno(), self._readable)
