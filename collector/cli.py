"""The `collector` command: finds what a command line names, and runs it.

A command is a module with EXAMPLES, `add_arguments(parser)` and `run(options)`, which returns the exit code; the module's
docstring is its help. Only the module of the command that runs is imported: `collector --help` waits for no pyarrow.
"""

import argparse
import signal
import sys
from collections.abc import Container, Sequence
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Final, NamedTuple, NoReturn

from collector import __version__, scrub
from collector.domain.errors import StopError, StoreError
from collector.domain.redact import printable
from collector.tools.ending import end_with, prepare_output


class Command(NamedTuple):
    """A row of the table of commands."""

    module: str
    summary: str
    is_recorder: bool = False
    """Whether it starts a recorder, which handles signals itself."""


COMMANDS: Final = {
    "run": Command("collector.supervision.commands.run", "record until Ctrl-C or SIGTERM", is_recorder=True),
    "check": Command(
        "collector.supervision.commands.check", "validate configuration, store and disk", is_recorder=True
    ),
    "demo": Command("collector.supervision.commands.demo", "record the built-in exchange, offline", is_recorder=True),
    "reload": Command("collector.supervision.commands.reload", "let a running recorder take up changed settings"),
    "handover": Command(
        "collector.supervision.commands.handover", "let this version take over from a running recorder"
    ),
    "status": Command("collector.tools.queue_stats", "is it recording, is it keeping up, what is wrong"),
    "tail": Command("collector.tools.tail", "the newest messages of a stream, and those that come"),
    "read": Command("collector.tools.read", "the book as a ladder, depth and bars, and what there is"),
    "gaps": Command("collector.tools.show_gaps", "what is missing, and why"),
    "books": Command("collector.tools.check_books", "compare rebuilt order books with the exchange's own prices"),
    "verify": Command("collector.tools.verify_archive", "is every object of an archive there and whole"),
    "restore": Command("collector.tools.restore", "copy a period out of an archive into a folder"),
    "export": Command("collector.tools.export", "write what was recorded in another project's format"),
    "certify": Command("collector.tools.certify", "what is proven of each day, signed, and as a heatmap"),
    "compact": Command("collector.tools.compact", "make day files of an archive's hour files"),
    "prune": Command("collector.tools.prune", "remove the objects of old days from an archive"),
    "tables": Command("collector.tools.tables", "Iceberg tables over an archive: show, update, rebuild"),
    "reprocess": Command("collector.tools.reprocess", "read again what an older version did not understand"),
    "symbols": Command("collector.tools.symbols", "what an exchange lists, as it is written in a configuration"),
    "journal": Command("collector.tools.inspect_journal", "what journal files hold, frame by frame if need be"),
}

EXAMPLES: Final = """\
examples:
  %(prog)s run                                record BTCUSDT into ./data
  %(prog)s run --config my.toml               record what my.toml says
  %(prog)s demo                               record the built-in exchange
  %(prog)s reload --dry-run                   what a reload would change
  %(prog)s handover                           upgrade a running recorder
  %(prog)s status --watch                     how the recorder is doing
  %(prog)s tail binance BTCUSDT trade -f      what it stores, as it is stored
  %(prog)s read book BTCUSDT --follow         its book, as it changes
  %(prog)s gaps s3://bucket/prefix --from 7d  what was missed in a week
  %(prog)s symbols binance --match '*USDT'    what can be recorded
  %(prog)s COMMAND --help                     a command's options and examples
  eval "$(%(prog)s --print-completion bash)"  let Tab complete in this shell
"""
SHELLS: Final = ("bash", "zsh")
_OPTIONS: Final = ("--help", "--version", "--print-completion")
EXIT_UNUSABLE: Final = 2


def console() -> NoReturn:
    """Run the process's command line and end the process: the entry point of the installed command."""
    name = _command_named(sys.argv[1:])
    if name in COMMANDS and COMMANDS[name].is_recorder:
        # Until recording begins there is nothing to stop in order: Ctrl-C just ends it, without a traceback.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        prepare_output()
        sys.exit(main())
    end_with(main)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line, by default the process's own; returns the exit code."""
    scrub.begin()
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments and arguments[0] in COMMANDS:
        # With a parser of its own, so that an unknown option is answered with the usage of the command it was given to.
        return run_command(arguments[0], f"collector {arguments[0]}", arguments[1:])
    _refuse_misspelt(arguments)
    return _execute(_parser({_command_named(arguments)}).parse_args(arguments))


def _refuse_misspelt(arguments: Sequence[str]) -> None:
    """End with one line if the first word is neither a command nor an option: argparse would miss the COMMAND instead."""
    first = next(iter(arguments), "")
    if first.startswith("--") and not any(option.startswith(first.partition("=")[0]) for option in _OPTIONS):
        _parser(()).error(f"unknown option: {printable(first)}")
    if first and not first.startswith("-") and first not in COMMANDS:
        close = get_close_matches(first, COMMANDS, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        _parser(()).error(f"invalid choice: {printable(repr(first))}{hint} (choose from {', '.join(COMMANDS)})")


def run_command(name: str, prog: str, arguments: Sequence[str] | None = None) -> int:
    """Run one command under a program name of its own, as the files in scripts/ do; returns the exit code."""
    scrub.begin()
    parser = argparse.ArgumentParser(prog=prog, formatter_class=argparse.RawDescriptionHelpFormatter)
    _fill(parser, COMMANDS[name])
    return _execute(parser.parse_args(arguments))


def _execute(options: argparse.Namespace) -> int:
    try:
        code: int = options.execute(options)
    except (StopError, StoreError) as error:
        for line in str(error).splitlines():
            print(f"error: {printable(line)}", file=sys.stderr)
        return error.exit_code if isinstance(error, StopError) else EXIT_UNUSABLE
    return code


def _command_named(arguments: Sequence[str]) -> str:
    return next((argument for argument in arguments if not argument.startswith("-")), "")


def _parser(with_options: Container[str]) -> argparse.ArgumentParser:
    """The whole command line; only the commands named in `with_options` know their options."""
    parser = argparse.ArgumentParser(
        prog="collector",
        description="Records crypto market data, and looks after what was recorded.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.add_argument(
        "--print-completion",
        choices=SHELLS,
        action=_PrintCompletion,
        help="print what makes this shell complete by Tab",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        one = commands.add_parser(name, help=command.summary, formatter_class=argparse.RawDescriptionHelpFormatter)
        if name in with_options:
            _fill(one, command)
    return parser


def _fill(parser: argparse.ArgumentParser, command: Command) -> None:
    module = import_module(command.module)
    parser.description, parser.epilog = module.__doc__, module.EXAMPLES
    module.add_arguments(parser)
    parser.set_defaults(execute=module.run)


class _PrintCompletion(argparse.Action):
    """Prints a shell's completion script and ends the process, as --version does."""

    def __call__(
        self, parser: argparse.ArgumentParser, _namespace: object, shell: object, _flag: object = None
    ) -> None:
        import shtab  # noqa: PLC0415 -- no command needs it

        whole = _parser(COMMANDS)
        _complete_paths(whole, shtab.FILE)
        print(shtab.complete(whole, str(shell)))
        parser.exit()


def _complete_paths(parser: argparse.ArgumentParser, completer: object) -> None:
    """Let the shell complete file names where a path is expected."""
    for action in parser._actions:  # noqa: SLF001 -- argparse has no other way to list them
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 -- as above
            for one in action.choices.values():
                _complete_paths(one, completer)
        elif action.type is Path:
            action.complete = completer  # type: ignore[attr-defined] # the attribute shtab reads
