"""The web server: granian, one process per worker, each with its own application.

The parent only watches: it starts the workers, starts again one that died, passes
the signal to stop on, and waits for the requests under way. It opens no database.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from multiprocessing.util import Finalize
from typing import Any

from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels
from granian.server import Server

from open311.config.settings import Settings
from open311.http.listening import Listening
from open311.http.logs import configure_logs, standard_logging

_PARENT_LOOK_S = 1.0
_LISTENERS = 1024


def run_server(
    settings: Settings, listening: Listening, *, ready: Callable[[], None], patience_s: float = 5.0
) -> int:
    """Serve until SIGTERM or SIGINT; the exit code, 0 after a wanted stop.

    Requests under way are answered first, for up to `graceful_stop_s`. A worker that
    dies is started again; one that dies again at once ends the server with 1.

    Args:
        listening: the address, already reserved.
        ready: called once, when the server answers `/readyz` with 200.
        patience_s: after how long the reasons for not being ready are logged.
    """
    # Workers start from nothing: no lock, thread or connection of ours is copied.
    multiprocessing.set_start_method("spawn", force=True)
    server = Server(
        "open311",
        address=listening.host,
        port=listening.port,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        websockets=False,
        workers=settings.worker_count(os.cpu_count() or 1),
        blocking_threads=settings.thread_count,
        backlog=_LISTENERS,
        log_dictconfig=standard_logging(settings.log_format, settings.log_level),
        log_level=LogLevels.debug if settings.log_level == "DEBUG" else LogLevels.warning,
        respawn_failed_workers=True,
        respawn_interval=0.5,
        workers_kill_timeout=max(1, math.ceil(settings.graceful_stop_s)),
    )
    ended = threading.Event()
    watch = threading.Thread(
        target=listening.await_ready, args=(ready, ended, patience_s), daemon=True
    )
    watch.start()
    try:
        server.serve(
            target_loader=partial(load_application, settings, os.getpid()), wrap_loader=False
        )
    except SystemExit as exit_:
        return 0 if server.interrupt_signal else int(exit_.code or 0)
    finally:
        ended.set()
    return 0


def load_application(settings: Settings, parent: int) -> Any:
    """The WSGI application of one worker process, with all that it holds open.

    Args:
        parent: process id of the watching parent, which we do not outlive.
    """
    from open311.http.application import Application  # noqa: PLC0415 - the parent needs none of it

    configure_logs(settings.log_format, settings.log_level)
    application = Application(settings)
    Finalize(None, application.close, exitpriority=10)
    threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()
    return application.wsgi


def _end_with_parent(parent: int) -> None:
    """Stop when the parent is gone: nobody would start us again, and the port stays taken."""
    while os.getppid() == parent:
        threading.Event().wait(_PARENT_LOOK_S)
    os.kill(os.getpid(), signal.SIGTERM)


def public_settings(settings: Settings, listening: Listening, *, is_given: bool) -> Settings:
    """Settings whose public URL is the address we listen on, when nobody gave another."""
    return settings if is_given else replace(settings, public_url=listening.url)
