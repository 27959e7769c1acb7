"""Whatever takes a request out of the lists, those who follow by the cursor are told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from open311.domain.request_filter import Cursor, RequestFilter
from open311.domain.status import Stage, Visibility
from open311.operations.follow_up import Step, erase_request, set_visibility, take_step
from open311.operations.read_service_requests import Changes, list_changes
from open311.operations.rerender import rerender_side
from tests.conftest import PUBLIC_URL, World

Command = Callable[[World, int], object]


def shown_as(visibility: Visibility) -> Command:
    return lambda world, id_: world.database.write(
        lambda connection: set_visibility(
            connection,
            world.side(),
            id_,
            visibility,
            public_url=PUBLIC_URL,
            now=world.clock.now,
        )
    )


def erased(world: World, id_: int) -> object:
    side, now = world.side(), world.clock.now
    return erase_request(world.database, world.media, side, id_, public_url=PUBLIC_URL, now=now)


def changes_after(world: World, cursor: Cursor, **filters: object) -> Changes:
    wanted = replace(RequestFilter(), cursor=cursor, **filters)
    return list_changes(world.database, world.side(), wanted, "json")


@pytest.mark.parametrize(
    "leave",
    [
        *(shown_as(each) for each in Visibility if each not in ("public", "private", "erased")),
        erased,
    ],
    ids=[*(each for each in Visibility if each not in ("public", "private", "erased")), "erase"],
)
def test_every_way_out_of_the_lists_is_told(world: World, leave: Command) -> None:
    id_ = int(world.posted_id())
    start = changes_after(world, Cursor(world.installation.cursor_epoch)).cursor
    leave(world, id_)
    for filters in ({}, {"service_code": ("animal",)}):
        page = changes_after(world, start, **filters)
        assert (page.withdrawn, page.body) == ([id_], b"[]")


def test_what_went_back_to_moderation_is_told_until_it_is_published_again(world: World) -> None:
    """By id the public reads that it waits; steps and new rendering keep it told as gone."""
    id_ = int(world.posted_id(description="retirez-moi"))
    shown_as(Visibility.PENDING)(world, id_)
    step = Step(Stage.PLANNED)
    world.database.write(
        lambda connection: take_step(
            connection, world.side(), id_, step, public_url=PUBLIC_URL, now=world.clock.now
        )
    )
    sum(rerender_side(world.installation, world.side()))
    page = changes_after(world, Cursor(world.installation.cursor_epoch))
    assert (page.withdrawn, page.body) == ([id_], b"[]")
    one = world.get(f"/requests/{id_}.json")
    assert (one.status_code, b"retirez-moi" in one.data) == (200, False)
    shown_as(Visibility.REJECTED)(world, id_)
    assert changes_after(world, page.cursor).withdrawn == [id_]
    shown_as(Visibility.PUBLIC)(world, id_)
    back = changes_after(world, page.cursor)
    assert (back.withdrawn, b"retirez-moi" in back.body) == ([], True)
