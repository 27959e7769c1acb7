"""C-126, C-127, C-137: data about the reporter."""

from __future__ import annotations

from open311_conformance.checks.post import accepted, post
from open311_conformance.checks.post_text import made
from open311_conformance.posting import created
from open311_conformance.probe import Probe
from open311_conformance.registry import writes
from open311_conformance.wire.forms import merged
from open311_conformance.wire.reading import text

# Invented, and easy to find again.
REPORTER = {
    "email": "conformance-311@example.org",
    "phone": "+33199003111",
    "first_name": "Zephyrine-311",
    "last_name": "Quatremaille-311",
    "device_id": "device-311-conformance",
    "account_id": "account-311-conformance",
}


@writes("C-126")
def reporter_fields_are_accepted(probe: Probe) -> None:
    form = probe.posting.form()
    accepted(probe, merged(form, REPORTER.items()), "all reporter fields")
    accepted(probe, merged(form, dict.fromkeys(REPORTER, "").items()), "empty reporter fields")


@writes("C-127")
def reporter_stays_private(probe: Probe) -> None:
    service = probe.posting.service("realtime")
    fields = merged(probe.posting.form(service), REPORTER.items())
    service_request_id = made(probe, fields, "all reporter fields")
    for params in ((), (("extensions", "true"),)):
        for fmt in probe.target.formats:
            for resource in ("requests", f"requests/{service_request_id}"):
                exchange = probe.get(resource, fmt, params, fresh=True)
                for name, value in REPORTER.items():
                    leaked = value in exchange.text
                    probe.require(not leaked, f"{name} appears in {resource}", exchange)


@writes("C-137")
def notice_and_account(probe: Probe) -> None:
    fields = merged(probe.posting.form(), {"account_id": REPORTER["account_id"]}.items())
    row = created(post(probe, fields))
    given = [name for name in ("service_notice", "account_id") if text(row, name)]
    probe.report(f"returned: {', '.join(given) or 'neither'}")
