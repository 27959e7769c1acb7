"""Laws of signed links and reply addresses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from open311.domain.errors import Forbidden
from open311.domain.signed_link import (
    SignedLink,
    check_link,
    destination_of_link,
    is_reply_code,
    reply_code,
    sign_link,
)

NOW = datetime(2026, 11, 16, tzinfo=UTC)
WORDS = st.text(st.characters(codec="utf-8"), max_size=40)
LINKS = st.builds(
    SignedLink,
    destination=WORDS,
    ticket_id=WORDS,
    action=WORDS,
    expires_datetime=st.integers(1, 10**6).map(lambda s: NOW + timedelta(seconds=s)),
)
KEYS = st.binary(min_size=1, max_size=64)


@given(LINKS, KEYS)
def test_a_link_says_what_was_signed(link: SignedLink, key: bytes) -> None:
    token = sign_link(link, key)
    assert check_link(token, key, now=NOW) == link
    assert destination_of_link(token) == link.destination
    assert set(token) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


@given(LINKS, KEYS, KEYS)
def test_another_key_opens_nothing(link: SignedLink, key: bytes, other: bytes) -> None:
    padded = [each.ljust(64, b"\0") for each in (key, other)]  # HMAC pads short keys so
    if padded[0] != padded[1]:
        with pytest.raises(Forbidden):
            check_link(sign_link(link, key), other, now=NOW)


@given(LINKS, KEYS, st.data())
def test_a_changed_character_opens_nothing(
    link: SignedLink, key: bytes, data: st.DataObject
) -> None:
    token = sign_link(link, key)
    at = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.sampled_from("ABCabc012-_."))
    if token[at] != letter:
        with pytest.raises(Forbidden):
            check_link(token[:at] + letter + token[at + 1 :], key, now=NOW)


@given(st.text(max_size=200))
def test_any_text_is_a_link_or_refused(text: str) -> None:
    with pytest.raises(Forbidden):
        check_link(text, b"key", now=NOW)


@given(st.text("0123456789", min_size=1), st.text("0123456789", min_size=1), KEYS)
def test_a_reply_code_is_one_tickets_own(one: str, other: str, key: bytes) -> None:
    assert is_reply_code(reply_code(one, key).upper(), one, key)
    assert is_reply_code(reply_code(one, key), other, key) == (one == other)
    assert len(reply_code(one, key)) == 26
