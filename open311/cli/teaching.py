"""Commands that speak French: help that teaches, errors that say what to do."""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NoReturn

import click
from click.exceptions import (
    BadParameter,
    FileError,
    MissingParameter,
    NoSuchOption,
    UsageError,
)

from open311.cli.database_faults import (
    DATABASE_ERRORS,
    database_sentence,
    is_fault_of_the_place,
)
from open311.config.errors import ConfigurationError, JurisdictionFileError
from open311.domain.errors import InvalidFields, Open311Error, Unavailable

REFUSED, MISUSED, INTERRUPTED = 1, 2, 130


class TeachingCommand(click.Command):
    """A command whose help is in French throughout; its indented lines are examples."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        paragraphs = inspect.cleandoc(self.help or "").split("\n\n")
        self.help = "\n\n".join(map(_as_written, paragraphs))

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """One line: how the command is written."""
        pieces = " ".join(self.collect_usage_pieces(ctx))
        formatter.write_usage(ctx.command_path, pieces, prefix="Usage : ")

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """The option --help, explained in French."""
        option = super().get_help_option(ctx)
        if option is not None:
            option.help = "Afficher cette aide et s'arrêter."
        return option


class TeachingGroup(TeachingCommand, click.Group):
    """A group of commands; the outermost one tells every expected error in a sentence.

    Args:
        lazy: names of commands and where each is, as `module:attribute`; they are
            imported when they are asked for.
    """

    command_class = TeachingCommand

    def __init__(self, *args: Any, lazy: Mapping[str, str] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, subcommand_metavar="COMMANDE …", **kwargs)
        self._lazy = lazy or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order in which they are declared, as one meets them."""
        del ctx
        present = [name for name, at in self._lazy.items() if find_spec(at.partition(":")[0])]
        return [*present, *self.commands]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands, each with the first sentence of its help."""
        named = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commandes"):
            rows = [(name, command.get_short_help_str(200)) for name, command in named if command]
            formatter.write_dl(rows)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now if it is not yet there."""
        if cmd_name in self._lazy and cmd_name in self.list_commands(ctx):
            module, _, attribute = self._lazy[cmd_name].partition(":")
            command: click.Command = getattr(import_module(module), attribute)
            return command
        return super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that a line names, or a sentence with the nearest names."""
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            close = get_close_matches(args[0], self.list_commands(ctx))
            raise UsageError(f"La commande {args[0]} n'existe pas{_close(close)}", ctx)
        return super().resolve_command(ctx, args)

    def main(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Run a command line; every expected error is a sentence and an exit code."""
        kwargs["standalone_mode"] = False
        try:
            code = super().main(*args, **kwargs)
        except UsageError as error:
            _say(_usage_sentence(error))
            sys.exit(MISUSED)
        except (Open311Error, *DATABASE_ERRORS, click.ClickException) as error:
            if isinstance(error, DATABASE_ERRORS) and not is_fault_of_the_place(error):
                raise
            _say(_sentence(error))
            sys.exit(REFUSED)
        except (click.Abort, KeyboardInterrupt):
            _say("Interrompu.")
            sys.exit(INTERRUPTED)
        sys.exit(code if isinstance(code, int) else 0)


def _say(text: str) -> None:
    click.echo(text, err=True)


def _as_written(paragraph: str) -> str:
    """Examples keep their lines; an indentation common to the whole help is lost on the way."""
    if paragraph.startswith(("open311 ", "OPEN311_")):
        paragraph = textwrap.indent(paragraph, "    ")
    return f"\b\n{paragraph}" if paragraph.startswith(" ") else paragraph


def _sentence(error: Exception) -> str:
    cause = error.__cause__ if isinstance(error, Unavailable) else error
    if cause is not None and is_fault_of_the_place(cause):
        return database_sentence(cause)
    match error:
        case JurisdictionFileError():
            return _listed(f"{error.path} :", error.faults)
        case ConfigurationError():
            return _listed("Réglages à corriger :", error.faults)
        case InvalidFields():
            return "\n".join(each.message for each in error.errors)
        case FileError():
            return f"{error.ui_filename} : ce fichier ne peut pas être ouvert."
    return str(getattr(error, "message", error))


def _listed(head: str, lines: Iterable[str]) -> str:
    return "\n".join((head, *(f"  {line}" for line in lines)))


def _usage_sentence(error: UsageError) -> str:
    where = error.ctx.command_path if error.ctx else "open311"
    return f"{_usage_fault(error)}\nAide : {where} --help"


def _usage_fault(error: UsageError) -> str:
    match error:
        case NoSuchOption():
            return f"L'option {error.option_name} n'existe pas{_close(error.possibilities)}"
        case MissingParameter():
            return f"Il manque {_named(error.param)}."
        case BadParameter():
            return f"{_named(error.param)} ne convient pas : {_expected(error)}"
    for words, sentence in _CLICK_SAYS.items():
        if found := re.search(words, error.message):
            return sentence.format(*found.groups())
    return error.message


def _expected(error: BadParameter) -> str:
    match error.param.type if error.param else None:
        case click.IntRange(min=least, max=most):
            return f"un nombre entier entre {least} et {most} est attendu."
        case click.Choice(choices=choices):
            return f"valeurs possibles : {', '.join(map(str, choices))}."
        case click.File() | click.Path():
            return _path_sentence(error.message)
    return error.message


def _path_sentence(said: str) -> str:
    """Which path, and why not, of what click says of it in English."""
    path = re.search(r"'(.*)'", said)
    why = next((told for words, told in _PATH_FAULTS.items() if re.search(words, said)), said)
    return f"{path[1] if path else 'ce chemin'} : {why}."


def _named(parameter: click.Parameter | None) -> str:
    if isinstance(parameter, click.Option):
        return f"l'option {'/'.join(parameter.opts)}"
    return "une valeur" if parameter is None else str(parameter.make_metavar(_NO_CONTEXT))


def _close(possibilities: object) -> str:
    known = list(possibilities) if isinstance(possibilities, list | tuple) else []
    return f" ; vouliez-vous dire {' ou '.join(known)} ?" if known else "."


_CLICK_SAYS = {
    r"Got unexpected extra arguments? \((.*)\)": "« {0} » est de trop.",
    r"Option '(.*)' requires an argument": "L'option {0} demande une valeur.",
    r"Option '(.*)' does not take a value": "L'option {0} ne prend pas de valeur.",
    r"Missing command": "Il manque une commande.",
}
_PATH_FAULTS = {
    r"is a file": "c'est un fichier, un dossier est attendu",
    r"is a directory|Is a directory": "c'est un dossier, un fichier est attendu",
    r"does not exist|No such file": "il n'existe pas",
    r"not (readable|writable)|Permission denied": "cet utilisateur n'en a pas le droit",
}

_NO_CONTEXT = click.Context(click.Command("open311"))
