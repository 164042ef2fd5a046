# SPDX-License-Identifier: MIT
"""The mock kernel's end of the seam: system calls of clients arrive here and reach `Kernel` and `File`.

Waiting is done in C (transport.c) without the GIL; everything else is this one thread. What happens between two
requests always happens in the same order: closed files, the request, its reply, deferred work of the kernel.
"""

from __future__ import annotations

import errno
import mmap
import os
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import Any

from amdgpu_hw.mock.kernel.errno_ import ERESTARTSYS, KernelError
from amdgpu_hw.mock.kernel.file import File, RecordFile, TextFile
from amdgpu_hw.mock.kernel.kernel import Directories, Kernel
from amdgpu_hw.mock.kernel.wait import Blocking, Task
from amdgpu_hw.mock.transport._transport import ffi, lib
from amdgpu_hw.mock.transport.client import Channel, DepartedProcess, Process
from amdgpu_hw.mock.transport.proc import file_stat, open_fdinfo, read_only_file
from amdgpu_hw.mock.transport.records import RecordStream

__all__ = ("ENVIRONMENT", "HEARD_MODE", "Transport")

ENVIRONMENT: str = ffi.string(lib.WIRE_ENVIRONMENT).decode()
"""Environment variable that tells the preload library the machine's directory."""

HEARD_MODE: int = lib.WIRE_HEARD_MODE
"""Mode bit of a file of the host: who writes to it and closes it goes on when `Transport.on_settle` has been called."""


class _OpenFile:
    """A file with descriptors in clients; each `File` has one, however many descriptors were made for it."""

    __slots__ = ("calls", "ends", "file", "flushed", "user")

    def __init__(self, file: File, user: Process) -> None:
        self.file = file
        self.user = user
        """The process that was last seen to have a descriptor of it."""
        self.ends: dict[int, int] = {}
        """Our end of each socketpair by the inode of the client's end."""
        self.calls = 0
        """System calls under way: each holds a reference, as fdget() does."""
        self.flushed = False
        """Whether nothing was done with the file since its last flush."""


