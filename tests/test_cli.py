"""The `collector` command: what it knows, what its options are called, what it loads."""

import argparse
import ast
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from collector import __version__, cli
from collector.supervision.commands import check, run

ROOT = Path(__file__).resolve().parents[1]
NAMES = sorted(cli.COMMANDS)
HEAVY = ("pyarrow", "boto3", "botocore", "numpy", "websockets")


def options_of(name: str) -> dict[str, argparse.Action]:
    """A command's options that help shows, by their long names; of one that has questions, those of all."""
    parser = argparse.ArgumentParser()
    import_module(cli.COMMANDS[name].module).add_arguments(parser)
    questions = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    parsers = [parser, *(one for question in questions for one in question.choices.values())]
    return {
        flag: action
        for one in parsers
        for action in one._actions
        for flag in action.option_strings
        if flag.startswith("--") and action.help is not argparse.SUPPRESS
    }


def collector(*arguments: str, folder: Path = ROOT, code: str = "") -> subprocess.CompletedProcess[str]:
    """The command as `python -m` starts it; `code` runs before it."""
    start = ["-c", f"{code}\nfrom collector.cli import console\nconsole()"] if code else ["-m", "collector"]
    return subprocess.run(
        [sys.executable, *start, *arguments],
        cwd=folder, capture_output=True, text=True, timeout=120, check=False, encoding="utf-8",
    )  # fmt: skip


def in_shell(line: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """The command as a shell starts it with that line."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLLECTOR_HTTP__PORT": "0"}
    return subprocess.run(
        ["sh", "-c", line, "sh", sys.executable, "-m", "collector", *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False, encoding="utf-8",
    )  # fmt: skip


def loaded_by(*arguments: str) -> set[str]:
    """Which heavy packages a command loads."""
    code = (
        "import atexit, sys\n"
        f"atexit.register(lambda: print('loaded:', *[name for name in {HEAVY!r} if name in sys.modules]))"
    )
    done = collector(*arguments, code=code)
    return set(done.stdout.rpartition("loaded:")[2].split())


def test_the_command_has_every_subcommand_of_the_contract() -> None:
    assert NAMES == [
        "books",
        "certify",
        "check",
        "compact",
        "demo",
        "export",
        "gaps",
        "handover",
        "journal",
        "prune",
        "read",
        "reload",
        "reprocess",
        "restore",
        "run",
        "status",
        "symbols",
        "tables",
        "tail",
        "verify",
    ]


def test_help_lists_every_command_and_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["--help"])
    shown = capsys.readouterr().out
    assert end.value.code == 0
    assert [name for name, command in cli.COMMANDS.items() if f"\n    {name} " not in shown] == []
    assert "\nexamples:\n  collector run" in shown


@pytest.mark.parametrize("name", NAMES)
def test_the_help_of_a_command_shows_examples_under_its_own_name(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main([name, "--help"])
    shown = capsys.readouterr().out
    assert end.value.code == 0
    assert f"collector {name}" in shown.partition("\nexamples:\n")[2]
    assert "%(prog)s" not in shown


@pytest.mark.parametrize("name", NAMES)
def test_the_description_of_a_command_fits_80_columns(name: str) -> None:
    text = import_module(cli.COMMANDS[name].module).__doc__ or ""
    assert text.strip()
    assert [line for line in text.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize(
    ("prog", "examples"),
    [("collector", cli.EXAMPLES), ("collector run", run.EXAMPLES), ("collector check", check.EXAMPLES)],
)
def test_examples_fit_80_columns(prog: str, examples: str) -> None:
    assert [line for line in (examples % {"prog": prog}).splitlines() if len(line) > 80] == []


def test_messages_name_commands_and_no_file_in_scripts() -> None:
    messages = [
        f"{path.relative_to(ROOT)}: {part.value!r}"
        for path in (ROOT / "collector").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        for part in ast.walk(node)
        if isinstance(part, ast.Constant) and re.search(r"scripts/", str(part.value))
    ]
    assert messages == []


@pytest.mark.parametrize("name", NAMES)
def test_an_option_has_one_name_everywhere(name: str) -> None:
    options = options_of(name)
    assert "--config" in options
    assert options["--config"].type is Path
    assert {"--since", "--until", "--conf", "--start", "--end", "--as-json"} & set(options) == set()
    assert ("--from" in options) == ("--to" in options)


def test_old_option_names_still_work() -> None:
    for name in ("gaps", "books"):
        parser = argparse.ArgumentParser()
        import_module(cli.COMMANDS[name].module).add_arguments(parser)
        new = parser.parse_args(["a", "--from", "2026-11-23", "--to", "2026-11-24"])
        assert parser.parse_args(["a", "--since", "2026-11-23", "--until", "2026-11-24"]) == new


def test_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["--version"])
    assert (end.value.code, capsys.readouterr().out) == (0, f"collector {__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "arguments are required: COMMAND"),
        (("rnu",), "invalid choice: 'rnu'; did you mean run?"),
        (("--foo",), "unknown option: --foo"),
    ],
)
def test_a_wrong_command_line_gets_one_clear_line(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(arguments)
    assert end.value.code == 2
    assert said in capsys.readouterr().err.splitlines()[-1]


def test_help_version_and_status_import_no_heavy_package() -> None:
    for arguments in (("--help",), ("--version",), ("status", "--url", "nowhere"), ("check", "--help")):
        assert loaded_by(*arguments) == set(), arguments
    assert loaded_by("gaps", "--help") >= {"pyarrow"}, "else this test could not fail"


def test_a_commands_error_is_one_line_and_an_exit_code(tmp_path: Path) -> None:
    done = collector("verify", str(tmp_path / "nowhere"))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("error: there is no archive at ")


@pytest.mark.parametrize("shell", cli.SHELLS)
def test_completion_knows_every_command_and_option(shell: str) -> None:
    done = collector("--print-completion", shell)
    assert (done.returncode, done.stderr) == (0, "")
    assert [name for name in NAMES if name not in done.stdout] == []
    assert "--stop-after" in done.stdout


def test_a_demo_that_cannot_write_says_so_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "data-demo").write_text("a file in the way", "utf-8")
    done = in_shell('exec "$@"', "demo", "--stop-after", "1", folder=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert f"error: {tmp_path}/data-demo cannot be written" in done.stderr


def test_a_demo_whose_log_cannot_be_written_says_so_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "data-demo/run/recorder.log").mkdir(parents=True)
    done = in_shell('exec "$@"', "demo", "--stop-after", "1", folder=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "recorder.log cannot be written: Is a directory" in done.stderr
    assert "Log: " not in done.stdout


@pytest.mark.parametrize("arguments", [("check",), ("demo", "--stop-after", "1")])
def test_output_that_cannot_be_written_is_one_line(arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = in_shell('exec "$@" > /dev/full', *arguments, folder=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "No space left on device" in done.stderr


@pytest.mark.parametrize("arguments", [("check",), ("gaps", "nowhere"), ("demo", "--stop-after", "1")])
def test_closed_standard_output_ends_in_no_traceback(arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = in_shell('exec "$@" >&-', *arguments, folder=tmp_path)
    assert done.returncode == (2 if "nowhere" in arguments else 0)
    assert "Traceback" not in done.stderr


def test_an_unknown_option_shows_the_usage_of_its_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["status", "--foo"])
    said = capsys.readouterr().err
    assert end.value.code == 2
    assert said.startswith("usage: collector status ")
    assert said.endswith("unrecognized arguments: --foo\n")
