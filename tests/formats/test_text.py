"""Text is cleaned once, at the door (trust.md A1–A3, A12; clauses C-020, C-125, C-128)."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from lxml import etree

from open311.domain.errors import InvalidRequest
from open311.formats.text import clean_text, quoted

ACUTE, DOT_BELOW = "\u0301", "\u0323"

ANY_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=()))
MARKED_TEXT = st.text("eé a\u0301\u0323\u0344\u200d\u00a0\n\r\u1100\u1161", max_size=120)


@pytest.mark.parametrize(
    ("received", "kept"),
    [
        pytest.param("é œ Œ € ’ 漢 😀", "é œ Œ € ’ 漢 😀", id="C-128 accents and emoji"),
        pytest.param("a\r\nb\rc\nd", "a\nb\nc\nd", id="C-125 line breaks"),
        pytest.param("\n a \n", "\n a \n", id="space round a text stays"),
        pytest.param("a\tb", "a\tb", id="tab"),
        pytest.param("a\x0bb\x1bc", "a\ufffdb\ufffdc", id="A2 VT and ESC"),
        pytest.param("a\ufffeb\uffffc", "a\ufffdb\ufffdc", id="A3 non-characters"),
        pytest.param("a\ud800b", "a\ufffdb", id="lone surrogate"),
        pytest.param("e\u0301", "é", id="NFC"),
        pytest.param("１２３", "１２３", id="A13 full-width digits are not folded"),
        pytest.param("\u202eabc\u200b", "\u202eabc\u200b", id="invisibles stay in long text"),
        pytest.param("", "", id="empty"),
    ],
)
def test_long_text_keeps_what_xml_can_carry(received: str, kept: str) -> None:
    assert clean_text(received) == kept


@pytest.mark.parametrize(
    ("received", "kept"),
    [
        pytest.param("  Jeanne  ", "Jeanne", id="trimmed"),
        pytest.param("Jeanne\r\nMartin\u2028x\ty", "Jeanne Martin x y", id="line breaks"),
        pytest.param("\u202eJeanne\u202c", "Jeanne", id="A12 bidi override"),
        pytest.param("\u2066a\u2069\u200f\u061c", "a", id="A12 bidi isolates and marks"),
        pytest.param("Je\u200ban\u00adne\ufeff", "Jeanne", id="A12 zero width"),
        pytest.param("e\u200d\u0301", "é", id="composed after the joiner is gone"),
        pytest.param("\u00a0 é \u3000", "é", id="every kind of space is trimmed"),
        pytest.param("İstanbul ı", "İstanbul ı", id="A15 Turkish letters"),
        pytest.param("\u200b", "", id="nothing visible is empty"),
    ],
)
def test_a_one_line_field_loses_breaks_and_invisible_characters(received: str, kept: str) -> None:
    assert clean_text(received, one_line=True) == kept


@pytest.mark.parametrize("one_line", [True, False])
def test_nul_is_refused_and_the_field_is_named(one_line: bool) -> None:
    """Trust.md A1."""
    with pytest.raises(InvalidRequest, match=r"description : .*NUL") as refusal:
        clean_text("a\0b", one_line=one_line, field="description")
    assert refusal.value.field == "description"


@given(ANY_TEXT | MARKED_TEXT, st.booleans())
@example("\u0344" * 40, False)
@example("e" + (ACUTE + DOT_BELOW) * 40, True)
def test_cleaning_twice_changes_nothing_and_the_result_is_nfc(text: str, one_line: bool) -> None:
    once = clean_text(text, one_line=one_line)
    assert clean_text(once, one_line=one_line) == once
    assert unicodedata.is_normalized("NFC", once)


@given(ANY_TEXT, st.booleans())
def test_clean_text_goes_through_xml_unchanged(text: str, one_line: bool) -> None:
    element = etree.Element("description")
    element.text = cleaned = clean_text(text, one_line=one_line)
    for document in (
        etree.tostring(element, encoding="utf-8"),
        etree.tostring(element, encoding="us-ascii"),
    ):
        assert b"\r" not in document
        assert (etree.fromstring(document).text or "") == cleaned


@given(st.text(st.characters(max_codepoint=0x2FF, exclude_categories=["Cc", "Cs"])))
def test_ordinary_text_is_only_composed(text: str) -> None:
    assert clean_text(text) == unicodedata.normalize("NFC", text)


def test_long_runs_of_combining_marks_are_cut_to_thirty() -> None:
    """Else canonical ordering takes minutes: this test would not come back."""
    text = clean_text("e" + (ACUTE + DOT_BELOW) * 200_000 + " fin")
    assert text.endswith(" fin")
    assert len(text) <= 40


def test_thirty_marks_on_a_letter_are_nothing_unusual() -> None:
    for text in ("x" + DOT_BELOW * 30, "…—" + DOT_BELOW * 30):
        assert clean_text(text) == text


def test_received_text_is_quoted_short_and_on_one_line() -> None:
    assert quoted("a\nb\0") == "« a b\ufffd »"
    assert len(quoted("x" * 10_000)) < 50
