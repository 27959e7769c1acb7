"""The contract by files: a real folder, a real SFTP server, and a FAKE of who imports them."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import asyncssh
import pytest

from open311.adapters.contract import Adapter
from open311.adapters.registry import make_adapter
from open311.adapters.testing import AdapterContract, Case, Tool, a_photo, a_ticket, proves
from open311.adapters.testing.cases import MEANINGLESS
from open311.adapters.testing.harness import changes_of
from open311.domain.delivery import (
    Destination,
    OutcomeUnknown,
    ToolError,
    ToolRefused,
    ToolUnauthorized,
    ToolUnreachable,
)
from open311.domain.status import Stage
from tests.adapters.completed import completed_profile
from tests.adapters.importer import Importer, Shape
from tests.adapters.mute_server import saying
from tests.adapters.sftp_server import PASSWORD, USER, Fault, SftpServer, sftp_server
from tests.adapters.tickets import LOOPBACK
from tests.adapters.worker_proof import WorkerProof

GENERIC = Shape(
    record="DEMANDE_",
    number="NUMERO",
    note="COMMENTAIRE",
    returned="NUMERO;REFERENCE;POSITION;DATE;COMMENTAIRE",
    encoding="utf-8-sig",
    archive="traites",
)
ASTECH = Shape(
    record="DI_",
    number="NUMERO_EXTERNE",
    note="NOTE",
    returned="NUMERO_EXTERNE;NUMERO_DI;POSITION;DATE_POSITION;COMMENTAIRE",
    encoding="cp1252",
    marker=".ok",
)
#: What every importer here has in common.
COMMON = {"moves": ("Terminée", Stage.DONE), "unmapped": "Chiffrage"}


def folders(root: Path) -> Path:
    for name in ("entrant", "traites", "retour"):
        (root / name).mkdir(parents=True)
    return root


class FileContract(AdapterContract, WorkerProof):
    """What both transports say in the same way."""

    @proves(Case.INVALID)
    def test_a_record_that_the_tool_refuses_comes_back_with_its_words(
        self, tool: Tool, adapter: Adapter
    ) -> None:
        assert isinstance(tool.behind, Importer)
        cursor = adapter.changes(None).cursor
        receipt = adapter.create(a_ticket())
        tool.behind.refuse(receipt.ticket_id, "nature inconnue")
        (change,) = changes_of(adapter, cursor, receipt.ticket_id)
        assert adapter.stage_of(change.status or "") == Stage.NO_FOLLOW_UP
        assert change.note == "nature inconnue"

    @proves(Case.HTML)
    def test_a_page_for_a_return_file_is_told_by_its_name(
        self, tool: Tool, adapter: Adapter
    ) -> None:
        assert isinstance(tool.behind, Importer)
        cursor = adapter.changes(None).cursor
        name = tool.behind.give_page()
        with pytest.raises(ToolRefused, match=name):
            adapter.changes(cursor)


class TestFolder(FileContract):
    """The generic CSV profile in a folder, grade look-up: what was read is in an archive."""

    profile = "generic-csv"
    meaningless = MEANINGLESS["folder"]

    @pytest.fixture
    def root(self) -> Iterator[Path]:
        """Where another account could come, unlike pytest's own folders."""
        root = Path(tempfile.mkdtemp())
        root.chmod(0o755)
        yield folders(root)
        shutil.rmtree(root)

    @pytest.fixture
    def tool(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> Tool:
        behind = Importer(root, GENERIC)
        return Tool(
            destination=Destination(
                "gentilly-csv", "generic-csv", settings={"root": str(root)}
            ),
            behind=behind,
            repeat=behind.repeat,
            lose=lambda: _failing_sync(monkeypatch, folders_only=True),
            **COMMON,
        )  # fmt: skip

    @proves(Case.LOST_ANSWER, Case.TRUNCATED)
    @pytest.mark.parametrize("is_renamed", [True, False])
    def test_a_disk_that_fails_leaves_the_whole_ticket_or_none(
        self, tool: Tool, adapter: Adapter, monkeypatch: pytest.MonkeyPatch, is_renamed: bool
    ) -> None:
        ticket = a_ticket()
        _failing_sync(monkeypatch, folders_only=is_renamed)
        with pytest.raises(OutcomeUnknown if is_renamed else ToolUnreachable):
            adapter.create(ticket)
        assert len(tool.behind.tickets(ticket.key)) == int(is_renamed)

    @pytest.mark.parametrize(
        ("number", "error"),
        [
            (errno.EIO, OutcomeUnknown),
            (errno.ETIMEDOUT, OutcomeUnknown),
            (errno.ENOENT, OutcomeUnknown),  # the same rename asked again over NFS
            (errno.ENOSPC, ToolUnreachable),
            (errno.EROFS, ToolUnreachable),
            (errno.EACCES, ToolUnauthorized),
        ],
    )
    def test_a_share_that_loses_the_answer_to_a_rename_leaves_it_in_doubt(
        self, adapter: Adapter, monkeypatch: pytest.MonkeyPatch, number: int, error: type[Exception]
    ) -> None:
        """Unless it says that it did not rename."""
        ticket = a_ticket()
        whole = Path.replace

        def lost(part: Path, target: Path) -> Path:
            if error is OutcomeUnknown:
                whole(part, target)
            raise OSError(number, os.strerror(number))

        with monkeypatch.context() as patched:
            patched.setattr(Path, "replace", lost)
            with pytest.raises(error) as raised:
                adapter.create(ticket)
        assert type(raised.value) is error
        assert (adapter.lookup(ticket.key) is not None) is (error is OutcomeUnknown)

    @proves(Case.BROKEN)
    def test_a_full_disk_leaves_nothing_to_import(
        self, tool: Tool, adapter: Adapter, root: Path
    ) -> None:
        ticket = a_ticket()
        part = root / "entrant" / f"DEMANDE_{ticket.service_request_id}.csv.part"
        part.symlink_to("/dev/full")
        with pytest.raises(ToolUnreachable, match="No space left"):
            adapter.create(ticket)
        assert tool.behind.tickets(ticket.key) == []
        assert adapter.lookup(ticket.key) is None

    @proves(Case.UNAUTHORIZED)
    def test_a_folder_that_is_closed_to_us_stops_the_destination(
        self, tool: Tool, adapter: Adapter, root: Path
    ) -> None:
        ticket = a_ticket()
        with _as_a_stranger(root / "entrant"), pytest.raises(ToolUnauthorized):
            adapter.create(ticket)
        assert tool.behind.tickets(ticket.key) == []

    @proves(Case.CONFLICT)
    def test_what_cannot_be_replaced_is_left_alone(
        self, tool: Tool, adapter: Adapter, root: Path
    ) -> None:
        ticket = a_ticket()
        name = f"DEMANDE_{ticket.service_request_id}.csv"
        (root / "entrant" / name).mkdir()
        with pytest.raises(ToolUnreachable):
            adapter.create(ticket)
        assert tool.behind.tickets(ticket.key) == []


def _failing_sync(monkeypatch: pytest.MonkeyPatch, *, folders_only: bool) -> None:
    """The next fsync of a folder, or of a file, fails as a broken disk makes it."""
    whole = os.fsync

    def fsync(descriptor: int) -> None:
        is_folder = Path(f"/proc/self/fd/{descriptor}").is_dir()
        if is_folder is folders_only:
            monkeypatch.setattr(os, "fsync", whole)
            raise OSError(errno.EIO, "Input/output error")
        whole(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)


@contextmanager
def _as_a_stranger(folder: Path) -> Iterator[None]:
    """Be somebody who may not write there; root may, so root becomes nobody."""
    folder.chmod(0o555)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        folder.chmod(0o755)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SftpServer]:
    with sftp_server(tmp_path_factory.mktemp("sftp")) as running:
        yield running


