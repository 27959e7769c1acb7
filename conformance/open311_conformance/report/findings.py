"""The one structure that every report is written from, masked already."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote_plus

from open311_conformance import __version__
from open311_conformance.masking import mask
from open311_conformance.model import CannotRun, NotTested, Outcome
from open311_conformance.run import Run, judged
from open311_conformance.score import exit_code, score
from open311_conformance.wire.exchange import Exchange
from open311_conformance.wire.reading import text

EXCERPT = 600
Findings = dict[str, Any]


def findings(run: Run, *, fail_untested: bool = False) -> Findings:
    """A finished run as plain values (see report.schema.json)."""
    outcomes = list(run.outcomes.values())
    secrets = (run.aim.api_key, quote_plus(run.aim.api_key))
    scores = [score(profile, outcomes) for profile in run.profiles]
    return {
        "report": 1,
        "suite": {"name": "open311-conformance", "version": __version__},
        "target": _target(run),
        "started": run.started.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "seconds": round(run.seconds, 2),
        "requests_sent": run.client.spent,
        "profiles": [
            {
                "profile": item.profile.value,
                "passed": item.passed,
                "failed": item.failed,
                "not_tested": item.not_tested,
                "conformant": item.conformant,
            }
            for item in scores
        ],
        "verdicts": {verdict.value: count for verdict, count in judged(outcomes).items()},
        "exit_code": exit_code(outcomes, fail_untested=fail_untested),
        "clauses": [
            _clause(run.outcomes[name], secrets) for name in run.clauses if name in run.outcomes
        ],
    }


def _target(run: Run) -> Findings:
    target = run.target
    try:
        catalogue, changeset = target.catalogue_digest, text(target.endpoint, "changeset")
    except (NotTested, CannotRun):
        catalogue = changeset = ""
    return {
        "url": target.base,
        "jurisdiction_id": run.aim.jurisdiction_id,
        "type": target.kind,
        "written": run.aim.write,
        "catalogue": catalogue,
        "changeset": changeset,
    }


def _clause(outcome: Outcome, secrets: tuple[str, ...]) -> Findings:
    clause = outcome.clause
    return {
        "id": clause.id,
        "level": clause.level.value,
        "section": clause.section,
        "rule": clause.rule,
        "regle": clause.regle,
        "source": clause.source,
        "advice": clause.advice,
        "conseil": clause.conseil,
        "verdict": outcome.verdict.value,
        "message": mask(outcome.message, secrets),
        "warnings": [mask(warning, secrets) for warning in outcome.warnings],
        "seconds": round(outcome.seconds, 3),
        "evidence": [_exchange(exchange, secrets) for exchange in _last(outcome)],
    }


def _last(outcome: Outcome) -> list[Exchange]:
    """The exchanges to show, the decisive one last and none twice."""
    distinct = {id(exchange): exchange for exchange in reversed(outcome.evidence)}
    return list(distinct.values())[:2][::-1]


def _exchange(exchange: Exchange, secrets: tuple[str, ...]) -> Findings:
    query = exchange.query
    return {
        "method": query.method,
        "url": mask(query.url, secrets),
        "sent_headers": mask("\n".join(f"{k}: {v}" for k, v in query.headers), secrets),
        "sent_body": mask((query.body or b"")[: EXCERPT * 2].decode("utf-8", "replace"), secrets)[
            :EXCERPT
        ],
        "status": exchange.status,
        "failure": exchange.failure,
        "content_type": exchange.content_type,
        "received": mask(exchange.text[: EXCERPT * 2], secrets)[:EXCERPT],
    }
