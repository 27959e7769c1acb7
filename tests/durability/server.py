"""The real server, as an operator starts it: `open311 serve` on a database of its own."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO

_START_GUARD = 60.0  # seconds; a healthy start takes one or two
_COMMAND = Path(sys.executable).with_name("open311")


class ServerProcess:
    """`open311 serve` in a process group of its own, so that it can be killed whole.

    Args:
        folder: Where photos and the log go.
        database_url: SQLAlchemy URL of the database.
        settings: More settings, by environment variable.
    """

    def __init__(
        self, folder: Path, database_url: str, settings: dict[str, str] | None = None
    ) -> None:
        self.base = ""
        self.log = folder / "serve.log"
        self._folder = folder
        foreign = {key: text for key, text in os.environ.items() if not key.startswith("OPEN311_")}
        self._environment = {
            **foreign,
            "OPEN311_DATABASE_URL": database_url,
            "OPEN311_MEDIA_URL": str(folder / "media"),
            "OPEN311_LOG_LEVEL": "WARNING",
            **(settings or {}),
        }
        self._process: subprocess.Popen[str] | None = None

    def run(self, *arguments: str) -> str:
        """Run one `open311` command on the same database; return what it printed.

        Raises:
            RuntimeError: it failed; with what it said.
        """
        done = subprocess.run(
            [_COMMAND, *arguments],
            check=False,
            capture_output=True,
            cwd=self._folder,
            env=self._environment,
            text=True,
        )
        if done.returncode != 0:
            raise RuntimeError(f"open311 {' '.join(arguments)}: {done.stderr or done.stdout}")
        return done.stdout

    def prepare(self, jurisdiction_file: Path, jurisdiction_id: str) -> str:
        """Create the tables, apply a jurisdiction, and return a fresh key to post with."""
        self.run("db", "upgrade")
        self.run("jurisdiction", "apply", str(jurisdiction_file))
        created = self.run("key", "create", "--jurisdiction", jurisdiction_id, "--json")
        key: str = json.loads(created)["key"]
        return key

    def start(self) -> None:
        """Start serving on a free port, and wait until it says at which `base`."""
        with self.log.open("a") as log:
            self._process = subprocess.Popen(
                [_COMMAND, "serve", "--port", "0"],
                cwd=self._folder,
                env=self._environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        assert self._process.stdout is not None
        self.base = _announced_base(self._process.stdout)
        if not self.base:
            self.kill()
            raise RuntimeError(f"open311 serve did not start:\n{self.log.read_text()}")

    def signal(self, number: int) -> None:
        """Send a signal to the process that was started, as an operator or systemd does."""
        assert self._process is not None
        self._process.send_signal(number)

    def ended(self) -> int:
        """The exit status, once it has ended by itself."""
        assert self._process is not None
        status = self._process.wait(_START_GUARD)
        self.kill()  # closes what is open, and whoever it left behind
        return status

    def kill(self) -> None:
        """Kill -9 every process of the server, and wait until none is left."""
        if self._process is None:
            return
        group = self._process.pid
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        deadline = time.monotonic() + _START_GUARD
        while _is_running(group):
            if time.monotonic() > deadline:
                raise RuntimeError(f"process group {group} was killed and is still there")
            time.sleep(0.005)
        self._process = None


def _announced_base(output: IO[str]) -> str:
    """The URL in the line `BASE=…`; empty if the server ended or kept silent too long.

    A thread reads on to the end, so that the server never waits for us to listen.
    """
    found: queue.SimpleQueue[str] = queue.SimpleQueue()

    def listen() -> None:
        with contextlib.suppress(ValueError):  # closed under our hands by `kill`
            for line in output:
                if line.startswith("BASE="):
                    found.put(line.removeprefix("BASE=").strip())
        found.put("")

    threading.Thread(target=listen, daemon=True).start()
    try:
        return found.get(timeout=_START_GUARD)
    except queue.Empty:
        return ""


def _is_running(group: int) -> bool:
    """Whether a process of the group still runs, be it by one thread.

    A dead orphan stays listed until the system's first process looks at it, which may
    take seconds: it holds nothing any more, and is not waited for.
    """
    members = (path.parent for path in Path("/proc").glob("[0-9]*/stat"))
    return any(_group_of(member) == group and _is_alive(member) for member in members)


def _group_of(member: Path) -> int:
    """A process's group, from proc(5); -1 when it is gone."""
    try:
        return int((member / "stat").read_text(errors="replace").rpartition(")")[2].split()[2])
    except OSError:
        return -1


def _is_alive(member: Path) -> bool:
    try:
        threads = [(each / "stat").read_text() for each in (member / "task").iterdir()]
    except OSError:  # one went while we looked: look again
        return member.exists()
    return any(each.rpartition(")")[2].split()[0] not in "XZ" for each in threads)
