"""`open311 demo` as a newcomer runs it, examples included."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from open311.storage.database import Database
from tests.cli.running import Running
from tests.documents import ROOT, blocks

pytestmark = pytest.mark.acceptance


def start(folder: Path, *options: str) -> Running:
    return Running("demo", "--port", "0", "--reports", "150", *options, folder=folder)


def stop(running: Running) -> None:
    os.kill(running.process.pid, signal.SIGINT)
    assert running.ends() == 0


def get(running: Running, path: str) -> Any:
    with urllib.request.urlopen(running.said["BASE"] + path, timeout=30) as response:
        return json.loads(response.read())


def test_it_serves_reports_takes_new_ones_and_is_used_again(tmp_path: Path) -> None:
    with start(tmp_path) as first:
        first.await_line("TEST_KEY")
        assert first.said["JURISDICTION"] == "gentilly.fr"
        assert len(get(first, "/discovery.json")["endpoints"]) > 1
        before = get(first, "/requests.json?jurisdiction_id=gentilly.fr")
        assert before
        photo = next(each["media_url"] for each in before if each["media_url"])
        with urllib.request.urlopen(photo, timeout=30) as response:
            assert response.headers["Content-Type"] == "image/jpeg"
        with start(tmp_path) as second:
            assert second.ends() == 1
            assert "tourne déjà" in second.log.read_text()
        stop(first)
    key = first.said["KEY"]
    with start(tmp_path) as again:
        assert again.await_line("KEY") != key
        listed = get(again, "/requests.json?jurisdiction_id=gentilly.fr")
        assert [each["service_request_id"] for each in listed] == [
            each["service_request_id"] for each in before
        ]
        stop(again)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is missing: examples not tried")
def test_its_examples_work_as_they_are_printed(tmp_path: Path) -> None:
    with start(tmp_path) as running:
        running.await_line("TEST_KEY")
        running.wait_until(lambda: "Ctrl-C" in running.text)
        script = running.text.partition("TEST_KEY")[2].partition("\n")[2]
        done = subprocess.run(
            ["bash", "-eu"], input=script, check=True, capture_output=True, text=True, timeout=60
        )
        stop(running)
    assert "<service_code>chaussee</service_code>" in done.stdout
    assert '"service_request_id":"151"' in done.stdout
    assert "\n151 " in done.stdout.replace("]151", "]\n151")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is missing: guide not tried")
def test_the_guide_for_clients_can_be_followed(tmp_path: Path) -> None:
    names, *examples = [each.text for each in blocks(ROOT / "docs" / "api.md")]
    with start(tmp_path) as running:
        running.await_line("TEST_KEY")
        named = [line.partition("=")[0] for line in names.splitlines()]
        given = "".join(f"{name}='{running.said[name]}'\n" for name in named)
        done = subprocess.run(
            ["bash", "-eu"], input=given + "\n".join(examples), cwd=tmp_path,
            check=True, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        stop(running)
    assert done.stdout.count('[{"service_request_id":"152","service_notice"') == 2
    assert "[]304\n" in done.stdout
    everything = json.loads((tmp_path / "changes.json").read_text())
    assert "152" in {each["service_request_id"] for each in everything}
    for shown in (
        '"type":"FeatureCollection"',
        '"extended_attributes"',
        '"Dirty street',
        "<update_id>",
    ):
        assert shown in done.stdout


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with Running("demo", "--port", "0", "--folder", "/dev/null/demo", folder=tmp_path) as running:
        assert running.ends() == 1
        assert "prenez un autre dossier (--folder)" in running.log.read_text()
        assert "Traceback" not in running.log.read_text()


def test_reset_starts_again_and_leaves_other_files_alone(tmp_path: Path) -> None:
    folder = tmp_path / "var" / "demo"
    folder.mkdir(parents=True)
    (folder / "mine.txt").write_text("kept")
    for options, count in ((), 150), (("--reset", "--reports", "20"), 20):
        with start(tmp_path, *options) as running:
            running.await_line("KEY")
            stop(running)
        database = Database(f"sqlite:///{folder / 'open311.sqlite3'}")
        assert database.first("SELECT count(*) FROM service_request") == (count,)
        database.close()
    assert (folder / "mine.txt").read_text() == "kept"


def test_a_demonstration_cut_short_while_loading_starts_anew(tmp_path: Path) -> None:
    database_file = tmp_path / "var" / "demo" / "open311.sqlite3"
    with start(tmp_path, "--reports", "100000") as running:
        running.wait_until(lambda: database_file.exists() and stored(database_file))
        os.kill(running.process.pid, signal.SIGINT)
        assert running.ends() == 130
        assert "Traceback" not in running.log.read_text()
    with start(tmp_path) as again:
        again.await_line("KEY")
        assert stored(database_file) == 150
        stop(again)


def stored(database_file: Path) -> int:
    database = Database(f"sqlite:///{database_file}")
    try:
        found = database.first("SELECT count(*) FROM sqlite_master WHERE name = 'service_request'")
        if found == (0,):
            return 0
        counted = database.first("SELECT count(*) FROM service_request")
        return int(counted[0]) if counted else 0
    finally:
        database.close()
