"""Fields under GeoReport's names, whatever the client called them (georeport-v2.md §7)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from open311.domain.errors import InvalidRequest
from open311.formats.fields import Fields, attribute_code
from open311.formats.forms import parse_query


def query(text: str) -> Fields:
    return parse_query(text.encode())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("service_code=a", "a", id="given"),
        pytest.param("", None, id="absent"),
        pytest.param("service_code=", None, id="C-014 empty"),
        pytest.param("service_code", None, id="C-014 no equals sign"),
        pytest.param("service_code=%20%0A", None, id="spaces only"),
        pytest.param("service_code=%E2%80%8B", None, id="zero width only"),
        pytest.param("service_code=null", None, id="the word null"),
        pytest.param("service_code=nullement", "nullement", id="null is a whole word"),
        pytest.param("service_code=a&service_code=a", "a", id="C1 twice the same"),
        pytest.param("service_code=&service_code=a", "a", id="C1 once empty"),
        pytest.param("service_code=a&service_code=a%20", "a", id="C1 same but for a space"),
        pytest.param("Service_Code=a", None, id="names have a letter case"),
        pytest.param("service_code=%EF%BC%91", "１", id="A13 no folding"),
        pytest.param("service_code=a%2Cb", "a,b", id="a comma is a character"),
        pytest.param("service_code=a=b", "a=b", id="equals sign in the value"),
        pytest.param("%EF%BB%BFservice_code=a", "a", id="UTF-8 byte order mark in front"),
    ],
)
def test_a_single_valued_parameter(text: str, expected: str | None) -> None:
    assert query(text).one("service_code") == expected


@pytest.mark.parametrize("name", ["service_code", "lat", "long", "description"])
def test_two_different_values_in_one_source_are_refused_and_the_field_is_named(name: str) -> None:
    """Trust.md C1 and C2."""
    fields = query(f"{name}=1&{name}=2")
    with pytest.raises(InvalidRequest, match=f"^{name} : plusieurs valeurs") as refusal:
        fields.one(name)
    assert refusal.value.field == name


def test_every_key_given_is_seen_so_that_one_wrong_key_can_refuse() -> None:
    """Trust.md C4."""
    assert query("api_key=good&api_key=bad").many("api_key") == ["good", "bad"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("status=open,closed", id="comma list"),
        pytest.param("status=open&status=closed", id="C5 repeated"),
        pytest.param("status=open%20,%20closed", id="C-185 spaces"),
        pytest.param("status=,open,,closed,", id="empty items"),
        pytest.param("status=open,closed&status=open", id="the same again"),
    ],
)
def test_a_list_is_the_union_of_commas_and_repetitions(text: str) -> None:
    assert query(text).many("status", comma_list=True) == ["open", "closed"]


def test_a_repeated_parameter_without_commas_keeps_them() -> None:
    fields = query("media_url=https://a.fr/1,2.jpg&media_url=https://a.fr/3.jpg")
    assert fields.many("media_url") == ["https://a.fr/1,2.jpg", "https://a.fr/3.jpg"]
    assert fields.many("other", comma_list=True) == []


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("attribute[B]=x&attribute[B]=y", id="C-117 repeated"),
        pytest.param("attribute[B][]=x&attribute[B][]=y", id="C-116 brackets"),
        pytest.param("attribute[B][0]=x&attribute[B][1]=y", id="by index"),
        pytest.param("attribute%5BB%5D%5B%5D=x&attribute%5bB%5d%5b%5d=y", id="C-118 encoded"),
        pytest.param("attribute[B]=x&attribute[B][]=y", id="mixed"),
        pytest.param("attribute[B]=x&attribute[B]=&attribute[B]=y", id="one empty"),
    ],
)
def test_every_spelling_of_an_attribute_means_the_same(text: str) -> None:
    assert query(text).attributes() == {"B": ["x", "y"]}


def test_attributes_are_told_apart_by_code_and_from_parameters() -> None:
    fields = query("attribute[WHAT]=1&attribute[HOW MANY]=2&attribute=3&attributes[X]=4&lat=5")
    assert fields.attributes() == {"WHAT": ["1"], "HOW MANY": ["2"]}


def test_an_attribute_keeps_its_values_when_they_repeat() -> None:
    assert query("attribute[B]=x&attribute[B]=x").attributes() == {"B": ["x", "x"]}


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("attribute[A]", "A"),
        ("attribute[A][]", "A"),
        ("attribute[A][12]", "A"),
        ("attribute[é]", "é"),
        ("attribute[]", None),
        ("attribute[A", None),
        ("attribute[A]]", None),
        ("attribute[A][x]", None),
        ("attribute[[A]]", None),
        ("attribute[A][0][1]", None),
        ("xattribute[A]", None),
        pytest.param("attribute[" * 4_000, None, id="I11"),
        pytest.param("attribute[" + "a" * 4_000 + "]", None, id="far too long"),
    ],
)
def test_the_code_of_an_attribute_parameter(name: str, code: str | None) -> None:
    assert attribute_code(name) == code


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("address=1 rue X", "address_string", "1 rue X"),
        ("address_string=1 rue X", "address_string", "1 rue X"),
        ("address=other&address_string=1 rue X", "address_string", "1 rue X"),
        ("address=1 rue X", "address", None),
        ("deviceid=abc", "device_id", "abc"),
    ],
)
def test_old_names_are_aliases_and_the_right_name_wins(
    text: str, name: str, expected: str | None
) -> None:
    assert query(text).one(name) == expected


def test_line_breaks_stay_in_descriptions_and_attributes_only() -> None:
    """Clauses C-125 and C-120, trust.md A12."""
    fields = query("description=a%0D%0Ab&attribute[T]=c%0Dd&first_name=%E2%80%AEe%0Af")
    assert fields.one("description") == "a\nb"
    assert fields.attributes() == {"T": ["c\nd"]}
    assert fields.one("first_name") == "e f"


@pytest.mark.parametrize(
    "text", ["description=a%00b", "x=%00", "a%00b=1", "attribute[%00]=1", "%00"]
)
def test_nul_is_refused_in_any_value_and_any_name(text: str) -> None:
    """Trust.md A1."""
    with pytest.raises(InvalidRequest, match="NUL"):
        query(text)


def test_a_nul_in_a_huge_name_makes_a_short_message() -> None:
    with pytest.raises(InvalidRequest) as refusal:
        query("x" * 100_000 + "=%00")
    assert len(refusal.value.message) < 200


def test_the_body_wins_over_the_query_name_by_name() -> None:
    """Clause C-131: no conflict between the two sources."""
    below = query("api_key=q&lat=1&lat=2&email=&attribute[A]=q&attribute[B]=q&address=q")
    body = query("lat=3&api_key=&attribute[A]=b&address_string=b")
    merged = body.merged_over(below)
    assert merged.one("lat") == "3"
    assert merged.one("api_key") == "q"
    assert merged.one("address_string") == "b"
    assert merged.attributes() == {"A": ["b"], "B": ["q"]}


def test_the_files_of_the_body_stay_when_merged() -> None:
    body = Fields.of([("lat", "1")], (b"photo",))
    assert body.merged_over(query("long=2")).files == (b"photo",)


@given(st.dictionaries(st.from_regex("[a-z_]{1,12}", fullmatch=True), st.text("ab ,", max_size=4)))
def test_merging_over_nothing_or_over_itself_changes_nothing(texts: dict[str, str]) -> None:
    fields = Fields.of(texts.items())
    assert fields.merged_over(Fields.of(())) == fields
    assert Fields.of(()).merged_over(fields) == fields
    assert fields.merged_over(fields) == fields


@given(st.lists(st.text("xyz", min_size=1), min_size=1), st.sampled_from(["", "[]", "[0]"]))
def test_attribute_values_come_back_in_order(values: list[str], spelling: str) -> None:
    fields = Fields.of([(f"attribute[CODE]{spelling}", value) for value in values])
    assert fields.attributes() == {"CODE": values}
