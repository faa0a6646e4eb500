"""The wheel as a stranger meets it: installed into an empty environment, its command run from another folder."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pyarrow.dataset as ds
import pytest

from collector import __version__
from tests.ports import keep_port, port_of
from tests.whole.running import DEADLINE_SECS, ROOT, STOP_SECS, fetch, get_json, wait_for

VERSIONS = tuple(re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text("utf-8")))
OURS = f"{sys.version_info.major}.{sys.version_info.minor}"


def interpreters() -> Iterator[tuple[str, str]]:
    """The Pythons of this machine among the versions the package names, the one that runs the tests always."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for version in dict.fromkeys([OURS, *VERSIONS]):
        places = [sys.executable] if version == OURS else [shutil.which(f"python{version}")]
        places += sorted(map(str, versions.glob(f"{version}.*/bin/python")))
        works = (place for place in places if place and answers(place, version))
        if place := next(works, None):
            yield version, place


def answers(python: str, version: str) -> bool:
    """Whether it is that version: a version manager leaves shims that only print an error."""
    code = "import sys, venv; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False, encoding="utf-8")
    return done.returncode == 0 and done.stdout.strip() == version


FOUND = dict(interpreters())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy: a build writes beside its sources."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "collector", source / "collector", ignore=shutil.ignore_patterns("__pycache__"))
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(out)]
    subprocess.run(build, cwd=source, check=True, capture_output=True, timeout=DEADLINE_SECS)
    (path,) = out.glob("*.whl")
    return path


def test_the_wheel_holds_every_file_of_the_package_and_the_licence(wheel: Path) -> None:
    packaged = set(ZipFile(wheel).namelist())
    listed = subprocess.run(
        ["git", "ls-files", "collector"], cwd=ROOT, capture_output=True, text=True, check=True, encoding="utf-8"
    )
    assert wheel.name == f"market_data_collector-{__version__}-py3-none-any.whl"
    assert set(listed.stdout.split()) - packaged == set()
    assert "collector/py.typed" in packaged
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in packaged)
    assert [name for name in packaged if name.startswith(("tests", "scripts", "docs"))] == []


class Installed:
    """The wheel and its dependencies in an environment of their own, used from a folder of its own."""

    def __init__(self, wheel: Path, python: str, folder: Path) -> None:
        self.folder = folder / "elsewhere"
        self.folder.mkdir()
        self._bin = folder / "venv" / "bin"
        self._keeper = keep_port()
        self.port = port_of(self._keeper)
        others = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
        self._environment = {**others, "COLLECTOR_HTTP__PORT": str(self.port), "UV_PYTHON_DOWNLOADS": "never"}
        self._uv("venv", "--python", python, str(folder / "venv"))
        into = ("--python", str(self._bin / "python"))
        self._uv("pip", "install", *into, "--require-hashes", "--requirement", str(ROOT / "requirements.txt"))
        self._uv("pip", "install", *into, "--no-deps", str(wheel))
        self._uv("pip", "check", *into)

    def _uv(self, *arguments: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "uv", *arguments], env=self._environment, capture_output=True, text=True,
            timeout=DEADLINE_SECS, check=False, encoding="utf-8",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the command."""
        return subprocess.Popen(
            [self._bin / "collector", *arguments], cwd=self.folder, env=self._environment,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8",
        )  # fmt: skip

    def __call__(self, *arguments: str) -> str:
        """What the command prints; it must succeed."""
        with self.start(*arguments) as process:
            out, err = process.communicate(timeout=DEADLINE_SECS)
        assert (process.returncode, err) == (0, ""), (arguments, out)
        return out


def messages(url: str) -> int:
    """How many messages a recorder has stored; 0 while none answers."""
    status = get_json(f"{url}/status")
    stored: int = status["writer"]["messages"] if status else 0
    return stored


@pytest.mark.parametrize("version", FOUND)
def test_the_installed_command_records_and_reads_back(wheel: Path, tmp_path: Path, version: str) -> None:
    collector = Installed(wheel, FOUND[version], tmp_path)
    assert collector("--version") == f"collector {__version__}\n"
    assert "examples:" in collector("--help")
    url = f"http://127.0.0.1:{collector.port}"
    with collector.start("run", "--demo") as demo:
        try:
            wait_for(lambda: demo.poll() is None and messages(url) > 0)
            assert get_json(f"{url}/status")["version"] == __version__
            assert fetch(f"{url}/")[0] == 200
            shown = collector.start("status", "--url", url).communicate(timeout=DEADLINE_SECS)
            assert "messages" in shown[0], shown
        finally:
            demo.send_signal(signal.SIGINT)
            said = demo.communicate(timeout=STOP_SECS)
        assert (demo.returncode, said[1]) == (0, "")
    assert "Stopped in order after" in collector("demo", "--stop-after", "1")
    archive = collector.folder / "data-demo/archive"
    assert ds.dataset(archive, partitioning="hive", exclude_invalid_files=True).count_rows() > 0
    assert "verified; nothing found" in collector("verify", str(archive), "--deep")
    assert "BTCUSDT" in collector("gaps", "--data-dir", "data-demo")
