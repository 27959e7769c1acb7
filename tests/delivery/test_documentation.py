"""docs/delivery.md names what there is, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import click

from open311.cli import main
from tests.delivery.conftest import Delivering

GUIDE = (Path(__file__).parents[2] / "docs" / "delivery.md").read_text(encoding="utf-8")


def test_every_metric_is_explained_and_exists(delivering: Delivering) -> None:
    told = delivering.world.client.get("/metrics").get_data(as_text=True)
    exist = set(re.findall(r"^# TYPE (\w+)", told, re.MULTILINE))
    assert exist == set(re.findall(r"^\| `(open311_\w+)`", GUIDE, re.MULTILINE))


def test_every_command_of_the_guide_exists() -> None:
    shown = re.findall(r"^open311 (delivery|destination|request) ([\w-]+)", GUIDE, re.MULTILINE)
    assert len(shown) > 6
    for group, verb in shown:
        found = main.get_command(click.Context(main), group)
        assert isinstance(found, click.Group)
        assert verb in found.commands