class SftpContract(FileContract):
    """What an SFTP server says, whatever the profile."""

    meaningless = MEANINGLESS["sftp"]
    shape: ClassVar[Shape]
    #: Ending of the file whose appearing makes the ticket.
    last: ClassVar[str]

    @pytest.fixture
    def source(self, tmp_path: Path) -> str:
        """The profile, by name or path."""
        return self.profile

    @pytest.fixture
    def tool(self, server: SftpServer, tmp_path: Path, source: str) -> Iterator[Tool]:
        home = folders(server.root / tmp_path.name)
        behind = Importer(home, self.shape)
        lost = Fault("posix_rename", self.last, is_done=True)
        yield Tool(
            destination=Destination(
                "gentilly-sftp",
                source,
                allowed_networks=LOOPBACK,
                epsg=2154,
                settings={
                    "host": "127.0.0.1",
                    "port": str(server.port),
                    "user": USER,
                    "host_key": server.host_key,
                    "root": f"/{home.name}",
                    "read_timeout_s": "1.5",
                },
                secrets={"password": "env:SFTP_PASSWORD"},
            ),
            environment={"SFTP_PASSWORD": PASSWORD},
            behind=behind,
            repeat=behind.repeat,
            lose=lambda: server.faults.append(lost),
            **COMMON,
        )
        server.faults.clear()

    @proves(Case.UNAUTHORIZED, Case.CONFLICT, Case.BROKEN, Case.TRUNCATED, Case.SLOW)
    @pytest.mark.parametrize(
        ("fault", "error"),
        [
            (Fault("open", error=asyncssh.SFTPPermissionDenied("non")), ToolUnauthorized),
            (Fault("posix_rename", error=asyncssh.SFTPPermissionDenied("x")), ToolUnauthorized),
            (Fault("write", error=asyncssh.SFTPFailure("No space left")), ToolUnreachable),
            (Fault("write"), ToolUnreachable),
            (Fault("write", delay_s=4), ToolUnreachable),
        ],
        ids=["closed folder", "closed rename", "disk full", "cut in the file", "slow write"],
    )
    def test_what_fails_before_the_rename_leaves_nothing_to_import(
        self,
        tool: Tool,
        adapter: Adapter,
        server: SftpServer,
        fault: Fault,
        error: type[ToolError],
    ) -> None:
        server.faults.append(fault)
        ticket = a_ticket()
        with pytest.raises(ToolError) as caught:
            adapter.create(ticket)
        assert type(caught.value) is error
        assert tool.behind.tickets(ticket.key) == []

    @proves(Case.LOST_ANSWER, Case.SLOW)
    @pytest.mark.parametrize("delay_s", [0, 4], ids=["cut", "slow"])
    def test_without_an_answer_to_the_last_rename_nobody_knows(
        self, tool: Tool, adapter: Adapter, server: SftpServer, delay_s: float
    ) -> None:
        server.faults.append(Fault("posix_rename", self.last, is_done=True, delay_s=delay_s))
        ticket = a_ticket()
        with pytest.raises(OutcomeUnknown):
            adapter.create(ticket)
        assert len(tool.behind.tickets(ticket.key)) == 1

    @pytest.mark.parametrize("ending", [".jpg", ".csv"])
    def test_a_file_that_another_one_must_follow_is_no_ticket_yet(
        self, tool: Tool, adapter: Adapter, server: SftpServer, ending: str
    ) -> None:
        """Nobody need be called: without its record, or its marker, it is nothing to the tool."""
        if ending == self.last:
            pytest.skip("this one is the last")
        server.faults.append(Fault("posix_rename", ending, is_done=True))
        ticket = a_ticket()
        ticket = replace(ticket, photos=(a_photo(ticket),))
        with pytest.raises(ToolUnreachable):
            adapter.create(ticket)
        assert tool.behind.tickets(ticket.key) == []
        adapter.create(ticket)
        assert len(tool.behind.tickets(ticket.key)[0].files) == 1

    @proves(Case.CONFLICT)
    def test_a_server_without_the_rename_that_replaces_gets_the_plain_one(
        self, tool: Tool, adapter: Adapter, server: SftpServer
    ) -> None:
        """Which does not replace: a file of the same name that is still there stays."""
        ticket = a_ticket()
        unsupported = Fault("posix_rename", error=asyncssh.SFTPOpUnsupported("non"))
        server.faults += [unsupported] * 2
        adapter.create(ticket)
        if self.last == ".csv":
            server.faults[:] = [unsupported]
            with pytest.raises(ToolUnreachable):
                adapter.create(replace(ticket, description="autre"))
        server.faults.clear()
        (seen,) = tool.behind.tickets(ticket.key)
        assert "école" in seen.text

    @proves(Case.BUSY, Case.BROKEN, Case.SLOW)
    @pytest.mark.parametrize(
        "greeting",
        [b"Exceeded MaxStartups\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", None],
        ids=["no more sessions", "web page", "hung up", "silence"],
    )
    def test_what_is_no_ssh_server_was_certainly_told_nothing(
        self, tool: Tool, adapter: Adapter, greeting: bytes | None
    ) -> None:
        with saying(greeting) as port:
            settings = tool.destination.settings | {"port": str(port)}
            with pytest.raises(ToolUnreachable):
                make_adapter(replace(tool.destination, settings=settings)).create(a_ticket())

    @proves(Case.UNAUTHORIZED)
    def test_a_wrong_password_stops_the_destination(
        self, tool: Tool, adapter: Adapter, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SFTP_PASSWORD", "faux")
        with pytest.raises(ToolUnauthorized):
            make_adapter(tool.destination).create(a_ticket())


class TestSftp(SftpContract):
    """The generic CSV profile over SFTP, grade look-up."""

    profile = "generic-csv"
    shape = GENERIC
    last = ".csv"

    @pytest.fixture
    def source(self, tmp_path: Path) -> str:
        path = tmp_path / "csv-sftp.toml"
        path.write_text('extends = "generic-csv"\nkind = "sftp"\n', encoding="utf-8")
        return str(path)


class TestAstechTemplate(SftpContract):
    """The AS-TECH template, grade none: no claim about AS-TECH, whose import is unknown."""

    profile = "astech-sftp"
    shape = ASTECH
    last = ".csv.ok"

    @pytest.fixture
    def source(self, tmp_path: Path) -> str:
        return completed_profile(tmp_path, "sftp")
