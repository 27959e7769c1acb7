"""The command ``open311-conformance``."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from open311_conformance import __version__, coverage, engine, shipped
from open311_conformance.model import CannotRun, Outcome, Profile
from open311_conformance.report import badge, terminal
from open311_conformance.report.findings import Findings, findings
from open311_conformance.report.writers import WRITERS
from open311_conformance.run import Run
from open311_conformance.score import COULD_NOT_RUN
from open311_conformance.target import Aim
from open311_conformance.wire.client import Manners

LOOPBACK = ("localhost", "127.0.0.1", "::1")
POLITE_DELAY_S = 0.1


def _answer(write: Callable[[], str]) -> Callable[[click.Context, click.Parameter, bool], None]:
    """A callback that prints something and ends, for options that need no URL."""

    def callback(context: click.Context, _: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 - click's signature
        if wanted:
            click.echo(write(), nl=False)
            context.exit(0)

    return callback


def _copy_schemas(context: click.Context, _: click.Parameter, folder: str | None) -> None:
    if folder:
        try:
            count = shipped.copy_schemas(Path(folder))
        except OSError as error:
            raise click.BadParameter(f"{folder} cannot be written ({error})") from error
        click.echo(f"{count} files written to {folder}")
        context.exit(0)


def _information(name: str, write: Callable[[], str], text: str) -> Callable[[Any], Any]:
    return click.option(
        name, is_flag=True, is_eager=True, expose_value=False, callback=_answer(write), help=text
    )


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.argument("url")
@click.option("--jurisdiction-id", default="", help="Sent with every call.")
@click.option(
    "--api-key",
    default="",
    envvar="OPEN311_API_KEY",
    show_envvar=True,
    help="Key for POST; better given by the environment than on the command line.",
)
@click.option(
    "--profile",
    "profiles",
    multiple=True,
    type=click.Choice([*(p.value for p in Profile), "all"]),
    help="core: what the standard demands; recommended: and what it advises; fr: and our "
    "stricter rules; ext: extensions; all. May be repeated. Default: core.",
)
@click.option("--clause", "only", multiple=True, help="Check only this clause. May be repeated.")
@click.option("--write", is_flag=True, help="Also make test requests (on a test endpoint only).")
@click.option("--yes", is_flag=True, help="Allow --write on an endpoint that is not of type test.")
@click.option(
    "--format",
    "form",
    type=click.Choice(list(WRITERS)),
    default="text",
    help="Format of the report on standard output (or in --output).",
)
@click.option("--output", type=click.Path(dir_okay=False, writable=True), help="Report file.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False), help="Also write JSON here.")
@click.option("--junit", "junit_file", type=click.Path(dir_okay=False), help="Also write JUnit.")
@click.option("--html", "html_file", type=click.Path(dir_okay=False), help="Also write a page.")
@click.option("--badge", "badge_file", type=click.Path(dir_okay=False), help="Also write an SVG.")
@click.option("--discovery", "discovery_url", default="", help="URL of the discovery document.")
@click.option("--lat", default="", help="Where test requests are made, WGS 84 degrees.")
@click.option("--long", default="", help="Where test requests are made, WGS 84 degrees.")
@click.option("--private-id", default="", help="Id of a request known not to be public.")
@click.option(
    "--previous",
    type=click.Path(exists=True, dir_okay=False),
    help="JSON report of an earlier run, to see whether the changeset moved.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(1, 8),
    default=4,
    show_default=True,
    help="Requests at a time.",
)
@click.option(
    "--delay",
    type=click.FloatRange(0, 60),
    default=None,
    help="Seconds between two requests. Default: 0.1, none on this machine.",
)
@click.option(
    "--budget",
    type=click.IntRange(1),
    default=2000,
    show_default=True,
    help="Requests of the whole run at most.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0.5, 300),
    default=20.0,
    show_default=True,
    help="Seconds for one request.",
)
@click.option(
    "--patience",
    type=click.FloatRange(0, 3600),
    default=10.0,
    show_default=True,
    help="Seconds to wait for the id behind a token.",
)
@click.option("--ca-bundle", type=click.Path(exists=True), help="Certificates to trust.")
@click.option("--fail-untested", is_flag=True, help="Exit 1 when a clause could not be tested.")
@click.option("--verbose", "-v", is_flag=True, help="Show passed clauses too.")
@click.option("--quiet", "-q", is_flag=True, help="No progress on standard error.")
@_information("--list-clauses", coverage.markdown, "Print every clause and its check.")
@_information("--report-schema", shipped.report_schema, "Print the JSON Schema of the report.")
@click.option(
    "--copy-schemas",
    metavar="FOLDER",
    is_eager=True,
    expose_value=False,
    callback=_copy_schemas,
    help="Write the schemas of the standard to a folder.",
)
@click.version_option(__version__)
def main(url: str, **options: Any) -> None:
    """Check an Open311 GeoReport v2 server against numbered clauses.

    URL is the base of an endpoint (https://city.example/open311/v2) or its discovery document.
    Without --write only GET, HEAD and OPTIONS are sent.

    Exit code: 0 conformant for the profiles asked for, 1 failures, 2 could not run.
    """  # fmt: skip
    try:
        run = prepare(url, options)
        started = time.monotonic()
        engine.execute(run)
        run.seconds = time.monotonic() - started
    except CannotRun as error:
        click.secho(f"open311-conformance: {error}", err=True, fg="red")
        sys.exit(COULD_NOT_RUN)
    found = findings(run, fail_untested=options["fail_untested"])
    deliver(found, options)
    sys.exit(found["exit_code"])


def prepare(url: str, options: dict[str, Any]) -> Run:
    """A run as the options describe it.

    Raises:
        CannotRun: an option makes no sense.
    """
    _check_reports_can_be_written(options)
    aim = Aim(
        url=url,
        previous=shipped.read_previous(options["previous"]),
        **{name: options[name] for name in (
            "jurisdiction_id", "api_key", "write", "yes", "discovery_url", "private_id", "lat",
            "long",
        )},
        patience_s=options["patience"],
    )  # fmt: skip
    delay = options["delay"]
    if delay is None:
        delay = 0.0 if urlsplit(url).hostname in LOOPBACK else POLITE_DELAY_S
    manners = Manners(
        concurrency=options["concurrency"],
        delay_s=delay,
        budget=options["budget"],
        timeout_s=options["timeout"],
        ca_bundle=options["ca_bundle"] or True,
    )
    progress = _no_progress if options["quiet"] or not sys.stderr.isatty() else _progress
    return Run(aim, manners, _profiles(options["profiles"]), options["only"], progress)


def _check_reports_can_be_written(options: dict[str, Any]) -> None:
    """Before the run: its findings must not be lost at the end for a mistyped folder."""
    for name in ("output", "json_file", "junit_file", "html_file", "badge_file"):
        if options[name]:
            path = Path(options[name])
            place = path if path.exists() else path.parent
            if not os.access(place, os.W_OK) or not path.parent.is_dir():
                raise CannotRun(f"{path} cannot be written: name a file in a folder that exists")


def _profiles(asked: tuple[str, ...]) -> tuple[Profile, ...]:
    if "all" in asked:
        return tuple(Profile)
    return tuple(Profile(name) for name in dict.fromkeys(asked)) or (Profile.CORE,)


def _progress(outcome: Outcome) -> None:
    sign = terminal.SIGNS[outcome.verdict]
    click.secho(sign, nl=False, err=True, fg=terminal.COLOURS[outcome.verdict])


def _no_progress(_: Outcome) -> None:
    """Say nothing while running."""


def deliver(found: Findings, options: dict[str, Any]) -> None:
    """Write the report and its further copies."""
    if not options["quiet"] and sys.stderr.isatty():
        click.echo(err=True)
    if options["form"] == "text":
        report = terminal.write(found, verbose=options["verbose"])
    else:
        report = WRITERS[options["form"]](found)
    if options["output"]:
        Path(options["output"]).write_text(click.unstyle(report), encoding="utf-8")
    else:
        click.echo(report, nl=False)
    for form in ("json", "junit", "html"):
        if options[f"{form}_file"]:
            Path(options[f"{form}_file"]).write_text(WRITERS[form](found), encoding="utf-8")
    if options["badge_file"]:
        Path(options["badge_file"]).write_text(badge.write(found), encoding="utf-8")
