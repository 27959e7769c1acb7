"""Photos are kept by digest, durably, alike on disk and in an S3-compatible store."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from open311.domain.errors import NotFound, Unavailable
from open311.storage.media import MediaStore, open_media_store
from tests.s3_server import S3Server, started_s3_server, use_credentials
from tests.storage.photos import read_photo

HOSTILE_NAMES = [
    "",
    ".",
    "..",
    "../../etc/passwd",
    "/etc/passwd",
    "a" * 64,
    "a" * 63 + ".jpg",
    "A" * 64 + ".jpg",
    "g" * 64 + ".jpg",
    "a" * 64 + ".jpg\n",
    "a" * 64 + ".jpg\0",
    "a" * 64 + ".jpg/..",
    "a" * 64 + "/../x.jpg",
    "a" * 64 + "..jpg",
    "a" * 64 + ".JPG",
    "a" * 64 + ".a.b.c",
    "a" * 64 + ".jp%67",
    "../" + "a" * 64 + ".jpg",
    ".incoming/" + "a" * 64 + ".jpg",
    "١" * 64 + ".jpg",
]

HOSTILE_SUFFIXES = ["", "jpg", ".", "..", "/.jpg", ".jpg/", ".JPG", ".j p", ".jpg\n", "." + "a" * 9]


@pytest.fixture(scope="module")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with started_s3_server(tmp_path_factory.mktemp("nanio")) as server:
        yield server


@pytest.fixture(scope="module")
def s3_stores(s3_server: S3Server) -> Iterator[dict[str, MediaStore]]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        use_credentials(monkeypatch)
        stores = {
            "s3": open_media_store(s3_server.url()),
            "s3 with a prefix": open_media_store(s3_server.url("ville/photos")),
        }
    yield stores
    for store in stores.values():
        _close(store)


@pytest.fixture(params=["disk", "s3", "s3 with a prefix"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MediaStore]:
    if request.param == "disk":
        yield open_media_store(str(tmp_path / "photos"))
        return
    opened: MediaStore = request.getfixturevalue("s3_stores")[request.param]
    yield opened
    for name in list(opened.names()):
        opened.delete(name)


def _close(store: MediaStore) -> None:
    store._client.close()  # type: ignore[attr-defined]


# --- the contract, the same for every store ---
@pytest.mark.parametrize(
    "content",
    [b"", b"\0", b"a photo", os.urandom(3_000_000)],
    ids=["empty", "NUL", "short", "3 MB"],
)
def test_what_is_put_is_read_back_under_its_digest(store: MediaStore, content: bytes) -> None:
    name = store.put(content, suffix=".jpg")
    assert name == hashlib.sha256(content).hexdigest() + ".jpg"
    assert store.exists(name)
    assert read_photo(store, name) == content


def test_putting_the_same_photo_again_changes_nothing(store: MediaStore) -> None:
    first = store.put(b"a photo", suffix=".jpg")
    assert store.put(b"a photo", suffix=".jpg") == first
    assert list(store.names()) == [first]
    assert read_photo(store, first) == b"a photo"


def test_many_writers_of_one_photo_agree(store: MediaStore) -> None:
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(lambda _: store.put(b"one", suffix=".jpg"), range(32)))
    assert list(store.names()) == [names[0]]
    assert set(names) == {names[0]}
    assert read_photo(store, names[0]) == b"one"


def test_a_suffix_tells_photo_from_thumbnail(store: MediaStore) -> None:
    names = {store.put(b"x", suffix=".jpg"), store.put(b"x", suffix=".thumb.jpg")}
    assert set(store.names()) == names
    assert len(names) == 2


def test_an_absent_photo_is_not_found_and_deleting_it_is_no_fault(store: MediaStore) -> None:
    name = store.put(b"a photo", suffix=".jpg")
    other = store.put(b"another", suffix=".jpg")
    store.delete(name)
    store.delete(name)
    assert not store.exists(name)
    assert list(store.names()) == [other]
    with pytest.raises(NotFound):
        store.open(name)


def test_a_deleted_photo_can_be_put_again(store: MediaStore) -> None:
    name = store.put(b"a photo", suffix=".jpg")
    store.delete(name)
    assert store.put(b"a photo", suffix=".jpg") == name
    assert read_photo(store, name) == b"a photo"


def test_all_names_are_told_once_and_in_order(store: MediaStore) -> None:
    names = [store.put(b"%d" % i, suffix=".jpg") for i in range(30)]
    assert list(store.names()) == sorted(names)


def test_a_sweep_sees_only_what_was_written_before_its_limit(store: MediaStore) -> None:
    name = store.put(b"a photo", suffix=".jpg")
    now = datetime.now(UTC)
    assert list(store.names(written_before=now - timedelta(hours=1))) == []
    assert list(store.names(written_before=now + timedelta(hours=1))) == [name]


def test_a_photo_put_since_a_moment_is_left(store: MediaStore) -> None:
    name = store.put(b"a photo", suffix=".jpg")
    now = datetime.now(UTC)
    assert not store.delete(name, written_before=now - timedelta(hours=1))
    assert store.exists(name)
    assert store.delete(name, written_before=now + timedelta(hours=1))
    assert not store.exists(name)
    assert store.delete(name, written_before=now)


def test_a_photo_can_be_deleted_while_the_names_are_told(store: MediaStore) -> None:
    for i in range(10):
        store.put(b"%d" % i, suffix=".jpg")
    for name in store.names():
        store.delete(name)
    assert list(store.names()) == []


def test_a_name_that_no_photo_can_have_is_not_found(store: MediaStore) -> None:
    for name in HOSTILE_NAMES:
        assert not store.exists(name)
        with pytest.raises(NotFound):
            store.open(name)
        with pytest.raises(NotFound):
            store.delete(name)


def test_a_malformed_suffix_is_refused(store: MediaStore) -> None:
    for suffix in HOSTILE_SUFFIXES:
        with pytest.raises(ValueError, match="suffix"):
            store.put(b"a photo", suffix=suffix)
    assert list(store.names()) == []


# --- S3 only: access ---
CALLS: list[Callable[[MediaStore], object]] = [
    lambda store: store.put(b"a photo", suffix=".jpg"),
    lambda store: store.open("a" * 64 + ".jpg"),
    lambda store: store.exists("a" * 64 + ".jpg"),
    lambda store: store.delete("a" * 64 + ".jpg"),
    lambda store: list(store.names()),
]


@pytest.mark.parametrize("key", ["mairie", "inconnu"])
def test_wrong_credentials_are_told_as_such(
    s3_server: S3Server, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    use_credentials(monkeypatch, "mauvais-secret", key)
    store = open_media_store(s3_server.url())
    for call in CALLS:
        with pytest.raises(Unavailable, match="refuse"):
            call(store)
    _close(store)


def test_a_store_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    use_credentials(monkeypatch)
    store = open_media_store("s3://photos?endpoint_url=http://127.0.0.1:9&region=fr")
    for call in CALLS:
        with pytest.raises(Unavailable, match="injoignable"):
            call(store)
    _close(store)


def test_a_bucket_that_does_not_exist_is_told(
    s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_credentials(monkeypatch)
    store = open_media_store(s3_server.url(bucket="absent"))
    with pytest.raises(Unavailable):
        store.put(b"a photo", suffix=".jpg")
    _close(store)


def test_a_prefix_keeps_photos_apart(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    use_credentials(monkeypatch)
    ours, theirs = (open_media_store(s3_server.url(prefix)) for prefix in ("a/b", "a/bc"))
    name = ours.put(b"a photo", suffix=".jpg")
    assert (s3_server.folder / "photos" / "a" / "b" / name).read_bytes() == b"a photo"
    assert not theirs.exists(name)
    assert list(theirs.names()) == []
    ours.delete(name)
    _close(ours)
    _close(theirs)


# --- the choice of a store ---
@pytest.mark.parametrize("form", ["{}", "file://{}", "file://localhost{}"])
def test_a_folder_is_named_by_its_path_or_a_file_url(tmp_path: Path, form: str) -> None:
    folder = tmp_path / "mes photos"
    store = open_media_store(form.format(folder).replace(" ", "%20" if "://" in form else " "))
    name = store.put(b"a photo", suffix=".jpg")
    assert (folder / name[:2] / name[2:4] / name).read_bytes() == b"a photo"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "gs://photos",
        "http://photos/",
        "file://ailleurs/photos",
        "file://",
        "s3://",
        "s3:///photos",
        "s3://photos?secret=x",
        "s3://photos?endpoint=http://127.0.0.1",
    ],
)
def test_an_address_that_names_no_store_is_refused_by_a_sentence(url: str) -> None:
    with pytest.raises(ValueError, match="dépôt"):
        open_media_store(url)


def test_s3_without_its_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    monkeypatch.delitem(sys.modules, "open311.storage.media_s3")
    with pytest.raises(ValueError, match="pip install"):
        open_media_store("s3://photos")
