"""gunicorn around the HTTP API: its settings, and how it begins and ends."""

from __future__ import annotations

import gc
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from gunicorn.app.base import BaseApplication
from prometheus_client import multiprocess

from api import create_app
from api.access_log import AccessLog, write_to
from recommender.cli.worker import Worker
from recommender.settings import Settings

THREADS = 8
"""Requests that a worker answers at a time."""

GRACE_SECONDS = 20
"""How long requests that are being answered may take after SIGTERM or Ctrl-C."""


@dataclass(frozen=True)
class Serving:
    """What is to be served: ``said`` is for a person, once it answers."""

    settings: Settings
    listener: socket.socket
    workers: int
    said: str
    access_log: bool


def run(serving: Serving) -> None:
    """Serves until SIGTERM or Ctrl-C, then leaves with 0."""
    _Application(serving).run()


class _Application(BaseApplication):  # type: ignore[misc] # gunicorn has no types
    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        # Before there are workers, which then put their figures there.
        self._folder = Path(tempfile.mkdtemp(prefix="recommender-metrics-"))
        self._settings = serving.settings.with_metrics_in(self._folder)
        super().__init__()

    def load_config(self) -> None:
        """Settings for small machines and large; the log holds warnings and errors only."""
        choices: dict[str, Any] = {
            "bind": f"fd://{self._serving.listener.fileno()}",
            "workers": self._serving.workers,
            "threads": THREADS,
            "worker_class": Worker,
            "timeout": 60,
            "graceful_timeout": GRACE_SECONDS,
            "keepalive": 30,
            "limit_request_line": 8190,
            "loglevel": "warning",
            "control_socket_disable": True,
            # Ctrl-C reaches every process of the terminal: the workers leave it to their master.
            "when_ready": lambda arbiter: self._begin(),
            "post_worker_init": lambda worker: signal.signal(signal.SIGINT, signal.SIG_IGN),
            "child_exit": lambda arbiter, worker: self._forget(worker.pid),
            "on_exit": lambda arbiter: shutil.rmtree(self._folder, ignore_errors=True),
        }
        for name, value in choices.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def _begin(self) -> None:
        signal.signal(signal.SIGINT, _finish)
        click.echo(self._serving.said, err=True)

    def _forget(self, pid: int) -> None:
        """A worker has gone: what it counted stays, what it was goes."""
        multiprocess.mark_process_dead(pid, str(self._folder))  # type: ignore[no-untyped-call]

    def load(self) -> Any:
        """The application, made in each worker."""
        app = create_app(self._settings)
        # What is there by now stays; to look through it for garbage stopped all threads for 50 ms.
        gc.collect()
        gc.freeze()
        if not self._serving.access_log:
            return app
        return AccessLog(app, write_to(sys.stdout.fileno()))


def _finish(*_: object) -> None:
    # gunicorn's own Ctrl-C cuts answers off; and workers with silent clients are no error now.
    logging.getLogger("gunicorn.error").setLevel(logging.CRITICAL)
    os.kill(os.getpid(), signal.SIGTERM)
