"""The floor plan of docs/ARCHITECTURE.md: imports go down, and outside packages stay in their rooms."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted([*ROOT.glob("collector/**/*.py"), ROOT / "supervisor.py"])

FLOORS = {
    "domain": 0,
    "dial": 1, "scrub": 1,
    "exchanges": 2, "feed": 2, "storage": 2, "channel": 2, "config": 2, "logs": 2, "http": 2, "stats_files": 2,
    "processes": 3, "read": 3,
    "monitoring": 4,
    "supervision": 5, "tools": 5,
    "supervisor": 6,
}  # fmt: skip

ROOMS_OF_PACKAGES = {
    "websocket": {"feed"},
    "socket": {"dial", "feed", "config", "http", "supervision", "simulator"},
    "sqlite3": {"storage", "read"},
    "pyarrow": {"storage", "read", "simulator", "tools"},
    "boto3": {"storage"},
    "botocore": {"storage"},
    "urllib3": {"dial", "feed", "storage"},
    "multiprocessing": {"channel", "processes", "supervision"},
    "subprocess": {"supervision"},
    "structlog": {"logs", "http", "processes", "monitoring", "supervision"},
    "psutil": {"monitoring", "supervision"},
    "prometheus_client": {"monitoring"},
    "rich": {"supervision", "tools"},
    "pydantic": {"config", "tools"},
    "websockets": {"simulator"},
    "backoff": {"processes"},
}

PURE = {"domain", "exchanges"}
IMPURE_PACKAGES = {
    "os",
    "time",
    "random",
    "secrets",
    "socket",
    "threading",
    "asyncio",
    "logging",
    "subprocess",
}


def room_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    if parts == ("collector", "__init__"):
        return ""
    return parts[1] if parts[0] == "collector" else parts[0]


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            if node.module == "collector":
                yield from (f"collector.{alias.name}" for alias in node.names)
            else:
                yield node.module


def inside(path: Path) -> list[str]:
    """The rooms this module imports from, its own left out."""
    names = [name.split(".")[1] for name in imports_of(path) if name.startswith("collector.")]
    return [name for name in names if name not in {room_of(path), "__version__"}]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_its_own_room_or_a_floor_below(path: Path) -> None:
    room = room_of(path)
    if room == "simulator":
        assert set(inside(path)) <= {"domain"}, "the simulator stands beside the floors and knows only their words"
    elif room:
        too_high = [other for other in inside(path) if other not in FLOORS or FLOORS[other] >= FLOORS[room]]
        assert too_high == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_outside_packages_stay_in_their_rooms(path: Path) -> None:
    room = room_of(path)
    packages = {name.split(".")[0] for name in imports_of(path)}
    assert [name for name in packages & ROOMS_OF_PACKAGES.keys() if room not in ROOMS_OF_PACKAGES[name]] == []


@pytest.mark.parametrize(
    "path", [p for p in MODULES if room_of(p) in PURE], ids=lambda path: str(path.relative_to(ROOT))
)
def test_a_pure_room_does_no_input_or_output(path: Path) -> None:
    packages = {name.split(".")[0] for name in imports_of(path)}
    calls = {
        node.func.id
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert packages & IMPURE_PACKAGES == set()
    assert calls & {"open", "print", "input"} == set()


def test_every_room_has_a_floor() -> None:
    rooms = {room_of(path) for path in MODULES} - {"", "simulator"}
    assert rooms == set(FLOORS)


def test_only_the_supervision_makes_processes_queues_and_events() -> None:
    makers = {"Process", "Queue", "Event", "Popen"}
    found = {
        room_of(path)
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in makers
        and not (isinstance(node.func.value, ast.Name) and node.func.value.id in {"threading", "asyncio", "psutil"})
    }
    assert found <= {"supervision"}
