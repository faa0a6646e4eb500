"""What tests of several rooms share: recordings, an S3 server."""

import gc
import gzip
import json
import os
import re
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from collector import scrub
from tests.descriptors import open_files
from tests.seaweed import ADMIN, ALONE, Seaweed

# How long an example takes says something about the machine, nothing about the code.
settings.register_profile("recorder", deadline=None)
settings.load_profile("recorder")

# Processes that a test starts inherit it: an encoding that nobody names is an error there too,
# but for botocore, which reads the file of credentials so, and numba, which reads that of the processor.
os.environ["PYTHONWARNDEFAULTENCODING"] = "1"
os.environ["PYTHONWARNINGS"] = ",".join(
    [
        "error::EncodingWarning",
        *(f"ignore::EncodingWarning:{name}" for name in ("botocore.configloader", "numba.core.config")),
    ]
)

# A shell starts what it runs in the background with Ctrl-C ignored, and programs that a test starts would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

Lines = Callable[[str], list[dict[str, Any]]]
"""Reads the lines of a recording by its name."""

LONG = frozenset(
    {"test_soak.py", "test_slow_disk.py", "test_hosts_network.py", "test_hosts_sharing.py", "test_hosts_soak.py"}
)

ON_REQUEST = frozenset(
    {
        # The first program of a chain hands over in every other test of a handover.
        "test_later_programs_take_over_one_after_the_other_and_all_counts_go_on",
        "test_a_later_program_that_is_frozen_is_ended_with_its_processes",
        "test_a_recorder_that_leads_the_session_of_its_terminal_goes_on_without_it",
        "test_a_signal_to_every_process_of_both_ends_them_in_order",
        "test_a_later_program_that_is_killed_leaves_the_earlier_one_recording[trying]",
        "test_if_the_earlier_program_is_killed_meanwhile_the_later_one_records_on[trying]",
        "test_a_later_program_that_crashes_leaves_the_earlier_one_recording[as it starts]",
        "test_a_later_program_that_crashes_leaves_the_earlier_one_recording[in its supervisor]",
        # A disk that stalls above the hang timeout stays.
        "test_a_very_slow_disk_only_delays",
        # One Python stays.
        "test_the_installed_command_records_and_reads_back[3.12]",
        "test_the_installed_command_records_and_reads_back[3.13]",
        # Shorter ones of the same folder stay.
        "test_books_are_verified_without_a_break_over_reloads_and_handovers",
        "test_a_feed_is_added_and_removed_under_load_again_and_again_and_the_other_misses_nothing",
        "test_whoever_asked_is_told_at_once_that_run_was_removed_and_the_handover_goes_on",
        "test_a_stop_with_upload_on_stop_logs_what_it_could_not_upload",
        "test_while_rest_is_down_recording_goes_on_and_the_ledger_says_that_there_is_no_book",
    }
)
"""Tests that take half a minute and more, and of which a shorter one has the gist: they run with ALL_TESTS=1."""

MOST_DESCRIPTORS = 512
"""That tests may have left open when those of a module have run: `select` takes no number above 1,023."""

DATA = Path(__file__).parents[2] / "shared" / "data"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that take minutes, so that nobody waits for one of them alone at the end."""
    items.sort(key=lambda item: item.path.name not in LONG)
    if not os.environ.get("ALL_TESTS"):
        for item in items:
            if item.name in ON_REQUEST:
                item.add_marker(pytest.mark.skip(reason="long: runs with ALL_TESTS=1"))


@pytest.fixture(scope="module", autouse=True)
def descriptors_are_given_back() -> Iterator[None]:
    """The run ends with what is left open once it is too much, in whichever module that is; paths name their tests."""
    yield
    if len(open_files()) > MOST_DESCRIPTORS // 2:
        gc.collect()  # a process that was played and killed is a cycle, which holds its database
    left = open_files()
    assert len(left) <= MOST_DESCRIPTORS, Counter(re.sub(r"\d+", "*", name) for name in left).most_common(20)


@pytest.fixture(autouse=True)
def nothing_is_known_as_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Words that one test uses as passwords are words again in the next."""
    monkeypatch.setattr(scrub, "_forms", set())


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of recordings; a test that needs it fails in CI, and is skipped at a desk, where it is missing."""
    if not DATA.is_dir():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"no recorded frames at {DATA}")
    return DATA


@pytest.fixture(scope="session")
def recorded(data: Path) -> Lines:
    """Read a recording's lines, by its name below `frames/`."""

    @cache
    def read(name: str) -> list[dict[str, Any]]:
        import pyarrow as pa  # noqa: PLC0415 - heavy, and only needed here

        with pa.input_stream(str(data / "frames" / f"{name}.jsonl.zst"), compression="zstd") as stream:
            return [json.loads(line) for line in stream.read().splitlines()]

    return read


@pytest.fixture(scope="session")
def top20(data: Path) -> list[dict[str, Any]]:
    """The best 20 levels of BTCUSDT after each diff of a recording: `u`, `bids`, `asks`."""
    path = data / "expected" / "derived" / "binance_spot_btcusdt_20240808_top20_after_each_diff.jsonl.gz"
    with gzip.open(path) as lines:
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="session")
def running_seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    """One server for the whole run, started when the first test asks; each test uses a bucket of its own."""
    server = Seaweed(tmp_path_factory.mktemp("seaweed"))
    try:
        yield server.start()
    finally:
        server.remove()


@pytest.fixture
def aws_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take whatever this machine knows about AWS out of the environment."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in ALONE.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def seaweed(running_seaweed: Seaweed, aws_alone: None, monkeypatch: pytest.MonkeyPatch) -> Seaweed:
    """The server, and its administrator's keys in the environment."""
    for name, value in ADMIN.items():
        monkeypatch.setenv(name, value)
    return running_seaweed


@pytest.fixture
def bucket(seaweed: Seaweed) -> str:
    """An empty bucket."""
    return seaweed.new_bucket()


@pytest.fixture
def own_seaweed(seaweed: Seaweed, tmp_path: Path) -> Iterator[Seaweed]:
    """A server that the test may kill; its administrator's keys are in the environment."""
    server = Seaweed(tmp_path / "seaweed")
    try:
        yield server.start()
    finally:
        server.remove()
