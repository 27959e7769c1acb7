"""Tickets as files in a folder and on a real SFTP server; files that come back."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from lxml import etree

from open311.adapters.contract import Adapter
from open311.adapters.profile import ProfileFaults
from open311.adapters.registry import make_adapter, read_profile
from open311.domain.delivery import (
    Destination,
    Idempotency,
    ToolRefused,
    ToolUnauthorized,
    ToolUnreachable,
)
from tests.adapters.completed import completed_profile
from tests.adapters.sftp_server import PASSWORD, USER, SftpServer, sftp_server
from tests.adapters.tickets import LOOPBACK, photo, ticket, ticket_with_photos

FOLDERS = ("entrant", "traites", "retour")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SftpServer]:
    with sftp_server(tmp_path_factory.mktemp("sftp")) as running:
        yield running


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return _folders(tmp_path / "echange")


def _folders(root: Path) -> Path:
    for name in FOLDERS:
        (root / name).mkdir(parents=True)
    return root


@pytest.fixture
def sftp(server: SftpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Destination:
    monkeypatch.setenv("SFTP_PASSWORD", PASSWORD)
    home = _folders(server.root / tmp_path.name)
    return Destination(
        name="gentilly-csv",
        profile=str(_sftp_profile(tmp_path)),
        allowed_networks=LOOPBACK,
        settings={
            "host": "127.0.0.1",
            "port": str(server.port),
            "user": USER,
            "host_key": server.host_key,
            "root": f"/{home.name}",
        },
        secrets={"password": "env:SFTP_PASSWORD"},
    )


def _sftp_profile(folder: Path) -> Path:
    path = folder / "csv-sftp.toml"
    path.write_text('extends = "generic-csv"\nkind = "sftp"\n', encoding="utf-8")
    return path


@pytest.fixture(params=["folder", "sftp"])
def place(request: pytest.FixtureRequest, root: Path) -> tuple[Adapter, Path]:
    """An adapter of the generic CSV profile, and its root as this machine sees it."""
    if request.param == "folder":
        return make_adapter(folder_destination(root)), root
    server: SftpServer = request.getfixturevalue("server")
    destination: Destination = request.getfixturevalue("sftp")
    return make_adapter(destination), server.root / destination.settings["root"].strip("/")


def folder_destination(root: Path, profile: str = "generic-csv") -> Destination:
    return Destination(name="gentilly-csv", profile=profile, settings={"root": str(root)})


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_ticket_is_one_record_and_its_photos(place: tuple[Adapter, Path]) -> None:
    adapter, root = place
    receipt = adapter.create(ticket_with_photos(2))
    assert receipt.ticket_id == "12"
    assert names(root / "entrant") == ["DEMANDE_12.csv", "DEMANDE_12_1.jpg", "DEMANDE_12_2.jpg"]
    assert (root / "entrant" / "DEMANDE_12_2.jpg").read_bytes() == photo(2).content
    content = (root / "entrant" / "DEMANDE_12.csv").read_bytes()
    assert content.startswith("\ufeff".encode())
    assert content.endswith(b"\r\n")
    [row] = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=";")
    assert row["NUMERO"] == "12"
    assert row["CLE"] == "s0123456789-12"
    assert row["DATE"] == "16/11/2026 10:30"
    assert row["LATITUDE"] == "48,813000"
    assert row["LONGITUDE"] == "2,344400"
    assert row["DESCRIPTION"].endswith("\nDeuxième ligne.")
    assert (row["NOM"], row["COURRIEL"], row["TELEPHONE"]) == ("", "", "")


def test_the_reporter_is_named_only_where_the_destination_lets_it(root: Path) -> None:
    silent = folder_destination(root)
    told = replace(silent, settings=silent.settings | {"reporter_fields": "last_name"})
    shown = make_adapter(told).preview(ticket())
    assert "Blé" in shown
    assert "a.b@example.org" not in shown
    assert "Blé" not in make_adapter(silent).preview(ticket())


def test_a_step_done_twice_leaves_one_file(place: tuple[Adapter, Path]) -> None:
    adapter, root = place
    adapter.create(ticket(description="avant"))
    adapter.create(ticket(description="après"))
    assert names(root / "entrant") == ["DEMANDE_12.csv"]
    assert "après" in (root / "entrant" / "DEMANDE_12.csv").read_text("utf-8-sig")


@pytest.mark.parametrize("folder", ["entrant", "traites"])
def test_a_lost_delivery_is_found_where_it_was_dropped_or_archived(
    place: tuple[Adapter, Path], folder: str
) -> None:
    adapter, root = place
    assert adapter.capabilities.idempotency is Idempotency.LOOKUP
    assert adapter.lookup(ticket().key) is None
    adapter.create(ticket())
    (root / "entrant" / "DEMANDE_12.csv").rename(root / folder / "DEMANDE_12.csv")
    found = adapter.lookup(ticket().key)
    assert found is not None
    assert found.ticket_id == "12"
    assert adapter.lookup("s0123456789-1") is None
    assert adapter.lookup("s0123456789-2") is None


def test_a_half_written_file_is_not_the_ticket(place: tuple[Adapter, Path]) -> None:
    adapter, root = place
    (root / "entrant" / "DEMANDE_12.csv.part").write_bytes(b"NUMERO")
    assert adapter.lookup(ticket().key) is None
    adapter.create(ticket())
    assert names(root / "entrant") == ["DEMANDE_12.csv"]


def test_a_note_is_a_file_of_its_own(place: tuple[Adapter, Path]) -> None:
    adapter, root = place
    receipt = adapter.create(ticket())
    for key in ("7", "7", "8/../9"):
        adapter.comment(ticket(), receipt, "Toujours là ; merci", key)
    assert names(root / "entrant") == [
        "DEMANDE_12.csv", "NOTE_12_7.csv", "NOTE_12_8_.._9.csv"
    ]  # fmt: skip
    assert "Toujours là ; merci" in (root / "entrant" / "NOTE_12_7.csv").read_text("utf-8-sig")


def test_the_probe_counts_the_files_and_writes_none(place: tuple[Adapter, Path]) -> None:
    adapter, root = place
    assert "entrant (0 fichiers)" in adapter.probe()
    (root / "retour").rmdir()
    with pytest.raises(ToolUnreachable):
        adapter.probe()


def test_the_preview_is_the_very_record(root: Path) -> None:
    adapter = make_adapter(folder_destination(root))
    shown = adapter.preview(ticket_with_photos(1))
    assert names(root / "entrant") == []
    adapter.create(ticket_with_photos(1))
    written = (root / "entrant" / "DEMANDE_12.csv").read_bytes().decode("utf-8-sig")
    assert written in shown
    assert "DEMANDE_12_1.jpg" in shown


# Return files

HEADER = "NUMERO;REFERENCE;POSITION;DATE;COMMENTAIRE\r\n"
SENT_BACK = HEADER + "12;DI-2026-0042;Planifiée;17/11/2026 08:00;Équipe 3\r\n"


def give_back(root: Path, text: str, name: str = "R1.csv", *, at: int = 1_000) -> None:
    path = root / "retour" / name
    path.write_bytes(text.encode("utf-8-sig"))
    os.utime(path, (at, at))


def test_a_return_file_tells_number_position_date_and_comment(
    place: tuple[Adapter, Path],
) -> None:
    adapter, root = place
    start = adapter.changes(None)
    assert start.changes == ()
    give_back(root, SENT_BACK)
    page = adapter.changes(start.cursor)
    [change] = page.changes
    assert change.ticket_id == "12"
    assert change.number == "DI-2026-0042"
    assert change.status == "Planifiée"
    assert adapter.stage_of("Planifiée") == "planned"
    assert adapter.stage_of("Inventée") is None
    assert change.changed_datetime == datetime(2026, 11, 17, 7, 0, tzinfo=UTC)
    assert change.note == "Équipe 3"
    [again] = adapter.changes(page.cursor).changes  # overlap: the same event, the same id
    assert again == change


def test_a_nightly_list_that_repeats_itself_repeats_the_same_events(root: Path) -> None:
    adapter = make_adapter(folder_destination(root))
    give_back(root, SENT_BACK, "R1.csv", at=1_000)
    give_back(root, SENT_BACK + "13;;En cours;17/11/2026 09:00;\r\n", "R2.csv", at=2_000)
    ids = [change.event_id for change in adapter.changes("0").changes]
    assert len(ids) == 3
    assert len(set(ids)) == 2


def test_the_cursor_leaves_old_files_alone(root: Path) -> None:
    adapter = make_adapter(folder_destination(root))
    give_back(root, SENT_BACK, "R1.csv", at=1_000)
    give_back(root, SENT_BACK.replace("12;", "13;"), "R2.csv", at=5_000)
    page = adapter.changes("2000")
    assert [change.ticket_id for change in page.changes] == ["13"]
    assert page.cursor == "5000"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("R1.csv.part", SENT_BACK),
        ("R1.txt", SENT_BACK),
        ("R1.csv", SENT_BACK.rstrip("\r\n")),
        ("R1.csv", HEADER + ";DI-1;Planifiée;;\r\n"),
    ],
    ids=["part", "other-name", "still-being-written", "no-number"],
)
def test_what_is_no_complete_return_file_says_nothing(root: Path, name: str, text: str) -> None:
    give_back(root, text, name)
    assert make_adapter(folder_destination(root)).changes("0").changes == ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("NUMERO;POSITION\r\n12;Planifiée\r\n", "REFERENCE"),
        (HEADER + "12;;Planifiée;2026-11-17;\r\n", "2026-11-17"),
    ],
)
def test_a_file_that_the_profile_does_not_describe_is_refused_by_name(
    root: Path, text: str, told: str
) -> None:
    give_back(root, text)
    with pytest.raises(ToolRefused, match=rf"R1\.csv.*{told}"):
        make_adapter(folder_destination(root)).changes("0")


def test_a_file_in_another_encoding_is_refused_not_garbled(root: Path) -> None:
    (root / "retour" / "R1.csv").write_bytes(SENT_BACK.encode("cp1252"))
    with pytest.raises(ToolRefused, match="utf-8-sig"):
        make_adapter(folder_destination(root)).changes("0")


# SFTP


def test_another_host_key_stops_before_the_password_is_said(
    sftp: Destination, server: SftpServer
) -> None:
    other = "SHA256:" + "A" * 43
    fake = replace(sftp, settings=sftp.settings | {"host_key": other})
    with pytest.raises(ToolUnreachable, match="autre clé"):
        make_adapter(fake).create(ticket())
    good = replace(sftp, settings=sftp.settings | {"host_key": server.fingerprint})
    assert make_adapter(good).create(ticket()).ticket_id == "12"


def test_a_wrong_password_stops_the_destination(
    sftp: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SFTP_PASSWORD", "faux")
    with pytest.raises(ToolUnauthorized):
        make_adapter(sftp).create(ticket())


@pytest.mark.parametrize("kind", ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"])
def test_a_private_key_opens_too(tmp_path: Path, kind: str) -> None:
    with sftp_server(tmp_path / "server", client_key_type=kind) as server:
        _folders(server.root / "echange")
        (tmp_path / "key").write_text(server.client_key)
        destination = Destination(
            name="x",
            profile=str(_sftp_profile(tmp_path)),
            allowed_networks=LOOPBACK,
            settings={
                "host": "127.0.0.1", "port": str(server.port), "user": USER,
                "host_key": server.fingerprint, "root": "/echange",
            },
            secrets={"private_key": f"file:{tmp_path / 'key'}"},
        )  # fmt: skip
        make_adapter(destination).create(ticket())
        assert names(server.root / "echange" / "entrant") == ["DEMANDE_12.csv"]


def test_a_private_server_that_is_not_allowed_is_not_reached(sftp: Destination) -> None:
    with pytest.raises(ToolUnreachable, match="allowed_networks"):
        make_adapter(replace(sftp, allowed_networks=())).create(ticket())


def test_the_astech_template_writes_a_marker_last_and_reads_marked_files_only(
    sftp: Destination, server: SftpServer, tmp_path: Path
) -> None:
    root = server.root / sftp.settings["root"].strip("/")
    adapter = make_adapter(replace(sftp, profile=completed_profile(tmp_path, "sftp")))
    assert adapter.capabilities.idempotency is Idempotency.NONE
    adapter.create(ticket(description="Œuvre 😀"))
    assert names(root / "entrant") == ["DI_12.csv", "DI_12.csv.ok"]
    text = (root / "entrant" / "DI_12.csv").read_bytes().decode("cp1252")
    assert "Œuvre ?" in text
    assert '"651856,48";"6857192,14"' in text
    header = "NUMERO_EXTERNE;NUMERO_DI;POSITION;DATE_POSITION;COMMENTAIRE\n"
    back = root / "retour" / "RETOUR_1.csv"
    back.write_bytes((header + "12;DI7;Terminée;17/11/2026 08:00;fait\n").encode("cp1252"))
    assert adapter.changes("0").changes == ()
    (root / "retour" / "RETOUR_1.csv.ok").touch()
    [change] = adapter.changes("0").changes
    assert adapter.stage_of(change.status or "") == "done"


# Profiles


@pytest.fixture
def profile(tmp_path: Path) -> Callable[[str], str]:
    def write(text: str) -> str:
        path = tmp_path / "mine.toml"
        path.write_text(f'extends = "generic-csv"\n{text}', encoding="utf-8")
        return str(path)

    return write


def test_xml_holds_the_same_fields(profile: Callable[[str], str], root: Path) -> None:
    source = profile('[file]\ntype = "xml"\nxml_root = "demandes"\nxml_record = "demande"\n')
    make_adapter(folder_destination(root, source)).create(ticket())
    document = etree.parse(root / "entrant" / "DEMANDE_12.csv")
    assert document.xpath("string(/demandes/demande/NUMERO)") == "12"
    assert document.xpath("string(//DESCRIPTION)") == ticket().description


@pytest.mark.parametrize(("more", "mark"), [("", "'"), ("[file]\nguard_formulas = false\n", "")])
def test_formulas_are_disarmed_unless_the_profile_says_no(
    profile: Callable[[str], str], root: Path, more: str, mark: str
) -> None:
    west = ticket(description='=HYPERLINK("x")', title="＝1+1", long=-1.5536)
    make_adapter(folder_destination(root, profile(more))).create(west)
    text = (root / "entrant" / "DEMANDE_12.csv").read_text("utf-8-sig")
    assert f'"{mark}=HYPERLINK' in text
    assert f'"{mark}＝1+1"' in text
    assert '"-1,553600"' in text  # a negative number is no formula


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('[create]\nname = "D_{title}.csv"', "create.name"),
        ('[photos]\nname = "P.jpg"', "photos.name"),
        ('[file]\nfolder = "../ailleurs"', "file.folder"),
        ('[file]\nencoding = "latin-42"', "file.encoding"),
        ('[returns]\nid_colum = "X"', "returns.id_colum"),
        ("[create]\nfields = []", "create.fields"),
    ],
)
def test_a_faulty_profile_is_told_by_its_key(
    profile: Callable[[str], str], text: str, fault: str
) -> None:
    with pytest.raises(ProfileFaults) as raised:
        read_profile(profile(text))
    assert any(each.startswith(fault) for each in raised.value.faults), raised.value.faults
