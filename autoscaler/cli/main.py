"""The `autoscaler` program: a table of commands, and what becomes of an error.

A command lives in a module of its own, `autoscaler.cli.<name>`, as a function of the same name. The module is imported
when the command runs, so that `autoscaler --help` loads neither pydantic nor a client of anything.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
import traceback
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from autoscaler import __version__
from autoscaler.errors import AutoscalerError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

COMMANDS: Mapping[str, str] = {
    "run": "Scale targets as documents say; --sandbox needs no cluster.",
    "check": "Validate documents, and say which of their series exist.",
    "simulate": "Replay traffic through policies, and show the cost of each.",
    "tune": "Find a policy's cheapest setting, and judge it on other draws.",
    "explain": "Tell from a journal what was decided, and why.",
    "convert": "Turn HPA and KEDA manifests into documents.",
    "schema": "Print the JSON Schema of the documents.",
}
"""Every command's name, and its line in `--help`."""

INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells have it."""


class LazyGroup(TyperGroup):
    """A group that lists its commands by their help lines and imports the one that runs."""

    # typer has no public names for its contexts and commands, hence the Any
    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401
        super().__init__(**attributes)
        self.commands = {name: TyperCommand(name=name, help=line) for name, line in COMMANDS.items()}

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002
        """Return the names in the order of the table."""
        return list(self.commands)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:  # noqa: ANN401
        """Return the name, the imported command and the arguments left for it."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, load(name) if name is not None else command, rest


def load(name: str) -> Any:  # noqa: ANN401
    """Import one command's module and return the command."""
    module = importlib.import_module(f"autoscaler.cli.{name}")
    single = typer.Typer(add_completion=False, rich_markup_mode=None)
    single.command(name=name, help=getattr(module, name).__doc__ or COMMANDS[name])(getattr(module, name))
    return typer.main.get_command(single)


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Scale GPU inference on Kubernetes by what its requests need, and simulate policies before they run.",
)


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - the signature that typer calls
    if wanted:
        typer.echo(f"autoscaler {__version__}")
        raise typer.Exit


@app.callback()
def _program(
    version: Annotated[  # noqa: FBT002 - how typer declares a flag
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    del version


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the program and exit: 0 done, 1 failed at run time, 2 wrong usage or document, 130 interrupted."""
    try:
        typer.main.get_command(app).main(args=arguments, prog_name="autoscaler")
    except AutoscalerError as error:
        _complain(str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - the edge: a person gets one line, and the details where they can be found
        _complain(f"internal error: {_first_line(error)}; the details are {_keep_details(error)}")
        sys.exit(1)
    sys.exit(0)


def _complain(message: str) -> None:
    typer.echo(f"autoscaler: {message}", err=True)


def _first_line(error: Exception) -> str:
    name, text = type(error).__name__, str(error)
    return f"{name}: {text.splitlines()[0]}" if text else name


def _keep_details(error: Exception) -> str:
    """Write the traceback to a file and return where it is; where no file can be written, to standard error."""
    details = "".join(traceback.format_exception(error))
    try:
        with tempfile.NamedTemporaryFile("w", prefix="autoscaler-", suffix=".log", delete=False) as file:
            file.write(details)
    except OSError:
        typer.echo(details, err=True)
        return "above"
    return f"in {file.name}"


if __name__ == "__main__":
    main()
