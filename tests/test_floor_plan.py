"""The floor plan of docs/ARCHITECTURE.md: imports go down, and outside packages stay in their rooms."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted([*ROOT.glob("collector/**/*.py"), ROOT / "supervisor.py"])

FLOORS = {
    "domain": 0,
    "backoff": 1, "channel": 1, "dial": 1, "folders": 1, "http": 1, "reports": 1, "scrub": 1, "terminal": 1,
    "bus": 2, "config": 2, "exchanges": 2, "feed": 2, "logs": 2, "stats_files": 2, "storage": 2,
    "processes": 3, "read": 3,
    "certificates": 4, "compaction": 4, "exports": 4, "monitoring": 4, "reprocess": 4,
    "supervision": 5, "tools": 5,
    "cli": 6,
    "__main__": 7, "supervisor": 7,
}  # fmt: skip

ROOMS_OF_PACKAGES = {
    "websocket": {"feed"},
    "socket": {"dial", "feed", "config", "http", "supervision", "simulator"},
    "sqlite3": {"storage", "read"},
    "numpy": {"exports", "read"},
    "pyarrow": {"certificates", "compaction", "exports", "reprocess", "storage", "read", "simulator", "tools"},
    "numba": {"read"},
    "boto3": {"storage"},
    "botocore": {"storage"},
    "urllib3": {"dial", "feed", "storage"},
    "multiprocessing": {"channel", "processes", "supervision"},
    "subprocess": {"supervision"},
    "psutil": {"monitoring", "supervision"},
    "prometheus_client": {"monitoring"},
    "rich": {"supervision", "terminal", "tools"},
    "pydantic": {"config"},
    "websockets": {"simulator"},
    "backoff": {"backoff"},
    "zstandard": {"bus", "storage"},
    "nats": {"bus"},
    "cryptography": {"certificates"},
    "pyiceberg": {"storage"},
}

WINGS = ("archiver", "cluster", "ingest", "publish", "relay", "repair", "tabler", "writer")

BELOW_IN_STORAGE = {
    "journal": set(),
    "segment": {"journal"},
    "store": set(),
    "archive": {"store"},
    "staging": {"archive", "store", "segment", "journal"},
    "table": {"archive", "store"},
}  # fmt: skip
"""What each folder of collector/storage may import of the others."""

PURE = (
    "bus/answers.py",
    "bus/bodies.py",
    "bus/names.py",
    "bus/places.py",
    "bus/settings.py",
    "bus/slices.py",
    "compaction/plan.py",
    "domain/**/*.py",
    "exchanges/**/*.py",
    "http/credentials.py",
    "http/host_header.py",
    "logs/event_limit.py",
    "monitoring/coverage_cells.py",
    "monitoring/disk_trend.py",
    "monitoring/rates.py",
    "monitoring/reason_help.py",
    "monitoring/stream_groups.py",
    "processes/archiver/fair_order.py",
    "processes/archiver/throughput.py",
    "processes/cluster/agreement.py",
    "processes/cluster/coverage.py",
    "processes/cluster/host_board.py",
    "processes/cluster/membership.py",
    "processes/cluster/moves.py",
    "processes/cluster/signs.py",
    "processes/cluster/values.py",
    "processes/ingest/keepalive.py",
    "processes/ingest/line_silence.py",
    "processes/ingest/takeover.py",
    "processes/publish/rewinding.py",
    "processes/publish/slicing.py",
    "processes/publish/storage_place.py",
    "processes/publish/window.py",
    "processes/repair/retry_policy.py",
    "processes/tabler/pace.py",
    "processes/writer/batching.py",
    "processes/writer/gaps/journal_numbers.py",
    "processes/writer/gaps/connection_log.py",
    "read/books/book.py",
    "read/books/view.py",
    "certificates/certificate.py",
    "read/condition.py",
    "read/day_files.py",
    "read/every.py",
    "read/books/fates.py",
    "certificates/heatmap.py",
    "certificates/heatmap_page.py",
    "read/books/side_loop.py",
    "read/books/side_numpy.py",
    "read/spans.py",
    "read/ledger/unrepaired.py",
    "storage/archive/days.py",
    "reprocess/answers.py",
    "reprocess/counts.py",
    "reprocess/frames.py",
    "reprocess/mending.py",
    "reprocess/refilled.py",
    "reprocess/scope.py",
    "storage/archive/prune_rules.py",
    "storage/journal/relayed.py",
    "supervision/crash_codes.py",
)
"""Rules without input or output; one that has a single user stands beside that user."""
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
            if node.module != "collector":
                yield node.module
            if node.module.split(".")[0] == "collector":
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


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


def wing_of(module: str) -> str:
    parts = module.split(".")
    return parts[2] if parts[:2] == ["collector", "processes"] and len(parts) > 2 and parts[2] in WINGS else ""


@pytest.mark.parametrize("wing", WINGS)
def test_a_wing_imports_no_other_wing(wing: str) -> None:
    files = list(ROOT.glob(f"collector/processes/{wing}/**/*.py"))
    assert files
    assert {wing_of(name) for path in files for name in imports_of(path)} <= {wing, ""}


def test_the_wings_are_the_folders_of_processes() -> None:
    folders = {path.name for path in ROOT.glob("collector/processes/*/") if (path / "__init__.py").exists()}
    assert folders == set(WINGS)


@pytest.mark.parametrize("folder", BELOW_IN_STORAGE)
def test_imports_inside_storage_run_one_way(folder: str) -> None:
    files = list(ROOT.glob(f"collector/storage/{folder}/**/*.py"))
    assert files
    parts = [name.split(".") for path in files for name in imports_of(path) if name.startswith("collector.storage.")]
    others = {part[2] for part in parts} & BELOW_IN_STORAGE.keys() - {folder}
    assert others <= BELOW_IN_STORAGE[folder]


def test_only_the_folder_of_tables_knows_what_keeps_them() -> None:
    folder = ROOT / "collector/storage/table"
    users = {path.parent for path in MODULES if any(name.split(".")[0] == "pyiceberg" for name in imports_of(path))}
    assert users == {folder}


def test_only_a_tool_that_a_person_runs_can_delete_from_an_archive() -> None:
    deleting = {
        "archive.old_days",
        "archive.prune",
        "archive.removal",
        "archive.superseded",
        "store.deleting",
        "store.s3_deleting",
    }
    names = {f"collector.storage.{name}" for name in deleting}
    own = {ROOT / f"{name.replace('.', '/')}.py" for name in names}
    importers = {path for path in MODULES if path not in own and names & set(imports_of(path))}
    assert {room_of(path) for path in importers} == {"tools"}


def test_monitoring_imports_no_process() -> None:
    rooms = {room for path in ROOT.glob("collector/monitoring/**/*.py") for room in inside(path)}
    assert rooms
    assert "processes" not in rooms


def test_every_pure_file_exists() -> None:
    assert [pattern for pattern in PURE if not any(ROOT.glob(f"collector/{pattern}"))] == []


@pytest.mark.parametrize(
    "path",
    [path for pattern in PURE for path in sorted(ROOT.glob(f"collector/{pattern}"))],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_a_pure_file_does_no_input_or_output(path: Path) -> None:
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
