"""Backups that were altered, cut short or made to harm: refused, and nothing is touched."""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.cli.backing_up import assert_empty, call, fill
from tests.conftest import World


def test_a_backup_that_does_not_exist_is_not_called_damaged(tmp_path: Path) -> None:
    absent = str(tmp_path / "absent.tar")
    result = call(f"sqlite:///{tmp_path}/x.sqlite3", tmp_path / "media", "restore", absent)
    assert result.exit_code == 1
    assert f"{absent} : ce fichier n'existe pas." in result.output


def rewritten(archive: Path, change: Callable[[str, bytes], bytes | None]) -> Path:
    """The archive with its members changed; None leaves one out."""
    target = archive.with_name("altered.tar")
    with tarfile.open(archive) as old, tarfile.open(target, "w") as new:
        for member in old:
            file = old.extractfile(member)
            assert file is not None
            content = change(member.name, file.read())
            if content is not None:
                member.size = len(content)
                new.addfile(member, io.BytesIO(content))
    return target


def _flip(name_part: str) -> Callable[[str, bytes], bytes]:
    def change(name: str, content: bytes) -> bytes:
        middle = len(content) // 2
        if name_part not in name:
            return content
        return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]

    return change


def _manifest(**changes: Any) -> Callable[[str, bytes], bytes]:
    def change(name: str, content: bytes) -> bytes:
        if name != "manifest.json":
            return content
        given = json.loads(content)
        for path, value in changes.items():
            *parents, last = path.split("__")
            inner = given
            for parent in parents:
                inner = inner[parent]
            inner[last] = value
        return json.dumps(given).encode()

    return change


def _without(name_part: str) -> Callable[[str, bytes], bytes | None]:
    return lambda name, content: None if name_part in name else content


_ALTERED: dict[str, tuple[Callable[[str, bytes], bytes | None], str]] = {
    "a bit of the data": (_flip("service_request.copy"), "altérée"),
    "a bit of the database file": (_flip("database.sqlite3"), "altérée"),
    "a bit of a photo": (_flip("media/"), "abîmée"),
    "no manifest": (_without("manifest"), "pas été terminée"),
    "no photos": (_without("media/"), "tronquée"),
    "the count of rows": (_manifest(snapshot__counts__service_request=99), "au lieu de 99"),
    "a format of tomorrow": (_manifest(format=2), "abîmée"),
    "a revision of tomorrow": (_manifest(snapshot__revision="9999"), "version plus récente"),
    "a manifest of nothing": (_manifest(snapshot={}), "abîmée"),
}


def test_an_altered_backup_is_refused_and_nothing_is_touched(
    world: World, backed_up: Callable[..., Path], empty_place: tuple[str, Path]
) -> None:
    fill(world)
    archive = backed_up()
    tried = 0
    for name, (change, words) in _ALTERED.items():
        altered = rewritten(archive, change)
        if same_members(archive, altered):
            continue  # the other engine's file
        tried += 1
        result = call(*empty_place, "restore", str(altered))
        assert result.exit_code == 1, name
        assert words in result.output, name
        assert_empty(empty_place)
    assert tried == len(_ALTERED) - 1


def same_members(one: Path, other: Path) -> bool:
    def contents(path: Path) -> list[bytes]:
        with tarfile.open(path) as tar:
            return [file.read() for member in tar if (file := tar.extractfile(member))]

    return contents(one) == contents(other)


def test_a_backup_cut_short_is_refused(
    world: World, backed_up: Callable[..., Path], empty_place: tuple[str, Path]
) -> None:
    fill(world)
    archive = backed_up()
    content = archive.read_bytes()
    for share in (0, 0.01, 0.3, 0.6, 0.9):  # what follows the manifest holds nothing
        archive.write_bytes(content[: int(share * len(content))])
        result = call(*empty_place, "restore", str(archive))
        assert result.exit_code == 1, share
        assert re.search("abîmée|terminée|altérée", result.output), share
        assert_empty(empty_place)


def test_an_archive_writes_nowhere_but_where_it_should(
    world: World, backed_up: Callable[..., Path], empty_place: tuple[str, Path], tmp_path: Path
) -> None:
    for evil in ("../evil", "/tmp/evil-open311", "tables/../../evil.copy", "media/../../evil"):
        archive = tmp_path / "evil.tar"
        with tarfile.open(archive, "w") as tar:
            member = tarfile.TarInfo(evil)
            member.size = 4
            tar.addfile(member, io.BytesIO(b"evil"))
        result = call(*empty_place, "restore", str(archive))
        assert result.exit_code == 1
        archive.unlink()
        assert not [*tmp_path.rglob("*evil*"), *Path("/tmp").glob("evil-open311")]