class Transport:
    """Serves the files of ``kernel`` to the clients of the machine whose private directory is ``directory``.

    ``root`` is the testbed's root directory, where the nodes that clients stat() are. Raises `OSError`.
    """

    def __init__(self, kernel: Kernel, directory: Path, root: Path) -> None:
        self.kernel = kernel
        self._root = root
        self.handle = lib.transport_new(os.fsencode(directory))
        if not self.handle:
            raise OSError(ffi.errno, os.strerror(ffi.errno), str(directory))
        self._event = ffi.new("struct event *")
        self.argument = ffi.buffer(self._event.argument)
        """Argument of the ioctl that was last taken, where it came with the request."""
        self._channels: dict[int, Channel] = {}
        self._processes: dict[int, Process] = {}
        self._files: dict[int, _OpenFile] = {}
        self._open_files: dict[File, _OpenFile] = {}
        self._server_ends: dict[int, tuple[_OpenFile, int]] = {}
        """The file and the client's inode by our end."""
        self.on_settle: Callable[[], None] = lambda: None
        """Called before a client goes on that has closed a file."""
        self._watches: dict[int, Callable[[], None]] = {}
        self._streams: set[RecordStream] = set()
        self._last_watch = 0
        self._dying: list[tuple[Task[Any], Callable[[], None]]] = []
        self._running = False
        self._calls: dict[int, Callable[[Channel, Any], None]] = {
            lib.WIRE_OPEN: self._open,
            lib.WIRE_IOCTL: self._ioctl,
            lib.WIRE_MMAP: self._mmap,
            lib.WIRE_FLUSH: self._flush,
            lib.WIRE_FSTAT: self._fstat,
            lib.WIRE_LSEEK: self._lseek,
            lib.WIRE_READ: self._read,
            lib.WIRE_NAME: self._name,
            lib.WIRE_FDINFO: self._fdinfo,
            lib.WIRE_MKDIR: self._mkdir,
            lib.WIRE_RMDIR: self._rmdir,
            lib.WIRE_SETTLE: self._settle,
        }
        self.publish_nodes()

    def close(self) -> None:
        """Drop all clients; their calls fail with ENODEV from now on."""
        lib.transport_free(self.handle)
        for stream in self._streams:
            stream.close()
        for process in self._processes.values():
            process.close()
        for open_file in self._open_files.values():
            for end in open_file.ends.values():
                os.close(end)

    # ---- the loop ----

    def run(self) -> None:
        """Serve until `stop` is called."""
        wait, handle, event = lib.transport_next, self.handle, self._event
        is_request, is_timeout = lib.EVENT_REQUEST, lib.EVENT_TIMEOUT
        channels, calls = self._channels, self._calls
        self._running = True
        while self._running:
            deadline = self.kernel.run_pending()
            while self._dying and self._reap():
                deadline = self.kernel.run_pending()
            wait(handle, -1 if deadline is None else deadline, event)
            kind = event.kind
            if kind == is_request:
                channel = channels[event.channel]
                call = calls.get(event.op)
                if call is None:
                    self._fail(channel, KernelError(errno.ENOSYS))
                    continue
                tracing = self.kernel.tracing
                tracing.current = channel
                try:
                    call(channel, event)
                except Exception as error:
                    self._fail(channel, error)
                tracing.current = None
            elif kind != is_timeout:
                try:
                    self._handle_event(kind, event)
                except Exception as error:
                    self.kernel.oops("the transport", error)

    def stop(self) -> None:
        """Make `run` return after the present request."""
        self._running = False

    def watch(self, fd: int, callback: Callable[[], None]) -> None:
        """Call ``callback`` once when ``fd`` becomes readable; from then on it can be watched again."""
        self._last_watch += 1
        error = lib.transport_watch(self.handle, fd, self._last_watch)
        if error:
            raise OSError(-error, os.strerror(-error))
        self._watches[self._last_watch] = callback

    def publish_nodes(self) -> None:
        """Tell clients which paths are the kernel's nodes; to be called when they have changed."""
        nodes = sorted(self.kernel.nodes)
        text = b"".join(os.fsencode(path) + b"\0" for path in nodes)
        error = lib.transport_set_nodes(self.handle, text, len(text))
        if error:
            raise OSError(-error, f"the {len(nodes)} nodes do not fit on the board: {os.strerror(-error)}")

    def audit(self) -> dict[str, int]:
        """Count what is kept for clients, as `kernel.audit.audit` does for the kernel itself."""
        return {
            "processes": len(self._processes),
            "threads": len(self._channels),
            "open files": len(self._open_files),
            "descriptors": len(self._files),
            "calls": sum(open_file.calls for open_file in self._open_files.values()),
        }

    def processes(self) -> tuple[Process, ...]:
        """The client processes."""
        return tuple(self._processes.values())

    def open_files(self) -> list[tuple[File, int, str, int]]:
        """Each open file with the pid and name of a process that has it, and how many descriptors were made for it."""
        return [(file, of.user.pid, of.user.comm, len(of.ends)) for file, of in self._open_files.items()]

    def _handle_event(self, kind: int, event: Any) -> None:
        if kind == lib.EVENT_WATCH:
            callback = self._watches.pop(event.watch, None)
            if callback is not None:
                callback()
        elif kind == lib.EVENT_CONNECT:
            self._connect(event.channel, event.pid)
        elif kind == lib.EVENT_CLOSED:
            self._end_closed(event.fd)
        else:
            channel = self._channels.get(event.channel)
            if channel is None:
                return
            if kind == lib.EVENT_HANGUP:
                self._hang_up(channel)
            elif kind == lib.EVENT_PASSED:
                channel.passed(event.result)
            elif kind == lib.EVENT_INTERRUPT and channel.task is not None:
                channel.task.interrupt()

    # ---- clients ----

    def _connect(self, number: int, pid: int) -> None:
        process = self._processes.get(pid)
        if process is None:
            try:
                process = self._new_process(pid)
            except OSError as error:
                self.kernel.log.warn(f"a client was turned away: process {pid}: {error.strerror}")
                lib.transport_close_channel(self.handle, number)
                return
        self._channels[number] = channel = Channel(self, number, process)
        process.channels.append(channel)

    def _new_process(self, pid: int) -> Process:
        process = Process(pid)
        try:
            self.watch(process.pidfd, partial(self._process_ended, process))
        except OSError:
            process.close()
            raise
        self._processes[pid] = process
        return process

    def _process_ended(self, process: Process) -> None:
        for channel in list(process.channels):
            self._hang_up(channel)
        del self._processes[process.pid]
        process.close()

    def _hang_up(self, channel: Channel) -> None:
        """The thread is gone: its sleeping call is killed, as SIGKILL does it."""
        channel.open = False
        del self._channels[channel.number]
        channel.process.channels.remove(channel)
        if not channel.process.channels:
            # It may have called exec: another program has to show anew which files it has.
            channel.process.known_files.clear()
        lib.transport_close_channel(self.handle, channel.number)
        channel.passed(-errno.ESRCH)
        if channel.task is not None:
            self._dying.append((channel.task, channel.drop))

    def _reap(self) -> bool:
        """Kill the calls of threads that are gone, unless they sleep uninterruptibly; whether any call ended."""
        dying, self._dying = self._dying, []
        for task, drop in dying:
            if task.finished:
                continue
            try:
                killed = task.kill()
            except Exception as error:
                self.kernel.errno_of(error, "a killed system call")
                killed = True
            if killed:
                drop()
            else:
                self._dying.append((task, drop))
        return len(self._dying) < len(dying)

    # ---- files ----

    def file_of(self, ino: int) -> File | None:
        """The mock file whose client end has that inode."""
        open_file = self._files.get(ino)
        return None if open_file is None else open_file.file

    def new_end(self, file: File, user: Process) -> int:
        """Make a descriptor for ``file`` to be sent to a client, which the caller then closes; raises ENFILE.

        From here on the file is the transport's, which releases it when it has no descriptor: also when this fails,
        and when the client does not take the descriptor.
        """
        ends = ffi.new("struct file_ends *")
        error = lib.transport_open_file(self.handle, ends)
        open_file = self._open_files.get(file)
        if error:
            if open_file is None:
                self._release(file)
            raise KernelError(errno.ENFILE, os.strerror(-error))
        if open_file is None:
            open_file = self._open_files[file] = _OpenFile(file, user)
            file.on_readable = partial(self._set_readable, open_file)
        open_file.ends[ends.ino] = ends.server
        self._files[ends.ino] = open_file
        self._server_ends[ends.server] = (open_file, ends.ino)
        if file.readable:
            lib.transport_set_readable(ends.server)
        user.known_files.add(ends.ino)
        return int(ends.client)

    def _set_readable(self, open_file: _OpenFile) -> None:
        for end in open_file.ends.values():
            lib.transport_set_readable(end)

    def _end_closed(self, server_end: int) -> None:
        open_file, ino = self._server_ends.pop(server_end)
        del self._files[ino], open_file.ends[ino]
        os.close(server_end)
        for process in self._processes.values():
            process.known_files.discard(ino)
        self._release_if_unused(open_file)

    def _put(self, open_file: _OpenFile) -> None:
        open_file.calls -= 1
        self._release_if_unused(open_file)

    def _release_if_unused(self, open_file: _OpenFile) -> None:
        if open_file.ends or open_file.calls:
            return
        if not open_file.flushed:
            self._flush_for_departed(open_file)
            return
        del self._open_files[open_file.file]
        open_file.file.on_readable = None
        self._release(open_file.file)

    def _release(self, file: File) -> None:
        try:
            file.release()
        except Exception as error:
            self.kernel.errno_of(error, f"release of {file.name}")

    def _flush_for_departed(self, open_file: _OpenFile) -> None:
        """The last descriptor went without a close(): its process ended or called exec, where exit_files() flushes."""
        open_file.flushed = True
        open_file.calls += 1

        def done(_result: None, error: BaseException | None) -> None:
            if error is not None:
                self.kernel.errno_of(error, f"flush of {open_file.file.name}")
            self._put(open_file)

        try:
            blocking = open_file.file.flush(DepartedProcess(open_file.user))
        except Exception as error:
            done(None, error)
            return
        if blocking is None:
            done(None, None)
        else:
            Task(blocking, self.kernel.timers, self.kernel.work, done).start()

    def _opened(self, channel: Channel, event: Any) -> _OpenFile:
        """The file that a call is made on; EBADF unless the process has shown that it has a descriptor of it."""
        ino = event.ino
        open_file = self._files.get(ino)
        if open_file is None:
            raise KernelError(errno.EBADF, "no such file")
        process = channel.process
        if ino not in process.known_files:
            if process.identify_fd(event.fd) != ino:
                raise KernelError(errno.EBADF, f"process {process.pid} has no such file at {event.fd}")
            process.known_files.add(ino)
            open_file.user = process
        return open_file

    # ---- system calls ----

    def _reply(self, channel: Channel, result: int | bytes) -> None:
        answer = channel.answer
        if isinstance(result, bytes):
            lib.transport_reply_text(self.handle, channel.number, result)
        elif answer is None:
            lib.transport_reply(self.handle, channel.number, result)
        else:
            channel.answer = None
            lib.transport_reply_answer(self.handle, channel.number, result, answer, len(answer))

    def _fail(self, channel: Channel, error: BaseException) -> None:
        number = self.kernel.errno_of(error)
        self._reply(channel, -(errno.EINTR if number == ERESTARTSYS else number))

    def _block(self, channel: Channel, open_file: _OpenFile, blocking: Blocking[Any]) -> None:
        """Run a call that may sleep; the reply is posted when it ends."""

        def done(result: int | bytes | None, error: BaseException | None) -> None:
            channel.task = None
            if channel.open:
                if error is None:
                    self._reply(channel, result or 0)
                else:
                    self._fail(channel, error)
            self._put(open_file)

        try:
            sleep = next(blocking)
        except StopIteration as end:
            self._reply(channel, end.value or 0)
            return
        open_file.calls += 1
        channel.drop = partial(self._put, open_file)
        task = channel.task = Task(blocking, self.kernel.timers, self.kernel.work, done)
        task.start_asleep(sleep)
        if self.kernel.faults.interrupts(channel.pid):
            task.interrupt()

    def _open(self, channel: Channel, event: Any) -> None:
        path, flags = os.fsdecode(ffi.string(event.text)), event.args[0]
        if flags & os.O_DIRECTORY:
            raise KernelError(errno.ENOTDIR)
        if flags & os.O_CREAT and flags & os.O_EXCL:
            raise KernelError(errno.EEXIST)
        file = self.kernel.open(channel, path, flags)
        if isinstance(file, TextFile):
            text = read_only_file(file.name, file.content)
            lib.transport_reply_fd(self.handle, channel.number, 0, text)
            os.close(text)
            return
        if isinstance(file, RecordFile):
            self._open_records(channel, file, flags)
            return
        client_end = self.new_end(file, channel.process)
        if flags & os.O_NONBLOCK:
            os.set_blocking(client_end, False)
        lib.transport_reply_fd(self.handle, channel.number, 0, client_end)
        os.close(client_end)

    def _open_records(self, channel: Channel, file: RecordFile, flags: int) -> None:
        stream = RecordStream(self.kernel, file, self.watch, self._streams.discard)
        self._streams.add(stream)
        with stream.client as client:
            client.setblocking(not flags & os.O_NONBLOCK)
            lib.transport_reply_fd(self.handle, channel.number, 0, client.fileno())

    def _ioctl(self, channel: Channel, event: Any) -> None:
        open_file = self._opened(channel, event)
        open_file.flushed = False
        request, argp, _, _ = event.args
        channel.begin_ioctl(argp, event.argument_size, event.answer_room)
        try:
            result = open_file.file.ioctl(channel, request & 0xFFFFFFFF, argp)
            if isinstance(result, int):
                self._reply(channel, result)
            else:
                self._block(channel, open_file, result)
        finally:
            channel.argument_size = channel.read_ahead = 0

    def _mmap(self, channel: Channel, event: Any) -> None:
        open_file = self._opened(channel, event)
        offset, length, prot, flags = event.args
        if not length or offset % mmap.PAGESIZE:
            raise KernelError(errno.EINVAL)
        host_fd, host_offset = open_file.file.mmap(channel, offset, length, prot, flags)
        lib.transport_reply_fd(self.handle, channel.number, host_offset, host_fd)

    def _flush(self, channel: Channel, event: Any) -> None:
        open_file = self._opened(channel, event)
        open_file.flushed = True
        blocking = open_file.file.flush(channel)
        if isinstance(blocking, Generator):
            self._block(channel, open_file, blocking)
        else:
            lib.transport_reply(self.handle, channel.number, 0)

    def _lseek(self, channel: Channel, event: Any) -> None:
        """`llseek` of a file that only tells its size (dma_buf_llseek): to its end or its beginning, by 0 bytes."""
        end = self._opened(channel, event).file.seek_end()
        offset, whence = event.args[0], event.args[1]
        if offset or whence not in (os.SEEK_SET, os.SEEK_END):
            raise KernelError(errno.EINVAL)
        lib.transport_reply(self.handle, channel.number, end if whence == os.SEEK_END else 0)

    def _read(self, channel: Channel, event: Any) -> None:
        open_file = self._opened(channel, event)
        self._block(channel, open_file, open_file.file.read(min(event.args[0], lib.WIRE_TEXT_SIZE - 1)))

    def _fstat(self, channel: Channel, event: Any) -> None:
        open_file = self._files.get(event.ino)
        if open_file is None:
            raise KernelError(errno.EBADF)
        reply = file_stat(open_file.file, event.ino, self._root)
        lib.transport_reply_stat(self.handle, channel.number, reply)

    def _name(self, channel: Channel, event: Any) -> None:
        open_file = self._files.get(event.ino)
        if open_file is None:
            raise KernelError(errno.ENOENT)
        lib.transport_reply_text(self.handle, channel.number, os.fsencode(open_file.file.name))

    def _fdinfo(self, channel: Channel, event: Any) -> None:
        open_file = self._files.get(event.ino)
        if open_file is None:
            raise KernelError(errno.ENOENT)
        fd = open_fdinfo(open_file.file, ffi.string(event.text), event.ino, self._root)
        lib.transport_reply_fd(self.handle, channel.number, 0, fd)
        os.close(fd)

    def _mkdir(self, channel: Channel, event: Any) -> None:
        self._tracefs().mkdir(os.fsdecode(ffi.string(event.text)))
        lib.transport_reply(self.handle, channel.number, 0)

    def _rmdir(self, channel: Channel, event: Any) -> None:
        self._tracefs().rmdir(os.fsdecode(ffi.string(event.text)))
        lib.transport_reply(self.handle, channel.number, 0)

    def _tracefs(self) -> Directories:
        if self.kernel.tracefs is None:
            raise KernelError(errno.ENOENT)
        return self.kernel.tracefs

    def _settle(self, channel: Channel, _event: Any) -> None:
        """Deal with files of the host that were closed; those of ours are released when a request is looked at."""
        self.on_settle()
        lib.transport_reply(self.handle, channel.number, 0)
