"""The report for a terminal."""

from __future__ import annotations

import click

from open311_conformance.report.findings import Findings

COLOURS = {
    "passed": "green",
    "failed": "red",
    "reported": "cyan",
    "not tested": "yellow",
    "broken": "magenta",
}
SIGNS = {"passed": "✓", "failed": "✗", "reported": "i", "not tested": "–", "broken": "!"}


def write(found: Findings, *, verbose: bool = False) -> str:
    """The report as text with colours (click drops them where they cannot be shown)."""
    target = found["target"]
    lines = [f"{target['url']}  {target['jurisdiction_id']} {target['type']}".rstrip(), ""]
    for clause in found["clauses"]:
        if verbose or clause["verdict"] != "passed" or clause["warnings"]:
            lines += _clause(clause)
    lines += ["", *(_profile(item) for item in found["profiles"])]
    sent = f"{found['requests_sent']} requests in {found['seconds']:.1f} s"
    lines.append(f"{sent}; not tested is never passed (reasons above)")
    return "\n".join(lines) + "\n"


def _clause(clause: Findings) -> list[str]:
    colour = COLOURS[clause["verdict"]]
    head = f"{SIGNS[clause['verdict']]} {clause['id']} [{clause['level']}] {clause['verdict']}"
    lines = [click.style(head, fg=colour) + f"  {clause['rule']}"]
    if clause["message"]:
        lines.append(f"    {clause['message'].strip()}")
    lines += [click.style(f"    warning: {text}", fg="yellow") for text in clause["warnings"]]
    if clause["verdict"] == "failed":
        lines += [_exchange(exchange) for exchange in clause["evidence"][-1:]]
        lines.append(f"    change: {clause['advice']}  ({clause['source']})")
    return lines


def _exchange(exchange: Findings) -> str:
    got = exchange["failure"] or f"HTTP {exchange['status']} {exchange['content_type']}"
    body = " ".join(exchange["received"].split())[:160]
    return click.style(
        f"    {exchange['method']} {exchange['url']}\n    -> {got}  {body}", dim=True
    )


def _profile(item: Findings) -> str:
    tested = item["passed"] + item["failed"]
    share = f"{100 * item['passed'] / tested:.0f} %" if tested else "nothing tested"
    word = "conformant" if item["conformant"] else "NOT conformant"
    colour = "green" if item["conformant"] else "red"
    counts = f"{item['passed']}/{tested} passed, {item['not_tested']} not tested"
    return click.style(f"{item['profile']:<12} {share:>5}  {counts}  {word}", fg=colour, bold=True)
