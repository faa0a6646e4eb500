import re
from fnmatch import fnmatch
from pathlib import Path

from collector.feed.rest import RestClient
from collector.processes import repair
from collector.processes.context import SystemClock
from collector.processes.repair.process import claim_requests
from collector.storage.request_files import RequestFolder, request_folder
from tests.json_server import JsonServer
from tests.processes.repair.repair_world import World, trade
from tests.processes.repair.test_feed_repair import book, trades
from tests.processes.repair.toy_market import Listed, toy_market


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_repair_touches_only_the_files_that_its_package_names(tmp_path: Path) -> None:
    named = re.findall(r"^- `([^`]+)`", repair.__doc__ or "", re.MULTILINE)
    patterns = [re.sub(r"<\w+>", "*", path) for path in named]
    world = World(tmp_path, checkpoint_secs=3_600.0)
    world.receive(*map(trade, (1, 2, 3)))
    world.write()
    world.exchange.trades["BTCUSDT"] = set(range(100, 200))
    world.exchange.last_update_ids["BTCUSDT"] = 1_000
    world.requests.put([book(500)])
    RequestFolder(request_folder(tmp_path, "renamed")).put([trades(101, 103)])
    RequestFolder(request_folder(tmp_path, "gone")).put([trades(1, 3, symbol="NOSUCH")])
    before = files(tmp_path)

    claim_requests(world.context("repair"), ["f"])
    feed_repair = world.repair(for_secs=2 * 3_600.0)
    feed_repair.close()
    with JsonServer(lambda _target: {"list": []}) as server:
        client = RestClient(server.url, SystemClock())
        World(tmp_path, data_types=("instrument",), exchange=toy_market(Listed()), client=client).repair()

    after = files(tmp_path)
    touched = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    used = {pattern for pattern in patterns if any(fnmatch(path, pattern) for path in touched)}
    assert [path for path in sorted(touched) if not any(fnmatch(path, pattern) for pattern in patterns)] == []
    assert used == set(patterns)
    assert world.waiting() == []
