"""SOAP by a local WSDL, against a real SOAP server of our own (npm soap 1.13.0).

The server serves WSDLs that we wrote: it stands in for ATAL v5 and for the examples of
the AS-TECH template, and proves nothing about either product.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from open311.adapters.contract import Adapter
from open311.adapters.profile import ProfileFaults
from open311.adapters.registry import make_adapter
from open311.adapters.soap_kind import _SHIPPED
from open311.adapters.testing import AdapterContract, HttpContract, Seen, Tool
from open311.adapters.testing.faulty_proxy import faulty_proxy
from open311.domain.delivery import (
    AttachmentRefused,
    Destination,
    Idempotency,
    OutcomeUnknown,
    ToolBusy,
    ToolRefused,
    ToolUnauthorized,
    ToolUnreachable,
)
from open311.domain.status import Stage
from tests.adapters.completed import completed_profile
from tests.adapters.soap_service import (
    ACCOUNT,
    ATAL_PATH,
    EXAMPLE_PATH,
    PASSWORD,
    SERVER,
    SoapServer,
    destination,
    npm_soap,
    serve,
)
from tests.adapters.tickets import LOOPBACK, photo, ticket
from tests.adapters.worker_proof import WorkerProof

__all__ = ["npm_soap"]  # a fixture of the session


@pytest.fixture(scope="module")
def atal(npm_soap: Path) -> Iterator[SoapServer]:
    """Our stand-in of ATAL v5."""
    yield from serve(npm_soap, Path(str(_SHIPPED / "atal-v5.wsdl")), ATAL_PATH)


@pytest.fixture(scope="module")
def example(npm_soap: Path) -> Iterator[SoapServer]:
    """A server with the operations that the AS-TECH template gives as examples."""
    yield from serve(npm_soap, npm_soap / "example.wsdl", EXAMPLE_PATH)


class Behind:
    """Our stand-in of ATAL as the people of the service would use it."""

    def __init__(self, server: SoapServer) -> None:
        self._url = f"http://127.0.0.1:{server.port}"

    def tickets(self, key: str) -> list[Seen]:
        """ATAL takes no reference of ours: the number is in the link only."""
        number = key.rpartition("-")[2]
        held = requests.get(f"{self._url}/tickets", auth=ACCOUNT, timeout=10).json()
        return [
            Seen(each["id"], json.dumps(each["args"], ensure_ascii=False), each["etat"],
                 files=tuple(each["fichiers"]))
            for each in held
            if re.search(
                rf"/(demandes|requests)/{number}\b", each["args"].get("demandeDescription", "")
            )
            or each["args"].get("numeroExterne") == number
        ]  # fmt: skip

    def move(self, ticket_id: str, word: str) -> None:
        params = {"id": ticket_id, "etat": word}
        requests.get(f"{self._url}/move", params=params, auth=ACCOUNT, timeout=10)


@pytest.fixture(scope="module")
def tool(atal: SoapServer) -> Iterator[Tool]:
    with faulty_proxy(f"http://127.0.0.1:{atal.port}") as proxy:
        yield Tool(
            destination=atal_destination(atal, base_url=proxy.url),
            environment={"SOAP_PASSWORD": PASSWORD},
            behind=Behind(atal),
            proxy=proxy,
            create=f"POST {ATAL_PATH}",
            attach=f"POST {ATAL_PATH}",
            patience_s=2,
            moves=("Terminée", Stage.DONE),
            unmapped="Chiffrage",
        )


class TestOurStandInOfAtal(AdapterContract, HttpContract, WorkerProof):
    """Every clause of the contract, grade none."""

    profile = "atal-v5"


@pytest.fixture(scope="module")
def completed_astech(
    example: SoapServer, npm_soap: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Tool]:
    completed = completed_profile(tmp_path_factory.mktemp("profiles"), "soap")
    with faulty_proxy(f"http://127.0.0.1:{example.port}") as proxy:
        yield Tool(
            destination=destination(
                example,
                completed,
                base_url=f"{proxy.url}{EXAMPLE_PATH}",
                wsdl=str(npm_soap / "example.wsdl"),
            ),
            environment={"SOAP_PASSWORD": PASSWORD},
            behind=Behind(example),
            proxy=proxy,
            create=f"POST {EXAMPLE_PATH}",
            attach=f"POST {EXAMPLE_PATH}",
            moves=("Soldée", Stage.DONE),
            unmapped="Chiffrage",
            patience_s=2,
        )


class TestAstechTemplate(AdapterContract, HttpContract, WorkerProof):
    """The AS-TECH template completed with invented words: no claim about AS-TECH."""

    profile = "astech-soap"

    @pytest.fixture
    def tool(self, completed_astech: Tool) -> Tool:
        return completed_astech


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOAP_PASSWORD", PASSWORD)


def atal_destination(server: SoapServer, **settings: str) -> Destination:
    codes = {"type_demande": "1001", "service_demandeur": "OPEN311"}
    return destination(server, str(SERVER / "atal-ville.toml"), **(codes | settings))


@pytest.fixture
def adapter(atal: SoapServer) -> Iterator[Adapter]:
    adapter = make_adapter(atal_destination(atal, reporter_fields="email,last_name"))
    yield adapter
    adapter.close()


def test_positional_arguments_keep_their_places(adapter: Adapter, atal: SoapServer) -> None:
    atal.calls()
    receipt = adapter.create(ticket())
    [call] = atal.calls()
    args = call["args"]
    assert isinstance(args, dict)
    assert call["call"] == "insertDemandeXYByType"
    assert args["contactNom"] == "Blé"
    assert args["contactCourriel"] == "a.b@example.org"
    assert args["demandeObjet"] == "Gravats"
    assert args["demandeLieu"] == "12 rue de l’Église"
    assert "passage « bloqué »" in args["demandeDescription"]
    assert (args["codeServiceDemandeur"], args["typeDemande"]) == ("OPEN311", "1001")
    assert (args["coordX"], args["coordY"]) == ("651856.48", "6857192.14")
    assert not args.get("codeEquipement")
    assert receipt.number == receipt.ticket_id
    assert receipt.ticket_id.startswith("D")


def test_what_may_not_leave_of_the_reporter_does_not(atal: SoapServer) -> None:
    atal.calls()
    make_adapter(atal_destination(atal)).create(ticket())
    assert "Blé" not in json.dumps(atal.calls(), ensure_ascii=False)


def test_the_record_masks_the_reporter_and_the_account(adapter: Adapter) -> None:
    shown = adapter.create(ticket()).exchange
    assert "Gravats" in shown.request
    for hidden in ("a.b@example.org", "Blé", PASSWORD):
        assert hidden not in shown.request


def test_a_photo_arrives_whole_and_a_refused_one_becomes_a_link(
    adapter: Adapter, atal: SoapServer
) -> None:
    receipt = adapter.create(ticket())
    atal.calls()
    adapter.attach(ticket(), receipt, photo(1))
    [call] = atal.calls()
    size = len(base64.b64encode(photo(1).content))
    assert call["args"] == {
        "numeroDemande": receipt.ticket_id, "filename": "12-1.jpg", "content": size
    }  # fmt: skip
    with pytest.raises(AttachmentRefused):
        adapter.attach(ticket(), receipt, photo(9))


def test_the_state_is_read_by_its_words(adapter: Adapter) -> None:
    read = adapter.read(adapter.create(ticket()))
    assert (read.status, read.note) == ("Planifiée", "Équipe prévenue")
    assert adapter.stage_of(read.status or "") == "planned"
    assert adapter.stage_of("Chiffrage") is None


def test_the_probe_asks_something_harmless(adapter: Adapter, atal: SoapServer) -> None:
    atal.calls()
    assert "OK" in adapter.probe()
    assert atal.calls() == []


@pytest.mark.parametrize(
    ("title", "error", "told"),
    [
        ("refuse", ToolRefused, "typeDemande inconnu"),
        ("panne", OutcomeUnknown, "base indisponible"),
        ("lent", OutcomeUnknown, "perdue"),
    ],
)
def test_a_fault_is_an_answer_and_a_lost_answer_is_none(
    adapter: Adapter, title: str, error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told) as raised:
        adapter.create(ticket(title=title))
    assert type(raised.value) is error


def test_a_tool_that_says_server_for_refusals_is_told_so_in_its_profile(
    atal: SoapServer, tmp_path: Path
) -> None:
    profile = tmp_path / "mine.toml"
    profile.write_text('extends = "atal-v5"\n[soap]\nrefusals = ["Server"]\n')
    near = atal_destination(atal)
    mine = Destination(
        near.name, str(profile), settings=near.settings, secrets=near.secrets, epsg=2154,
        allowed_networks=LOOPBACK,
    )  # fmt: skip
    with pytest.raises(ToolRefused, match="base indisponible"):
        make_adapter(mine).create(ticket(title="panne"))


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/html", OutcomeUnknown),
        ("/half", OutcomeUnknown),
        ("/dtd", OutcomeUnknown),
        ("/500", OutcomeUnknown),
        ("/503", ToolBusy),
        ("/403", ToolUnauthorized),
        ("/404", ToolRefused),
    ],
)
def test_answers_that_are_no_soap(
    atal: SoapServer, tmp_path: Path, path: str, error: type[Exception]
) -> None:
    profile = tmp_path / "mine.toml"
    profile.write_text(f'extends = "atal-v5"\n[soap]\npath = "{path}"\n')
    near = atal_destination(atal)
    mine = Destination(
        near.name, str(profile), settings=near.settings, secrets=near.secrets, epsg=2154,
        allowed_networks=LOOPBACK,
    )  # fmt: skip
    with pytest.raises(error) as raised:
        make_adapter(mine).create(ticket())
    assert type(raised.value) is error
    if path == "/503":
        assert raised.value.retry_after_s == 7  # type: ignore[attr-defined]


def test_a_wrong_account_stops_the_destination(
    atal: SoapServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOAP_PASSWORD", "faux")
    with pytest.raises(ToolUnauthorized):
        make_adapter(atal_destination(atal)).create(ticket())


def test_a_tool_that_is_down_got_nothing(atal: SoapServer) -> None:
    nowhere = SoapServer(1, ATAL_PATH)
    with pytest.raises(ToolUnreachable):
        make_adapter(atal_destination(nowhere)).create(ticket())


def test_named_arguments_nest_and_the_preview_is_the_envelope(
    example: SoapServer, npm_soap: Path, tmp_path: Path
) -> None:
    adapter = make_adapter(
        destination(
            example,
            completed_profile(tmp_path, "soap"),
            wsdl=str(npm_soap / "example.wsdl"),
            base_url=f"http://127.0.0.1:{example.port}{EXAMPLE_PATH}",
        )
    )
    assert adapter.capabilities.idempotency is Idempotency.NONE
    assert "<ns0:x>651856.48</ns0:x>" in adapter.preview(ticket())
    example.calls()
    receipt = adapter.create(ticket())
    [call] = example.calls()
    assert call["args"]["coordonnees"] == {"x": 651856.48, "y": 6857192.14}  # type: ignore[index]
    assert receipt.ticket_id.startswith("D")
    assert receipt.number == "2026-1"
    adapter.attach(ticket(), receipt, photo(1))
    assert adapter.read(receipt).status == "A COMPLETER"


def test_what_the_wsdl_does_not_allow_is_refused_before_sending(
    example: SoapServer, npm_soap: Path, tmp_path: Path
) -> None:
    more = '[operations.create]\nfields = [{ to = "nature", const = "x" }]\n'
    profile = completed_profile(tmp_path, "soap", more)
    near = destination(example, profile, wsdl=str(npm_soap / "example.wsdl"))
    example.calls()
    with pytest.raises(ToolRefused, match="WSDL"):
        make_adapter(near).create(ticket())
    assert example.calls() == []


# WSDL files


def test_a_wsdl_that_names_another_place_is_not_followed(tmp_path: Path) -> None:
    text = (_SHIPPED / "atal-v5.wsdl").read_text()
    (tmp_path / "a.wsdl").write_text(
        text.replace(
            "<wsdl:types>",
            '<wsdl:import namespace="urn:x" location="http://127.0.0.1:1/x.wsdl"/><wsdl:types>',
        )
    )
    with pytest.raises(ProfileFaults, match="ExternalReferenceForbidden"):
        make_adapter(atal_destination(SoapServer(1, ""), wsdl=str(tmp_path / "a.wsdl")))


@pytest.mark.parametrize(
    "change", [("</wsdl:definitions>", ""), ("<?xml", "<!DOCTYPE a [<!ENTITY b 'c'>]><?xml")]
)
def test_a_wsdl_that_cannot_be_read_is_told(tmp_path: Path, change: tuple[str, str]) -> None:
    text = (_SHIPPED / "atal-v5.wsdl").read_text()
    (tmp_path / "a.wsdl").write_text(text.replace(*change))
    with pytest.raises(ProfileFaults, match="ne peut pas être lu"):
        make_adapter(atal_destination(SoapServer(1, ""), wsdl=str(tmp_path / "a.wsdl")))


def test_an_operation_that_the_wsdl_lacks_is_told_by_its_key(tmp_path: Path) -> None:
    text = (_SHIPPED / "atal-v5.wsdl").read_text()
    (tmp_path / "a.wsdl").write_text(text.replace("retrieveDetailsDemande", "autreChose"))
    with pytest.raises(ProfileFaults, match=r"operations\.read\.call"):
        make_adapter(atal_destination(SoapServer(1, ""), wsdl=str(tmp_path / "a.wsdl")))


def test_the_astech_template_asks_for_a_wsdl(tmp_path: Path) -> None:
    with pytest.raises(ProfileFaults, match=r"settings\.wsdl"):
        make_adapter(destination(SoapServer(1, ""), completed_profile(tmp_path, "soap")))
