"""The disk whose power can be cut forgets what was not synced, and only that."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def tell() -> str:
    """What this machine can do, found out in a process with mounts of its own."""
    command = [sys.executable, "-m", "tests.durability.power_cut"]
    done = subprocess.run(command, check=False, capture_output=True, cwd=ROOT, text=True)
    assert not done.stderr
    return done.stdout.strip()


@pytest.mark.root
def test_a_cut_loses_the_unsynced_file_and_keeps_the_synced_one() -> None:
    told = tell()
    if told != "power cuts: possible":
        pytest.skip(told)
    assert "open311-disk" not in Path("/proc/mounts").read_text()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may be able to")
def test_who_is_not_root_is_told_so_in_a_sentence() -> None:
    assert tell() == "power cuts: impossible, mounting a disk needs root"
