"""Debian's dovecot, really started without privileges: imaps and STARTTLS, one box per user."""

from __future__ import annotations

import grp
import imaplib
import os
import pwd
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.adapters.certificates import make_certificate
from tests.postgres_binaries import unprivileged_user

#: dovecot lives in sbin, which an ordinary PATH leaves out.
DOVECOT = shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
PASSWORD = "un-mot-de-passe"
GUARD_S = 60.0
_CONFIGURATION = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = imap
listen = 127.0.0.1
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
ssl = required
ssl_cert = <{folder}/certificate.pem
ssl_key = <{folder}/key.pem
first_valid_uid = 0
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/homes/%u
}}
mail_location = maildir:~/mail
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {starttls}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
"""


@dataclass(frozen=True)
class ImapServer:
    """A running dovecot; every user name has a box, with one password."""

    folder: Path
    imaps: int
    starttls: int

    @property
    def ca_file(self) -> Path:
        return self.folder / "certificate.pem"

    def put(self, user: str, mail: EmailMessage) -> None:
        """What the mail system does with a mail for this box."""
        with self.opened(user) as imap:
            status, told = imap.append("INBOX", "", "", mail.as_bytes())
            assert status == "OK", told

    def flags(self, user: str) -> list[bytes]:
        """The flags of every mail, in order."""
        with self.opened(user) as imap:
            imap.select("INBOX", readonly=True)
            return [line for line in imap.fetch("1:*", "FLAGS")[1] if isinstance(line, bytes)]

    def rebuild(self, user: str, *, keep: int) -> None:
        """What moving a box to another server does: new UIDs from 1 on, new UIDVALIDITY.

        Only the newest mails come along.
        """
        mail = self.folder / "homes" / user / "mail"
        for file in mail.glob("dovecot*"):
            file.unlink()
        for file in sorted([*mail.glob("cur/*"), *mail.glob("new/*")], key=lambda f: f.name)[
            :-keep
        ]:
            file.unlink()

    @contextmanager
    def opened(self, user: str) -> Iterator[imaplib.IMAP4]:
        context = ssl.create_default_context(cafile=self.ca_file)
        with imaplib.IMAP4_SSL("localhost", self.imaps, ssl_context=context) as imap:
            imap.login(user, PASSWORD)
            yield imap


@contextmanager
def imap_server() -> Iterator[ImapServer]:
    """A server on free ports of this machine; skips loudly where dovecot 2.3 is not."""
    if DOVECOT is None or not _version().startswith("2.3."):
        pytest.skip("SKIPPED LOUDLY: dovecot 2.3 is not installed (apt: dovecot-imapd)")
    owner = unprivileged_user()
    with tempfile.TemporaryDirectory(prefix="dovecot-") as made:
        folder = Path(made)
        server = ImapServer(folder, _free_port(), _free_port())
        make_certificate(folder)
        for name in ("run", "state", "homes"):
            (folder / name).mkdir()
        (folder / "dovecot.conf").write_text(_configured(server, owner.uid, owner.gid))
        owner.own(folder)
        command = [DOVECOT, "-F", "-c", folder / "dovecot.conf"]
        process = subprocess.Popen(command, **owner.popen_arguments)
        try:
            _await(server, process)
            yield server
        finally:
            process.terminate()
            process.wait(GUARD_S)


def _configured(server: ImapServer, uid: int | None, gid: int | None) -> str:
    uid, gid = os.getuid() if uid is None else uid, os.getgid() if gid is None else gid
    return _CONFIGURATION.format(
        folder=server.folder,
        user=pwd.getpwuid(uid).pw_name,
        group=grp.getgrgid(gid).gr_name,
        uid=uid,
        gid=gid,
        password=PASSWORD,
        imaps=server.imaps,
        starttls=server.starttls,
    )


def _await(server: ImapServer, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + GUARD_S
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", server.imaps), timeout=1).close()
        except OSError:
            assert process.poll() is None, (server.folder / "log").read_text()
            time.sleep(0.02)
        else:
            return
    raise AssertionError((server.folder / "log").read_text())


def _version() -> str:
    assert DOVECOT is not None
    return subprocess.check_output([DOVECOT, "--version"], text=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
