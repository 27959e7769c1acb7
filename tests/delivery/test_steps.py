"""Photos, notes and statuses after a lost answer: once in the tool, or somebody is told."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import pytest

from open311.domain.delivery import Idempotency
from open311.domain.status import Stage
from open311.operations.follow_up import Step, take_step
from open311.storage import deliveries
from tests.conftest import PUBLIC_URL
from tests.delivery.conftest import Delivering
from tests.formats.pictures import small

LOOKUP, NATIVE, NONE = Idempotency.LOOKUP, Idempotency.NATIVE, Idempotency.NONE
Make = Callable[..., Delivering]


def step(delivering: Delivering, id_: str, taken: Step) -> None:
    delivering.database.write(
        lambda c: take_step(
            c, delivering.side, int(id_), taken, public_url=PUBLIC_URL, now=delivering.clock()
        )
    )


def with_photo(delivering: Delivering) -> str:
    return delivering.world.posted_id(media=(BytesIO(small("JPEG")), "a.jpg"))


def days_pass(delivering: Delivering) -> None:
    for _ in range(5):
        delivering.clock.advance(days=1)
        delivering.run()


def calls(delivering: Delivering) -> list[str]:
    return [said.split()[0] for said in delivering.tool.said]


# What happens to the photo, its grade, how it ends, which calls, photos in the tool.
PHOTOS = [
    ("lost after", LOOKUP, "done", ["create", "attach", "files"], 1),
    ("lost", LOOKUP, "done", ["create", "attach", "files", "attach"], 1),
    ("bug", LOOKUP, "done", ["create", "attach", "files", "attach"], 1),
    ("lost after", NATIVE, "done", ["create", "attach", "attach"], 1),
    ("lost after", NONE, "unknown", ["create", "attach"], 1),
    ("lost", NONE, "unknown", ["create", "attach"], 0),
    ("unreachable", NONE, "done", ["create", "attach", "attach"], 1),
    ("busy", NONE, "done", ["create", "attach", "attach"], 1),
]


@pytest.mark.parametrize(("mood", "grade", "end", "called", "count"), PHOTOS)
def test_a_photo_that_may_have_arrived_is_never_added_blindly(
    make_delivering: Make, mood: str, grade: Idempotency, end: str, called: list[str], count: int
) -> None:
    """Whatever the tool gives against a second ticket: photos have a grade of their own."""
    create = NATIVE if grade is NATIVE else LOOKUP
    delivering = make_delivering(create, can={"photo_idempotency": grade})
    with_photo(delivering)
    delivering.tool.moods.extend(["", mood])
    delivering.run()
    days_pass(delivering)
    assert delivering.states() == ["create done", f"photo {end}"]
    assert calls(delivering) == called
    assert len(delivering.tool.files) == count


NOTES = [
    ("lost after", LOOKUP, "done", ["create", "comment", "notes"], 1),
    ("lost", LOOKUP, "done", ["create", "comment", "notes", "comment"], 1),
    ("lost after", NATIVE, "done", ["create", "comment", "comment"], 1),
    ("lost after", NONE, "unknown", ["create", "comment"], 1),
    ("lost", NONE, "unknown", ["create", "comment"], 0),
    ("unreachable", NONE, "done", ["create", "comment", "comment"], 1),
]


@pytest.mark.parametrize(("mood", "grade", "end", "called", "count"), NOTES)
def test_a_note_that_may_have_arrived_is_never_said_blindly(
    make_delivering: Make, mood: str, grade: Idempotency, end: str, called: list[str], count: int
) -> None:
    create = NATIVE if grade is NATIVE else LOOKUP
    delivering = make_delivering(create, can={"comment_idempotency": grade})
    id_ = delivering.world.posted_id()
    step(delivering, id_, Step(note="Vu sur place"))
    delivering.tool.moods.extend(["", mood])
    delivering.run()
    days_pass(delivering)
    assert delivering.states() == ["create done", f"comment {end}"]
    assert calls(delivering) == called
    assert len(delivering.tool.notes) == count


def test_the_same_words_said_twice_by_an_agent_are_two_notes(delivering: Delivering) -> None:
    """What was never in doubt is not looked for: its twin is not its echo."""
    id_ = delivering.world.posted_id()
    for _ in range(2):
        step(delivering, id_, Step(note="Relance"))
    delivering.run()
    assert delivering.tool.notes == ["Relance", "Relance"]


# can, with words, how it ends, calls after the create, notes in the tool.
STATUSES = [
    ({}, None, "done", ["status", "status"], 0),  # a status set twice is the same status
    ({"comment_idempotency": NONE}, None, "done", ["status", "status"], 0),
    ({}, "Fait", "done", ["status", "notes", "status"], 1),  # words alone prove no status
    ({"comment_idempotency": NONE}, "Fait", "unknown", ["status"], 1),
    ({"set_status": False}, "Fait", "done", ["comment", "notes"], 1),
    ({"set_status": False, "comment_idempotency": NONE}, "Fait", "unknown", ["comment"], 1),
    ({"status_idempotency": NONE}, None, "unknown", ["status"], 0),  # an e-mail
    ({"status_note": False, "comment": False}, "Fait", "done", ["status", "status"], 0),
]


@pytest.mark.parametrize(("can", "words", "end", "called", "count"), STATUSES)
def test_a_status_is_set_again_but_its_words_are_not_said_again(
    make_delivering: Make,
    can: dict[str, object],
    words: str | None,
    end: str,
    called: list[str],
    count: int,
) -> None:
    delivering = make_delivering(can=can)
    id_ = delivering.world.posted_id()
    step(delivering, id_, Step(stage=Stage.DONE, note=words))
    delivering.tool.moods.extend(["", "lost after"])
    delivering.run()
    days_pass(delivering)
    assert delivering.states() == ["create done", f"status {end}"]
    assert calls(delivering)[1:] == called
    assert len(delivering.tool.notes) == count


@pytest.mark.parametrize(("grade", "end", "called"), [
    (LOOKUP, "done", ["status", "comment", "status", "notes"]),
    (NONE, "unknown", ["status", "comment"]),
])  # fmt: skip
def test_words_that_a_status_cannot_carry_follow_it_as_a_note(
    make_delivering: Make, grade: Idempotency, end: str, called: list[str]
) -> None:
    delivering = make_delivering(can={"status_note": False, "comment_idempotency": grade})
    id_ = delivering.world.posted_id()
    step(delivering, id_, Step(stage=Stage.DONE, note="Fait"))
    delivering.tool.moods.extend(["", "", "lost after"])
    delivering.run()
    days_pass(delivering)
    assert delivering.states() == ["create done", f"status {end}"]
    assert calls(delivering)[1:] == called
    assert delivering.tool.notes == ["Fait"]


def test_the_link_of_a_refused_photo_is_judged_as_the_note_that_it_is(
    make_delivering: Make,
) -> None:
    delivering = make_delivering(can={"comment_idempotency": NONE})
    with_photo(delivering)
    delivering.tool.moods.extend(["", "no files", "lost after"])
    delivering.run()
    days_pass(delivering)
    assert delivering.states() == ["create done", "photo unknown"]
    assert len(delivering.tool.notes) == 1


def test_an_unknown_photo_holds_up_neither_note_nor_status(make_delivering: Make) -> None:
    delivering = make_delivering(NONE)
    id_ = with_photo(delivering)
    step(delivering, id_, Step(note="Vu"))
    step(delivering, id_, Step(stage=Stage.DONE, note="Fait"))
    delivering.tool.moods.extend(["", "lost"])
    delivering.run()
    assert delivering.states() == ["create done", "photo unknown", "comment done", "status done"]


@pytest.mark.parametrize(("grade", "end"), [(LOOKUP, "done"), (NATIVE, "done"), (NONE, "unknown")])
def test_a_worker_killed_after_a_photo_left_no_second_one(
    make_delivering: Make, grade: Idempotency, end: str
) -> None:
    delivering = make_delivering(LOOKUP, can={"photo_idempotency": grade})
    with_photo(delivering)
    delivering.route()
    assert delivering.deliver()
    with delivering.database.begin() as connection:
        held = deliveries.claim(
            connection, delivering.name, "killed", now=delivering.clock(),
            lease_s=delivering.desk.pace.lease_s,
        )  # fmt: skip
        assert held is not None
        deliveries.mark_sent(connection, held.delivery_key, "killed", delivering.clock())
    if grade is not NATIVE:  # with our key the tool drops the second one itself
        delivering.tool.files.append(f"{held.service_request_id}-1.jpg")
    delivering.clock.advance(seconds=delivering.desk.pace.lease_s + 1)
    delivering.run()
    assert delivering.states() == ["create done", f"photo {end}"]
    assert len(delivering.tool.files) == 1
