"""C-114 to C-122: attributes in a POST."""

from __future__ import annotations

from urllib.parse import urlencode

from open311_conformance.checks.post import accepted, post, refused
from open311_conformance.model import NotTested
from open311_conformance.probe import Probe
from open311_conformance.registry import writes
from open311_conformance.target import UNKNOWN
from open311_conformance.wire.forms import Fields
from open311_conformance.wire.reading import Row, error_text, objects, text


def of_datatype(probe: Probe, datatype: str, wanted: str) -> tuple[str, Row, Fields]:
    """The code of an attribute of a datatype, itself, and a form that lacks only it."""

    def suits(attribute: Row) -> bool:
        return text(attribute, "datatype") == datatype and text(attribute, "variable") != "false"

    service, attribute = probe.posting.find_attribute(suits, wanted)
    return text(attribute, "code"), attribute, probe.posting.form_without(service, attribute)


def keys(probe: Probe, attribute: Row) -> list[str]:
    """The keys of a list attribute."""
    found = [text(value, "key") for value in objects(attribute.get("values"))]
    if not found:
        probe.skip("the list offers no value (C-081)")
    return found


@writes("C-114")
def required_means_required(probe: Probe) -> None:
    service, attribute = probe.posting.find_attribute(
        lambda row: text(row, "required") == "true", "a required attribute"
    )
    code = text(attribute, "code")
    exchange = refused(probe, probe.posting.form_without(service, attribute), 400)
    said = error_text(exchange)
    probe.require(code in said, f"the error does not name {code}: {said[:200]}", exchange)
    if f"{code} required" not in said:
        probe.warn(f"a client looks for the words `{code} required`")


@writes("C-115")
def single_value_list(probe: Probe) -> None:
    code, attribute, fields = of_datatype(probe, "singlevaluelist", "a single-value list")
    key = keys(probe, attribute)[0]
    accepted(probe, (*fields, (f"attribute[{code}]", key)), f"attribute[{code}]={key}")
    refused(probe, (*fields, (f"attribute[{code}]", UNKNOWN)), 400)


def several(probe: Probe) -> tuple[str, list[str], Fields]:
    """A multi-value list: its code, one or two keys, a form that lacks only it."""
    code, attribute, fields = of_datatype(probe, "multivaluelist", "a multi-value list")
    return code, keys(probe, attribute)[:2], fields


@writes("C-116")
def multi_value_list(probe: Probe) -> None:
    code, chosen, fields = several(probe)
    name = f"attribute[{code}][]"
    accepted(probe, fields + tuple((name, key) for key in chosen), f"{name} several times")
    exchange = post(probe, (*fields, (name, chosen[0]), (name, UNKNOWN)), 400)
    if exchange.ok:
        probe.warn(f"an unknown key in {name} is accepted")


@writes("C-117")
def repeated_without_brackets(probe: Probe) -> None:
    code, chosen, fields = several(probe)
    name = f"attribute[{code}]"
    accepted(probe, fields + tuple((name, key) for key in chosen), f"{name} several times")


@writes("C-118")
def brackets_encoded_or_not(probe: Probe) -> None:
    code, attribute, fields = of_datatype(probe, "singlevaluelist", "a single-value list")
    probe.posting.works()
    field = (f"attribute[{code}]", keys(probe, attribute)[0])
    scope = (("jurisdiction_id", probe.target.aim.jurisdiction_id),)
    known = (("api_key", probe.target.aim.api_key), *(scope if scope[0][1] else ()))
    for safe in ("", "[]"):
        body = urlencode([*known, *fields, field], safe=safe).encode()
        exchange = probe.send(probe.posting.query((), body=body))
        form = "bare" if safe else "encoded"
        probe.require(exchange.ok, f"{form} brackets were refused: {exchange.told}", exchange)


@writes("C-119")
def one_value_only(probe: Probe) -> None:
    code, attribute, fields = of_datatype(probe, "singlevaluelist", "a single-value list")
    chosen = keys(probe, attribute)[:2]
    if len(chosen) < 2:
        probe.skip("the list offers one value only")
    refused(probe, fields + tuple((f"attribute[{code}]", key) for key in chosen), 400)


@writes("C-120")
def values_fit_their_datatype(probe: Probe) -> None:
    tested = 0
    for datatype, wrong in (("number", "abc"), ("datetime", "hier")):
        try:
            code, _, fields = of_datatype(probe, datatype, f"a {datatype} attribute")
        except NotTested as error:
            probe.warn(str(error))
            continue
        tested += 1
        refused(probe, (*fields, (f"attribute[{code}]", wrong)), 400)
    if not tested:
        probe.skip("no service has a number or a datetime attribute")


@writes("C-121")
def unknown_attribute(probe: Probe) -> None:
    fields = (*probe.posting.form(), (f"attribute[{UNKNOWN}]", "1"))
    exchange = post(probe, fields, 400)
    if exchange.status == 400:
        probe.warn("an unknown attribute is refused: clients with an old catalogue are stuck")
        return
    probe.require(exchange.ok, f"answered {exchange.told}", exchange)


@writes("C-122")
def shown_text_takes_no_value(probe: Probe) -> None:
    service, attribute = probe.posting.find_attribute(
        lambda row: text(row, "variable") == "false", "an attribute that only shows text"
    )
    fields = probe.posting.form_without(service, attribute)
    name = f"attribute[{text(attribute, 'code')}]"
    accepted(probe, (*fields, (name, "x")), f"a value for {name}")
