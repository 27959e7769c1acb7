"""Answers to the questions of a service definition."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from open311.domain.attributes import unknown_codes, validate_attributes
from open311.domain.errors import InvalidFields, Open311Error
from open311.domain.request import Answer
from open311.domain.service import (
    Attribute,
    AttributeValue,
    Datatype,
    Localized,
    Service,
)

PARIS = ZoneInfo("Europe/Paris")
KEYS = ("bag", "van", "lorry")


def attribute(code: str, datatype: Datatype, **changes: object) -> Attribute:
    values = tuple(AttributeValue(key, Localized(f"Nom de {key}")) for key in KEYS)
    fields = {
        "code": code,
        "datatype": datatype,
        "order": 1,
        "description": Localized(f"Question {code}"),
        "values": values if datatype.is_list else (),
    }
    return Attribute(**(fields | changes))


def service(*attributes: Attribute) -> Service:
    return Service("depot", Localized("Dépôt"), Localized("Un dépôt"), attributes=attributes)


def values_of(asked: Service, raw: dict[str, list[str]]) -> list[tuple[str, str]]:
    answers = validate_attributes(asked, raw, timezone=PARIS)
    return [(answer.code, answer.value) for answer in answers]


def faults_of(asked: Service, raw: dict[str, list[str]]) -> list[tuple[str | None, str]]:
    with pytest.raises(InvalidFields) as caught:
        validate_attributes(asked, raw, timezone=PARIS)
    return [(error.field, error.message) for error in caught.value.errors]


@pytest.mark.parametrize(
    ("datatype", "raw", "kept"),
    [
        (Datatype.NUMBER, "12", "12"),
        (Datatype.NUMBER, " 3,5 ", "3.5"),
        (Datatype.NUMBER, "-0.25", "-0.25"),
        (Datatype.NUMBER, ".5", ".5"),
        (Datatype.STRING, "GEN-0423", "GEN-0423"),
        (Datatype.STRING, "deux\r\nlignes", "deux lignes"),
        (Datatype.STRING, "é" * 1000, "é" * 1000),
        (Datatype.TEXT, "deux\r\nlignes", "deux\nlignes"),
        (Datatype.TEXT, "é" * 4000, "é" * 4000),
        (Datatype.SINGLEVALUELIST, "van", "van"),
        (Datatype.MULTIVALUELIST, "van", "van"),
        (Datatype.DATETIME, "2026-03-01T08:30:00+01:00", "2026-03-01T07:30:00Z"),
        (Datatype.DATETIME, "2026-03-01T08:30:00 01:00", "2026-03-01T07:30:00Z"),
        (Datatype.DATETIME, "2026-03-01T08:30:00.123 01:00", "2026-03-01T07:30:00Z"),
        (Datatype.DATETIME, "2026-03-01T07:30:00.999Z", "2026-03-01T07:30:00Z"),
        (Datatype.DATETIME, "2026-03-01T08:30", "2026-03-01T07:30:00Z"),
        (Datatype.DATETIME, "2026-03-01 08:30", "2026-03-01T07:30:00Z"),
        (Datatype.DATETIME, "2026-07-01", "2026-06-30T22:00:00Z"),
    ],
)
def test_a_good_value_is_kept_in_one_form(datatype: Datatype, raw: str, kept: str) -> None:
    assert values_of(service(attribute("A", datatype)), {"A": [raw]}) == [("A", kept)]


@pytest.mark.parametrize(
    ("datatype", "raw"),
    [
        *((Datatype.NUMBER, raw) for raw in ("douze", "NaN", "inf", "1e999", "1e3", "--5", "1_0")),
        *(
            (Datatype.NUMBER, raw)
            for raw in ("٣", "\uff11\uff12", "0x30", "1,2,3", "5.", "9" * 41, "1 000")
        ),
        *((Datatype.DATETIME, raw) for raw in ("hier", "2026-13-01", "2026-02-30", "0000-00-00")),
        *((Datatype.DATETIME, raw) for raw in ("10000-01-01", "-0001-01-01", "2026-01-01T10:60")),
        (Datatype.DATETIME, "0001-01-01"),  # before year 1 once in UTC
        (Datatype.DATETIME, "9999-12-31T23:59:59-12:00"),
        (Datatype.DATETIME, "２０２６-03-01"),
        (Datatype.STRING, "x" * 1001),
        (Datatype.TEXT, "x" * 4001),
        (Datatype.SINGLEVALUELIST, "VAN"),
        (Datatype.MULTIVALUELIST, "boat"),
    ],
)
def test_a_wrong_value_is_refused_and_names_its_code(datatype: Datatype, raw: str) -> None:
    ((field, message),) = faults_of(service(attribute("A", datatype)), {"A": [raw]})
    assert field == "attribute[A]"
    assert message.startswith("A : ")
    assert len(message) < 300


@pytest.mark.parametrize("raw", [{}, {"HOWMANY": []}, {"HOWMANY": [""]}, {"HOWMANY": ["  ", ""]}])
@pytest.mark.parametrize("datatype", list(Datatype))
def test_a_missing_answer_ends_with_the_words_a_client_looks_for(
    datatype: Datatype, raw: dict[str, list[str]]
) -> None:
    asked = service(attribute("HOWMANY", datatype, required=True))
    ((field, message),) = faults_of(asked, raw)
    assert field == "attribute[HOWMANY]"
    assert message.startswith("Le champ « Question HOWMANY »")
    assert message.endswith("(HOWMANY required)")


@pytest.mark.parametrize("datatype", list(Datatype))
def test_an_optional_answer_may_be_blank(datatype: Datatype) -> None:
    assert values_of(service(attribute("A", datatype)), {"A": [""]}) == []


def test_an_unknown_key_is_answered_with_the_accepted_ones() -> None:
    asked = service(attribute("A", Datatype.MULTIVALUELIST))
    ((_, message),) = faults_of(asked, {"A": ["van", "boat"]})
    assert "« boat »" in message
    assert "bag, van, lorry" in message


@pytest.mark.parametrize("datatype", [each for each in Datatype if each != "multivaluelist"])
def test_a_single_valued_question_takes_one_value(datatype: Datatype) -> None:
    ((_, message),) = faults_of(service(attribute("A", datatype)), {"A": ["van", "bag"]})
    assert message.startswith("A : une seule valeur")


def test_the_same_value_sent_twice_is_one_value() -> None:
    asked = service(attribute("A", Datatype.SINGLEVALUELIST))
    assert values_of(asked, {"A": ["van", "van"]}) == [("A", "van")]


def test_several_keys_keep_their_order_without_twins_and_carry_their_names() -> None:
    asked = service(attribute("A", Datatype.MULTIVALUELIST, public=False))
    answers = validate_attributes(asked, {"A": ["van", "bag", "", "van"]}, timezone=PARIS)
    assert [(answer.value, answer.name) for answer in answers] == [
        ("van", "Nom de van"),
        ("bag", "Nom de bag"),
    ]
    assert {(answer.label, answer.public) for answer in answers} == {("Question A", False)}


def test_answers_follow_the_order_of_the_definition() -> None:
    asked = service(attribute("A", Datatype.STRING, order=2), attribute("B", Datatype.STRING))
    assert values_of(asked, {"A": ["second"], "B": ["first"]}) == [("B", "first"), ("A", "second")]


def test_all_faults_are_told_at_once() -> None:
    asked = service(
        attribute("A", Datatype.NUMBER, order=1),
        attribute("B", Datatype.STRING, order=2, required=True),
        attribute("C", Datatype.SINGLEVALUELIST, order=3),
    )
    faults = faults_of(asked, {"A": ["x"], "C": ["boat"]})
    assert [field for field, _ in faults] == ["attribute[A]", "attribute[B]", "attribute[C]"]


def test_what_takes_no_answer_ignores_what_is_sent() -> None:
    asked = service(
        attribute("TEXT", Datatype.NUMBER, variable=False),
        attribute("OURS", Datatype.NUMBER, automated="server_set"),
        attribute("THEIRS", Datatype.NUMBER, automated="hidden_field"),
    )
    sent = {"TEXT": ["x"], "OURS": ["x"], "THEIRS": ["7"], "ELSE": ["x"]}
    assert values_of(asked, sent) == [("THEIRS", "7")]


def test_unknown_codes_are_named_for_the_log() -> None:
    asked = service(attribute("A", Datatype.STRING))
    assert unknown_codes(asked, {"Z": ["1"], "A": ["1"], "a": ["1"]}) == ("Z", "a")


texts = st.text(max_size=60) | st.sampled_from(["", "van", "12", "2026-03-01", "x" * 4001])
definitions = st.lists(
    st.builds(
        attribute,
        code=st.sampled_from(["A", "B", "C"]),
        datatype=st.sampled_from(Datatype),
        required=st.booleans(),
        variable=st.booleans(),
        automated=st.sampled_from([None, "server_set", "hidden_field"]),
    ),
    max_size=3,
    unique_by=lambda each: each.code,
)


def judged(
    asked: Service, raw: dict[str, list[str]]
) -> tuple[tuple[Answer, ...], list[Open311Error]]:
    try:
        return validate_attributes(asked, raw, timezone=PARIS), []
    except InvalidFields as error:
        return (), error.errors


@given(definitions, st.dictionaries(st.sampled_from("ABCD"), st.lists(texts, max_size=4)))
def test_any_input_is_either_refused_by_name_or_accepted_for_good(
    attributes: list[Attribute], raw: dict[str, list[str]]
) -> None:
    """What is accepted is of its datatype, and is accepted again unchanged."""
    asked = service(*attributes)
    answers, errors = judged(asked, raw)
    codes = {each.code for each in attributes}
    assert {error.field for error in errors} <= {f"attribute[{code}]" for code in codes}
    again: dict[str, list[str]] = {}
    for answer in answers:
        again.setdefault(answer.code, []).append(answer.value)
    assert errors or validate_attributes(asked, again, timezone=PARIS) == answers


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-1e9, max_value=1e9))
def test_every_plain_decimal_is_a_number(number: object) -> None:
    asked = service(attribute("A", Datatype.NUMBER))
    assert values_of(asked, {"A": [f"{number:f}"]}) == [("A", f"{number:f}")]


@given(st.datetimes(min_value=datetime(1900, 1, 1), timezones=st.just(PARIS)))  # noqa: DTZ001
def test_a_datetime_means_the_same_instant_afterwards(moment: datetime) -> None:
    asked = service(attribute("A", Datatype.DATETIME))
    ((_, value),) = values_of(asked, {"A": [moment.isoformat()]})
    # In UTC on both sides: Python never calls an ambiguous local time equal to another zone's.
    assert datetime.fromisoformat(value) == moment.astimezone(UTC).replace(microsecond=0)
