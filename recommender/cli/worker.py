"""gunicorn's threads, kept free for requests that are there: slow clients wait by themselves.

A thread begins when a whole head has come, with its body where that is short; what trickles in
until then costs a little memory. A longer body has to come at a pace, and an answer to be taken.
"""

from __future__ import annotations

import ctypes
import re
import socket
import struct
import time
from contextlib import suppress
from typing import Any

from gunicorn.workers import gthread

HEAD_SECONDS = 10.0
"""How long a head, with a short body, may be on its way."""

LONGEST_HEAD = 64 * 1024
SHORT_BODY = 64 * 1024
"""Bytes up to which a body is waited for without a thread."""

STALL_SECONDS = 10
"""How long nothing may come of a longer body, or be taken of an answer."""

M_ARENA_MAX = -8
"""The number of mallopt's parameter, in glibc's malloc.h."""

SLOWEST = 1000
"""Bytes a second that a longer body has to come at, after HEAD_SECONDS."""

LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,18})[ \t]*\r\n", re.IGNORECASE)
EXPECT = re.compile(rb"\r\nexpect:", re.IGNORECASE)


class Worker(gthread.ThreadWorker):  # type: ignore[misc] # gunicorn has no types
    """A worker process with threads."""

    sockets: list[Any]

    def init_process(self) -> None:
        """Begins to serve."""
        _share_memory()
        self.sockets = [_Listener(each) for each in self.sockets]
        super().init_process()

    def handle(self, conn: Any) -> Any:
        """Handles a request that has come, in a thread; puts the others aside."""
        try:
            has_come = conn.sock.has_come(conn.parser)
        except OSError:
            return False
        if not has_come:
            return False if has_come is None else gthread._DEFER
        conn.data_ready = True
        conn.sock.setblocking(True)
        conn.init()
        conn.parser.unreader.unread(conn.sock.taken())
        return super().handle(conn)

    def _cap_keepalive(self, deadline: float) -> None:
        """What has not come when the worker is to stop is not waited for."""
        super()._cap_keepalive(deadline)
        for conn in self.pending_conns:
            conn.timeout = min(conn.timeout, deadline)


class Patient(socket.socket):
    """A client's connection, which is read ahead without waiting, and then with some patience."""

    def __init__(self, own: socket.socket) -> None:
        super().__init__(own.family, own.type, own.proto, fileno=own.detach())
        limit = struct.pack("ll", STALL_SECONDS, 0)
        self.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        self.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        self._ahead = bytearray()
        self._began = 0.0
        self._count = 0

    def has_come(self, parser: Any) -> bool | None:
        """Whether a request is there; None where none will come, or not in time."""
        ahead = self._ahead
        if parser is not None:
            ahead += parser.unreader.take_buffered()
        now = time.monotonic()
        if not ahead:
            self._began = now
        self.setblocking(False)
        while not _is_whole(ahead):
            try:
                data = super().recv(LONGEST_HEAD)
            except BlockingIOError:
                return None if now > self._began + HEAD_SECONDS else False
            if not data:
                return None
            ahead += data
        return True

    def taken(self) -> bytes:
        """What was read ahead, for whoever handles it now."""
        self._count = len(self._ahead)
        self._began = time.monotonic()
        taken = bytes(self._ahead)
        self._ahead.clear()
        return taken

    def recv(self, size: int, flags: int = 0) -> bytes:
        """As a socket's. Raises ConnectionResetError for a client that is too slow."""
        try:
            data = super().recv(size, flags)
        except BlockingIOError as error:
            raise _too_slow() from error
        self._count += len(data)
        if time.monotonic() > self._began + HEAD_SECONDS + self._count / SLOWEST:
            raise _too_slow()
        return data

    def sendall(self, data: Any, flags: int = 0) -> None:
        """As a socket's. Raises ConnectionResetError for a client that does not take it."""
        try:
            super().sendall(data, flags)
        except BlockingIOError as error:
            raise _too_slow() from error


class _Listener:
    """A listening socket whose connections are patient ones."""

    def __init__(self, own: Any) -> None:
        self._own = own

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own, name)

    def accept(self) -> tuple[Patient, Any]:
        """The next connection and its client's address."""
        accepted, address = self._own.accept()
        return Patient(accepted), address


def _share_memory() -> None:
    """Lets all threads allocate from the same few pools, where the C library is glibc.

    By default each thread has its own and keeps what it once needed, so that a process grows for
    hours though nothing leaks.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


def _is_whole(ahead: bytearray) -> bool:
    """Whether a request that begins so can be handled without waiting for more of it."""
    end = ahead.find(b"\r\n\r\n")
    if end < 0:
        return len(ahead) > LONGEST_HEAD
    found = LENGTH.search(ahead, 0, end + 2)
    length = int(found[1]) if found else 0
    if not 0 < length <= SHORT_BODY or EXPECT.search(ahead, 0, end + 2):
        return True
    return len(ahead) >= end + 4 + length


def _too_slow() -> ConnectionResetError:
    # What gunicorn takes for a client that has gone, and does not report.
    return ConnectionResetError(104, "the client is too slow")
