"""A real `open311` process that a test starts, talks to and ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Self

GUARD_S = 60.0
_COMMAND = [sys.executable, "-c", "from open311.cli import main; main()"]
_REPOSITORY = Path(__file__).parent.parent.parent


class Running:
    """One command in a process group of its own; whatever is left of it is killed at exit.

    Attributes:
        said: what it printed, as `NAME=value` lines.
        text: all that it printed.
    """

    def __init__(self, *arguments: str, folder: Path, **environment: str) -> None:
        self.said: dict[str, str] = {}
        self.text = ""
        self.log = folder / "stderr.log"
        inherited = {key: text for key, text in os.environ.items() if not key.startswith("OPEN311")}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*_COMMAND, *arguments],
                cwd=folder,
                env=inherited | {"PYTHONPATH": str(_REPOSITORY)} | environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._listener.join()

    def await_line(self, name: str) -> str:
        """The value of `name=…` once the process has printed it."""
        self.wait_until(lambda: name in self.said or not self._listener.is_alive())
        assert name in self.said, self.log.read_text()
        return self.said[name]

    def wait_until(self, condition: Any) -> None:
        deadline = time.monotonic() + GUARD_S
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"it never came; it said:\n{self.log.read_text()}")
            time.sleep(0.01)

    def ends(self) -> int:
        """Its exit code, once it has ended by itself."""
        return self.process.wait(GUARD_S)

    @property
    def workers(self) -> set[int]:
        """Process ids of the server processes."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return {pid for pid in map(int, children.read_text().split()) if _is_worker(pid)}

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self.text += line
                name, equals, value = line.strip().partition("=")
                if equals and name.isupper():
                    self.said[name] = value


def _is_worker(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False
