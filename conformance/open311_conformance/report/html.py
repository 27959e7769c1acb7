"""The report as one self-contained page, in French and English, for a city and its supplier."""

from __future__ import annotations

from html import escape
from itertools import groupby
from pathlib import Path

from open311_conformance.report.findings import Findings

STYLE = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
SCRIPT = """
const root = document.documentElement;
document.getElementById("language").onclick = () => {
  root.lang = root.lang === "fr" ? "en" : "fr";
};
for (const box of document.querySelectorAll("input[data-hide]")) {
  const apply = () => document.body.classList.toggle("hide-" + box.dataset.hide, !box.checked);
  box.onchange = apply;
  apply();
}
"""
VERDICTS = {
    "passed": ("conforme", "passed"),
    "failed": ("non conforme", "failed"),
    "reported": ("signalé", "reported"),
    "not tested": ("non testé", "not tested"),
    "broken": ("contrôle en panne", "check broken"),
}
LEVELS = {
    "M": ("obligatoire", "must"),
    "S": ("recommandé", "should"),
    "O": ("facultatif", "may"),
    "P": ("profil français", "French profile"),
    "X": ("extension", "extension"),
}
SECTIONS = {
    "transport": ("Transport et encodage", "Transport and encoding"),
    "discovery": ("Découverte", "Discovery"),
    "jurisdiction": ("Collectivités et clés", "Jurisdictions and keys"),
    "services": ("Services et définitions", "Services and definitions"),
    "post": ("Dépôt d'une demande et jetons", "Posting a request, tokens"),
    "requests": ("Lecture des demandes", "Reading requests"),
    "errors": ("Erreurs", "Errors"),
    "extensions": ("Extensions", "Extensions"),
}


def both(french: str, english: str) -> str:
    """A text in both languages; the page shows one of them."""
    return f'<span lang="fr">{escape(french)}</span><span lang="en">{escape(english)}</span>'


def write(found: Findings) -> str:
    """The page. It loads nothing from elsewhere and reads well without its script."""
    sections = "".join(
        _section(name, list(clauses))
        for name, clauses in groupby(found["clauses"], key=lambda clause: clause["section"])
    )
    return (
        '<!doctype html>\n<html lang="fr"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>GeoReport v2 · {escape(found['target']['url'])}</title>"
        f"<style>{STYLE}</style></head><body><main>{_head(found)}"
        f'<div class="scores">{"".join(map(_score, found["profiles"]))}</div>'
        f"{_explanation()}{_filters()}{sections}</main>"
        f"<script>{SCRIPT}</script></body></html>\n"
    )


def _head(found: Findings) -> str:
    target = found["target"]
    title = both("Conformité Open311 GeoReport v2", "Open311 GeoReport v2 conformance")
    parts = [target["url"], target["jurisdiction_id"], target["type"], found["started"]]
    where = " · ".join(escape(part) for part in parts if part)
    sent = both(f"{found['requests_sent']} requêtes", f"{found['requests_sent']} requests")
    suite = escape(f"{found['suite']['name']} {found['suite']['version']}")
    return (
        '<button id="language" class="language" type="button">Français / English</button>'
        f'<h1>{title}</h1><p class="where">{where} · {sent} · {suite}</p>'
    )


def _score(item: Findings) -> str:
    tested = item["passed"] + item["failed"]
    word = both("conforme", "conformant") if item["conformant"] else both(
        "non conforme", "not conformant"
    )  # fmt: skip
    kind = "score conformant" if item["conformant"] else "score"
    untested = both(f"{item['not_tested']} non testées", f"{item['not_tested']} not tested")
    return (
        f'<div class="{kind}">{both("Profil", "Profile")} {escape(item["profile"])}'
        f"<strong>{item['passed']} / {tested}</strong>{word} · {untested}</div>"
    )


def _explanation() -> str:
    return "<p>" + both(
        "Chaque règle porte un numéro. Une règle non testée n'est jamais comptée comme "
        "conforme : la raison est dite. Les constats techniques sont en anglais. Les clés et "
        "les données personnelles sont masquées.",
        "Every rule has a number. A rule that was not tested is never counted as passed: the "
        "reason is told. Technical findings are in English. Keys and personal data are masked.",
    ) + "</p>"  # fmt: skip


def _filters() -> str:
    boxes = (
        ("passed", "règles conformes", "passed rules"),
        ("untested", "règles non testées", "rules not tested"),
    )
    labels = [
        f'<label><input type="checkbox" data-hide="{name}" checked> '
        f"{both('Montrer les ' + french, 'Show ' + english)}</label>"
        for name, french, english in boxes
    ]
    return f'<div class="filters">{"".join(labels)}</div>'


def _section(name: str, clauses: list[Findings]) -> str:
    title = both(*SECTIONS.get(name, (name, name)))
    return f"<h2>{title}</h2>{''.join(map(_clause, clauses))}"


def _clause(clause: Findings) -> str:
    verdict = clause["verdict"]
    opened = " open" if verdict in ("failed", "broken") else ""
    return (
        f'<details data-verdict="{verdict}" id="{clause["id"]}"{opened}><summary>'
        f'<span class="verdict">{both(*VERDICTS[verdict])}</span>'
        f'<span class="id">{clause["id"]}</span>{both(clause["regle"], clause["rule"])}'
        f'</summary><div class="body"><dl>{_facts(clause)}</dl>'
        f"{''.join(map(_exchange, clause['evidence']))}</div></details>"
    )


def _facts(clause: Findings) -> str:
    facts = [
        (both("Niveau", "Level"), both(*LEVELS[clause["level"]])),
        (both("Source", "Source"), escape(clause["source"])),
    ]
    if clause["message"]:
        label = both("Constat", "Finding")
        if clause["verdict"] == "not tested":
            label = both("Raison", "Reason")
        facts.append((label, escape(clause["message"])))
    facts += [
        (both("Avertissement", "Warning"), f'<span class="warning">{escape(text)}</span>')
        for text in clause["warnings"]
    ]
    if clause["verdict"] in ("failed", "broken"):
        facts.append(
            (both("À modifier", "What to change"), both(clause["conseil"], clause["advice"]))
        )
    return "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in facts)


def _exchange(exchange: Findings) -> str:
    sent = "\n".join(filter(None, (
        f"{exchange['method']} {exchange['url']}",
        exchange["sent_headers"],
        exchange["sent_body"],
    )))  # fmt: skip
    got = exchange["failure"] or f"HTTP {exchange['status']} {exchange['content_type']}"
    received = f"{got}\n{exchange['received']}".strip()
    return (
        f"<div>{both('Envoyé', 'Sent')}<pre>{escape(sent)}</pre>"
        f"{both('Reçu', 'Received')}<pre>{escape(received)}</pre></div>"
    )
