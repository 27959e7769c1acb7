"""Photos on disk: durable before they are acknowledged, whole after a crash or a race."""

from __future__ import annotations

import hashlib
import os
import resource
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from open311.domain.errors import Unavailable
from open311.storage.media import DiskMediaStore
from tests.storage.photos import read_photo


@pytest.mark.parametrize("moment", [".incoming", ".jpg"])
def test_whoever_puts_a_photo_while_it_is_deleted_finds_it_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Before the file is taken away, and between that and the look at its age."""
    store = DiskMediaStore(tmp_path)
    name = store.put(b"a photo", suffix=".jpg")
    (path,) = tmp_path.rglob("*.jpg")
    os.utime(path, (0, 0))
    method = "stat" if moment == ".incoming" else "replace"
    original = getattr(Path, method)

    put = []

    def put_before(self: Path, *arguments: Any, **named: Any) -> Any:
        if not put and moment in str(self):
            put.append(self)
            store.put(b"a photo", suffix=".jpg")
        return original(self, *arguments, **named)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(Path, method, put_before)
        store.delete(name, written_before=datetime.now(UTC) - timedelta(hours=1))
    assert put
    assert read_photo(store, name) == b"a photo"
    assert list((tmp_path / ".incoming").iterdir()) == []


# --- disk only: durability ---
def test_file_and_folders_are_synced_before_put_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = DiskMediaStore(tmp_path / "photos")
    steps: list[tuple[str, str]] = []
    fsync, replace = os.fsync, os.replace

    def spying_fsync(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink().relative_to(tmp_path)
        steps.append(("sync", str(path)))
        fsync(descriptor)

    def spying_replace(source: Path, target: Path) -> None:
        steps.append(("rename", str(Path(target).relative_to(tmp_path))))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", spying_fsync)
    monkeypatch.setattr(os, "replace", spying_replace)
    name = store.put(b"a photo", suffix=".jpg")
    first, second = name[:2], name[2:4]
    folders = [("sync", f"photos/{p}") for p in (f"{first}/{second}", first)] + [("sync", "photos")]
    assert steps[0][0] == "sync"
    assert steps[0][1].startswith("photos/.incoming/")
    assert steps[1:] == [("rename", f"photos/{first}/{second}/{name}"), *folders]

    steps.clear()
    store.put(b"a photo", suffix=".jpg")
    assert steps == folders, "another writer may not have synced them yet"

    steps.clear()
    store.delete(name)
    assert steps[1:] == folders[:1]


def test_a_new_root_is_synced_into_its_parents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: set[str] = set()
    monkeypatch.setattr(
        os, "fsync", lambda fd: synced.add(str(Path(f"/proc/self/fd/{fd}").readlink()))
    )
    DiskMediaStore(tmp_path / "a" / "b")
    assert synced == {str(tmp_path), str(tmp_path / "a"), str(tmp_path / "a" / "b")}


WRITER = """
import os, sys
from pathlib import Path
from open311.storage.media import DiskMediaStore
store = DiskMediaStore(Path(sys.argv[1]))
while True:
    print(store.put(os.urandom(200_000), suffix=".jpg"), flush=True)
"""


def test_a_killed_writer_leaves_every_acknowledged_photo_and_no_half_one(tmp_path: Path) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    acknowledged = [writer.stdout.readline().strip() for _ in range(60)]
    writer.send_signal(signal.SIGKILL)
    acknowledged += [line.strip() for line in writer.stdout if line.endswith("\n")]
    writer.wait()
    writer.stdout.close()
    store = DiskMediaStore(tmp_path)
    kept = set(store.names())
    assert set(acknowledged) <= kept
    for name in kept:
        assert hashlib.sha256(read_photo(store, name)).hexdigest() + ".jpg" == name


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    store = DiskMediaStore(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(Unavailable):
            store.put(b"x" * 200_000, suffix=".jpg")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_leftovers_of_a_crash_are_removed_when_the_store_opens(tmp_path: Path) -> None:
    DiskMediaStore(tmp_path)
    old, fresh = tmp_path / ".incoming" / "old", tmp_path / ".incoming" / "fresh"
    for path in (old, fresh):
        path.write_bytes(b"half a pho")
    two_hours_ago = time.time() - 7_200
    os.utime(old, (two_hours_ago, two_hours_ago))
    DiskMediaStore(tmp_path)
    assert fresh.exists(), "another writer may be at work on it"
    assert not old.exists()


def test_putting_a_photo_again_saves_it_from_the_sweep(tmp_path: Path) -> None:
    store = DiskMediaStore(tmp_path)
    name = store.put(b"a photo", suffix=".jpg")
    two_days_ago = time.time() - 172_800
    os.utime(tmp_path / name[:2] / name[2:4] / name, (two_days_ago, two_days_ago))
    yesterday = datetime.now(UTC) - timedelta(days=1)
    assert list(store.names(written_before=yesterday)) == [name]
    store.put(b"a photo", suffix=".jpg")
    assert list(store.names(written_before=yesterday)) == []


def test_files_that_are_no_photos_are_not_told(tmp_path: Path) -> None:
    store = DiskMediaStore(tmp_path)
    name = store.put(b"a photo", suffix=".jpg")
    (tmp_path / name[:2] / name[2:4] / "notes.txt").write_text("x")
    (tmp_path / name[:2] / name).write_text("at the wrong place")
    (tmp_path / name[:2] / name[2:4] / ("0" * 64 + ".jpg")).write_text("at the wrong place")
    assert list(store.names()) == [name]


def test_a_root_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "photos").write_text("not a folder")
    with pytest.raises(Unavailable):
        DiskMediaStore(tmp_path / "photos")
