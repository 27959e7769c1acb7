"""The badge: an SVG with the profiles and whether the server conforms."""

from __future__ import annotations

from html import escape

from open311_conformance.report.findings import Findings

GREEN, RED, GREY = "#2e7d32", "#c62828", "#555"
CHARACTER_WIDTH = 7


def write(found: Findings) -> str:
    """A badge for the highest profile that was run."""
    item = found["profiles"][-1]
    tested = item["passed"] + item["failed"]
    left = f"GeoReport v2 {item['profile']}"
    right = f"{item['passed']}/{tested}" + ("" if item["conformant"] else " ✗")
    widths = [CHARACTER_WIDTH * len(text) + 14 for text in (left, right)]
    colour = GREEN if item["conformant"] else RED
    whole = sum(widths)
    label = escape(f"{left}: {right}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{whole}" height="20" role="img" '
        f'aria-label="{label}"><title>{label}</title>'
        f'<rect width="{widths[0]}" height="20" fill="{GREY}"/>'
        f'<rect x="{widths[0]}" width="{widths[1]}" height="20" fill="{colour}"/>'
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" '
        'text-anchor="middle">'
        f'<text x="{widths[0] / 2}" y="14">{escape(left)}</text>'
        f'<text x="{widths[0] + widths[1] / 2}" y="14">{escape(right)}</text></g></svg>\n'
    )
