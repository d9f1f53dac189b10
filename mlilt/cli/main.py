"""The `mlilt` command: its subcommands, and how errors reach a person."""

from __future__ import annotations

import importlib
import os
import pkgutil
import signal
import sys
from types import FrameType
from typing import Annotated, NoReturn

import typer

from mlilt import __version__, cli

OVERVIEW = """Image search and image-text models in your language.

Prepares a small image-caption set, aligns a vision tower with a multilingual language model by training a fraction of
their parameters, and compares that with full-model training."""

EXAMPLES = """Examples:

  mlilt quickstart --lang sw                         all of it for Swahili

  mlilt languages                                    which languages there are

  mlilt prep --lang sw                               build the data set

  mlilt train --lang sw --strategy layernorm         train and evaluate

  mlilt compare                                      report on all runs"""


_CONTEXT = {"help_option_names": ["-h", "--help"]}


class Stopped(BaseException):
    """SIGINT or SIGTERM came; everything written so far is whole."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def build() -> typer.Typer:
    """The application: each public module of this folder but this one is a command and holds a function `command`.

    One with SUBCOMMANDS is a group: `command` then runs without one of them, too.
    """
    app = typer.Typer(
        help=OVERVIEW,
        epilog=EXAMPLES,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings=_CONTEXT,
    )

    @app.callback()
    def top(
        version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
    ) -> None:
        if version:
            print(__version__)
            raise typer.Exit

    for name in sorted(m.name for m in pkgutil.iter_modules(cli.__path__)):
        if name != "main" and not name.startswith("_"):
            module = importlib.import_module(f"{cli.__name__}.{name}")
            if not hasattr(module, "SUBCOMMANDS"):
                app.command(name, help=module.HELP, epilog=module.EXAMPLES)(module.command)
                continue
            group = typer.Typer(rich_markup_mode="rich", context_settings=_CONTEXT)
            group.callback(invoke_without_command=True)(module.command)
            for sub, (function, summary, examples) in module.SUBCOMMANDS.items():
                group.command(sub, help=summary, epilog=examples)(function)
            app.add_typer(group, name=name, help=module.HELP, epilog=module.EXAMPLES)
    return app


def main() -> NoReturn:
    """Runs the command line; errors that a user can mend go to standard error without a traceback, exit code 2."""
    # Only a person at a terminal wants a bar redrawn; libraries' own bars would break ours.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    try:
        build()()
    except Stopped as stop:
        resumed = " with --resume" if "train" in sys.argv[1:2] else ""
        kept = f"What was done so far is kept: run the same command again{resumed}."
        # Of processes that train together the first speaks for all.
        if os.environ.get("RANK", "0") == "0":
            print(f"\nStopped. {kept}", file=sys.stderr)
        sys.exit(128 + stop.number)
    except BrokenPipeError:
        # The reader (such as `head`) went away.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(1)
    except ModuleNotFoundError as error:
        from mlilt.cli import _extras

        extra = _extras.of(error.name)
        if extra is None:
            raise
        print(f"mlilt: This needs {error.name}. Install it by: pip install 'mlilt[{extra}]'", file=sys.stderr)
        sys.exit(2)
    except Exception as error:
        from data_prep import errors

        if not isinstance(error, errors.UserError):
            raise
        if not isinstance(error, errors.SaidElsewhere):
            print(f"mlilt: {error}", file=sys.stderr)
        sys.exit(2)
    sys.exit(0)


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    raise Stopped(number)
