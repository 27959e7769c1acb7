"""What an integrator sees: exit codes, reports, manners."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from lxml import etree
from runs import Command, failures, run_suite

from open311_conformance import shipped
from open311_conformance.model import Verdict
from open311_conformance.proving.messages import Answer, Ask
from open311_conformance.proving.mutation import Mutation
from open311_conformance.proving.reference import JURISDICTION, KEY, ReferenceServer
from open311_conformance.proving.serving import reference, serving

PHONE, MAIL = "+33612345678", "jeanne.martin@example.org"


class Witness:
    """Notes what a reference server is asked."""

    def __init__(self, hold_s: float = 0.0) -> None:
        self.hold_s = hold_s
        self.methods: list[str] = []
        self.forms: list[dict[str, str]] = []
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()

    def __call__(self, server: ReferenceServer) -> Callable[[Ask], Answer]:
        def respond(ask: Ask) -> Answer:
            with self.lock:
                self.methods.append(ask.method)
                self.forms.append(dict(ask.form))
                self.at_once += 1
                self.most_at_once = max(self.most_at_once, self.at_once)
            time.sleep(self.hold_s)
            try:
                return server.answer(ask)
            finally:
                with self.lock:
                    self.at_once -= 1

        return respond


def test_a_server_that_keeps_every_clause_gets_0(command: Command, healthy: str) -> None:
    done = command(healthy, "--profile", "all", "--write", "--api-key", KEY)
    assert done.returncode == 0, done.stdout + done.stderr
    for profile in ("core", "recommended", "fr", "ext"):
        assert f"{profile} " in done.stdout
    assert "NOT conformant" not in done.stdout


def test_a_failure_gets_1_and_says_what_to_change(command: Command) -> None:
    mutation = Mutation("C-061", "", content=lambda _, root, rows: (
        [{**row, "service_name": None} for row in rows] if root == "services" else rows
    ))  # fmt: skip
    with reference(mutation.into) as url:
        done = command(url, "--clause", "C-061")
    assert done.returncode == 1
    assert "C-061" in done.stdout
    assert "change: Fill in the name" in done.stdout
    assert "services.xml" in done.stdout


def test_a_mistyped_key_is_a_problem_of_the_run_not_a_failure_of_the_server(
    command: Command, healthy: str
) -> None:
    done = command(healthy, "--write", "--yes", "--api-key", "mistyped", "--json", "report.json")
    assert done.returncode == 2, done.stdout
    assert "--api-key" in done.stderr
    assert "may create requests" in done.stderr
    assert "mistyped" not in done.stderr
    assert "FAILED" not in done.stdout


def test_a_server_that_refuses_a_good_key_otherwise_than_a_wrong_one_is_judged(
    command: Command,
) -> None:
    def closed(server: ReferenceServer) -> Callable[[Ask], Answer]:
        def respond(ask: Ask) -> Answer:
            if ask.method == "POST" and ask.form.get("api_key") == KEY:
                body = (
                    b"<errors><error><code>403</code><description>no</description></error></errors>"
                )
                return Answer(403, body, {"Content-Type": "text/xml; charset=utf-8"})
            return server.answer(ask)

        return respond

    with reference(closed) as url:
        done = command(url, "--write", "--yes", "--api-key", KEY, "--clause", "C-100")
    assert done.returncode == 1, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["http://127.0.0.1:9/open311/v2"], "cannot be reached"),
        (["ftp://city.example/open311/v2"], "not an http or https address"),
        (["http://no-such-host.invalid/v2"], "cannot be reached"),
        (["http://127.0.0.1:9/v2", "--clause", "C-999"], "no such clause"),
        (["http://127.0.0.1:9/discovery.xml"], "cannot be read"),
        (["http://127.0.0.1:9/v2", "--output", "/dev/null/x"], "/dev/null/x cannot be written"),
        (["http://127.0.0.1:9/v2", "--badge", "/dev/null/x"], "/dev/null/x cannot be written"),
        (["--copy-schemas", "/dev/null/x"], "cannot be written"),
    ],
)
def test_what_cannot_run_gets_2_and_a_sentence(
    command: Command, arguments: list[str], said: str
) -> None:
    done = command(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_several_jurisdictions_without_id_get_2_and_the_option(command: Command) -> None:
    with reference(multi=True) as url:
        refused = command(url)
        accepted = command(url, "--jurisdiction-id", JURISDICTION)
        unknown = command(url, "--jurisdiction-id", "nowhere.example")
        beside = command(url.rsplit("/", 1)[0], "--jurisdiction-id", JURISDICTION)
    assert refused.returncode == unknown.returncode == beside.returncode == 2
    assert "--jurisdiction-id" in refused.stderr
    assert "check the address, and --jurisdiction-id" in unknown.stderr
    assert "check the address" in beside.stderr or "nothing at" in beside.stderr
    assert accepted.returncode == 0, accepted.stdout


def test_without_write_only_reading_methods_are_sent(command: Command) -> None:
    witness = Witness()
    with reference(witness) as url:
        done = command(url, "--profile", "all", "--api-key", KEY)
    assert done.returncode == 0, done.stdout
    assert set(witness.methods) <= {"GET", "HEAD", "OPTIONS"}


def test_every_test_request_says_what_it_is(command: Command) -> None:
    witness = Witness()
    with reference(witness) as url:
        command(url, "--profile", "all", "--write", "--api-key", KEY)
    described = [form["description"] for form in witness.forms if "description" in form]
    assert len(described) > 30
    for description in described:
        too_long_to_be_kept = len(description) > 4000
        marked = "conformance test" in description and "Test de conformité" in description
        assert marked or too_long_to_be_kept or "conformance" in description


def test_writing_on_production_needs_yes(command: Command, healthy: str) -> None:
    production = healthy.replace("/test/", "/")
    refused = command(production, "--write", "--api-key", KEY)
    assert refused.returncode == 2
    assert "--yes" in refused.stderr
    allowed = command(production, "--write", "--yes", "--api-key", KEY, "--clause", "C-102")
    assert allowed.returncode == 0, allowed.stdout


def test_a_discovery_url_leads_to_the_test_endpoint_when_writing(
    command: Command, healthy: str
) -> None:
    discovery = healthy.replace("/test/v2", "/discovery.json")
    done = command(discovery, "--write", "--api-key", KEY, "--clause", "C-102", "--format", "json")
    assert json.loads(done.stdout)["target"]["type"] == "test"
    assert json.loads(done.stdout)["target"]["url"] == healthy


def test_the_json_report_fits_its_published_schema(command: Command, healthy: str) -> None:
    done = command(healthy, "--profile", "all", "--format", "json", "--clause", "C-041", "--clause",
                   "C-001", "--clause", "C-211", "--clause", "C-017")  # fmt: skip
    schema = json.loads(shipped.report_schema())
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(json.loads(done.stdout))
    verdicts = {it["id"]: it["verdict"] for it in json.loads(done.stdout)["clauses"]}
    assert verdicts == {
        "C-001": "passed",
        "C-017": "reported",
        "C-041": "not tested",
        "C-211": "passed",
    }


def test_not_tested_is_never_passed(command: Command, healthy: str) -> None:
    done = command(healthy, "--profile", "fr", "--format", "json")
    report = json.loads(done.stdout)
    fr = report["profiles"][0]
    assert fr["not_tested"] > 40
    untested = [it for it in report["clauses"] if it["verdict"] == "not tested"]
    assert all(it["message"] for it in untested)
    assert command(healthy, "--profile", "fr", "--fail-untested").returncode == 1


def test_only_untested_clauses_are_no_success(command: Command, healthy: str) -> None:
    assert command(healthy, "--clause", "C-195").returncode == 2


def leaky(server: ReferenceServer) -> Callable[[Ask], Answer]:
    """A server that answers unknown ids with the caller's key and a person's data."""

    def respond(ask: Ask) -> Answer:
        answer = server.answer(ask)
        if answer.status == 404:
            leak = f"<email>{MAIL}</email> {PHONE} {KEY} <first_name>Jeanne</first_name>"
            answer.body = f"<html>{leak}</html>".encode()
        return answer

    return respond


@pytest.mark.parametrize("form", ["text", "json", "junit", "html"])
def test_keys_and_personal_data_are_masked_in_every_report(command: Command, form: str) -> None:
    with reference(leaky) as url:
        done = command(url, "--profile", "all", "--write", "--api-key", KEY, "--format", form)
    assert done.returncode == 1
    for secret in (KEY, PHONE, MAIL, ">Jeanne<", "Zephyrine-311", "conformance-311@example.org"):
        assert secret not in done.stdout
    assert "•••" in done.stdout or "&#8226;" in done.stdout


def test_junit_counts_what_happened(command: Command, healthy: str) -> None:
    done = command(healthy, "--profile", "recommended", "--format", "junit")
    suite = etree.fromstring(done.stdout.encode()).find("testsuite")
    assert suite is not None
    assert int(suite.get("failures", "-1")) == 0
    skipped = suite.findall("testcase/skipped")
    assert len(skipped) == int(suite.get("skipped", "0")) > 20
    assert all(it.get("message") for it in skipped)


def test_the_page_stands_alone_and_speaks_both_languages(
    command: Command, healthy: str, tmp_path: Path
) -> None:
    page, badge = tmp_path / "report.html", tmp_path / "badge.svg"
    command(healthy, "--profile", "fr", "--html", str(page), "--badge", str(badge))
    tree = etree.fromstring(page.read_bytes(), etree.HTMLParser())

    def count(path: str) -> float:
        return float(str(tree.xpath(f"count({path})")))

    assert count("//link | //script[@src] | //img | //iframe") == 0
    text = page.read_text(encoding="utf-8")
    assert "url(" not in text
    assert "@import" not in text
    assert count("//details") == 162
    assert count("//span[@lang='fr']") == count("//span[@lang='en']") > 162
    svg = etree.fromstring(badge.read_bytes())
    assert "fr" in str(svg.get("aria-label"))


def test_a_run_is_not_disturbed_by_the_folder_it_happens_in(
    command: Command, healthy: str, tmp_path: Path
) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    (tmp_path / "conftest.py").write_text("raise SystemExit('conftest was read')\n")
    done = command(healthy, cwd=tmp_path, env={"PYTEST_ADDOPTS": "-k nothing"})
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"pytest.ini", "conftest.py"}


def test_the_budget_bounds_the_requests(command: Command) -> None:
    witness = Witness()
    with reference(witness) as url:
        done = command(url, "--budget", "20", "--format", "json")
    assert len(witness.methods) <= 20
    reasons = [it["message"] for it in json.loads(done.stdout)["clauses"]]
    assert any("budget of 20" in reason for reason in reasons)


def test_concurrency_is_bounded(command: Command) -> None:
    witness = Witness(hold_s=0.01)
    with reference(witness) as url:
        command(url, "--concurrency", "2")
    assert witness.most_at_once == 2


def test_429_is_waited_for_and_asked_again(command: Command) -> None:
    told: list[Ask] = []

    def busy(server: ReferenceServer) -> Callable[[Ask], Answer]:
        def respond(ask: Ask) -> Answer:
            if len(told) < 2 and ask.resource == "requests":
                told.append(ask)
                return Answer(429, b"", {"Retry-After": "0"})
            return server.answer(ask)

        return respond

    with reference(busy) as url:
        done = command(url, "--profile", "fr", "--format", "json")
    report = json.loads(done.stdout)
    verdicts = {it["id"]: it["verdict"] for it in report["clauses"]}
    assert done.returncode == 0
    assert len(told) == 2
    assert verdicts["C-237"] == "passed"


def test_a_server_that_keeps_refusing_is_left_alone(command: Command) -> None:
    def closed(server: ReferenceServer) -> Callable[[Ask], Answer]:
        return lambda ask: Answer(429, b"", {"Retry-After": "3600"})

    with reference(closed) as url:
        done = command(url)
    assert done.returncode == 2
    assert "429" in done.stderr


def test_a_moved_changeset_is_seen_between_two_runs(command: Command, tmp_path: Path) -> None:
    before = tmp_path / "before.json"

    def renamed(_: Ask, root: str, content: Any) -> Any:
        if root == "services":
            return [{**row, "group": "Autre"} for row in content]
        return content

    with reference() as url:
        command(url, "--json", str(before))
    report = json.loads(before.read_text())
    with reference(Mutation("", "", content=renamed).into) as url:
        moved = command(url, "--clause", "C-041", "--previous", str(before), "-v")
        # The reference dates its changeset by its start: another server, another changeset.
        assert moved.returncode in (0, 1), moved.stdout
        report["target"]["changeset"] = "2000-01-01T00:00:00Z"
        before.write_text(json.dumps(report))
        assert command(url, "--clause", "C-041", "--previous", str(before)).returncode == 0


def test_an_empty_test_endpoint_is_given_requests_to_look_at() -> None:
    bare = ReferenceServer(empty=True)
    with serving(bare.answer) as address:
        bare.address = address
        run = run_suite(f"{address}/open311/test/v2", lat="45.75", long="4.85")
    assert failures(run) == set()
    for clause_id in ("C-171", "C-187", "C-210", "C-212", "X-02", "X-12", "X-34"):
        assert run.outcomes[clause_id].verdict is Verdict.PASSED, clause_id


def test_information_needs_no_server(command: Command, tmp_path: Path) -> None:
    assert "C-174" in command("--list-clauses").stdout
    assert json.loads(command("--report-schema").stdout)["title"]
    copied = command("--copy-schemas", str(tmp_path / "schemas"))
    assert "files written" in copied.stdout, copied.stderr
    assert list((tmp_path / "schemas").rglob("*.xsd"))
