"""One small question after another, by connections that are kept for nothing else.

The pool looks at each connection before it gives it away, and keeps books: twice the work of the
question itself, where that is a single look at a hash.
"""

from __future__ import annotations

import os
from collections import deque
from typing import Any

import redis
from hiredis import pack_command
from redis.cluster import RedisCluster

from recommender.store.connection import Client, translated
from recommender.store.packed import Command, answered


class Lane:
    """Safe to share between threads; there are as many connections as ever asked at once."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._is_cluster = isinstance(client, RedisCluster)
        self._idle: deque[Any] = deque()  # pop and append need no lock
        self._process = os.getpid()

    def ask(self, command: Command) -> Any:
        """The reply to a command that only reads. Raises StoreError."""
        if self._is_cluster:
            return answered(self._client, command)
        with translated():
            connection = self._connection()
            try:
                connection.send_packed_command([pack_command(command)])
                reply = connection.read_response()
            except redis.ConnectionError:  # as when Redis was restarted: the pool tries again
                connection.disconnect()
                return answered(self._client, command)
            except BaseException:
                connection.disconnect()  # a reply may be left in it
                raise
            self._idle.append(connection)
            return reply

    def _connection(self) -> Any:
        if self._process != os.getpid():  # what was forked is the parent's
            self._idle, self._process = deque(), os.getpid()
        try:
            return self._idle.pop()
        except IndexError:
            made = self._client.connection_pool.make_connection()
            made.connect()
            return made
