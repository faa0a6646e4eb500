"""An asyncio program as the work of a process."""

import asyncio
import multiprocessing
import multiprocessing.queues
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from msgspec.structs import replace as replaced

import collector
from collector.channel.bell import Bell
from collector.channel.channel import Notice
from collector.channel.local import QueueReceiver
from collector.config import Config
from collector.processes.async_work import Wakes, run_async
from collector.processes.context import Context
from tests.processes.process_harness import ProcessHarness

DEADLINE_SECS = 60.0


def context_of(folder: Path, receiver: QueueReceiver) -> Context:
    context = ProcessHarness(replaced(Config(), data_dir=folder), 0).context("publish:x")
    return Context(
        **{name: getattr(context, name) for name in ("role", "config", "sender", "stopping", "report", "log", "clock")},
        receiver=receiver,
    )


@pytest.mark.parametrize("cause", ["notice", "bell", "task"])
def test_a_pause_ends_at_once_for_a_notice_for_the_bell_and_for_a_task(tmp_path: Path, cause: str) -> None:
    queue: multiprocessing.queues.Queue[Notice] = multiprocessing.get_context("spawn").Queue(4)
    bell, notice = Bell(), Notice("ingest:x", "appended", 1, 2)
    woken: list[bool] = []

    def wake(wakes: Wakes) -> None:
        {"notice": lambda: queue.put(notice), "bell": bell.ring, "task": wakes.ring}[cause]()

    async def program(wakes: Wakes) -> None:
        asyncio.get_running_loop().call_soon(wake, wakes)
        woken.append(await wakes.pause(DEADLINE_SECS))
        woken.append(await wakes.pause(0.0))
        assert wakes.take_notice() == (notice if cause == "notice" else None)

    begun = time.monotonic()
    run_async(context_of(tmp_path, QueueReceiver(queue, 4, bell)), program)
    assert woken == [True, False]
    assert time.monotonic() - begun < DEADLINE_SECS
    queue.close()


def test_a_task_that_is_cancelled_as_its_pause_ends_is_cancelled(tmp_path: Path) -> None:
    async def work() -> None:
        wakes = Wakes(context_of(tmp_path, QueueReceiver(multiprocessing.get_context("spawn").Queue(4), 4)))
        pausing = asyncio.create_task(wakes.pause(DEADLINE_SECS))
        await asyncio.sleep(0)
        wakes.ring()
        pausing.cancel()
        await asyncio.wait([pausing])
        assert pausing.cancelled()

    asyncio.run(work())


def test_no_program_waits_with_what_may_swallow_its_end() -> None:
    waiting = [
        path for path in Path(collector.__file__).parent.rglob("*.py") if "asyncio.wait_for" in path.read_text("utf-8")
    ]
    assert waiting == [], (
        "in Python 3.11 it returns a result that comes as the task is cancelled: asyncio.timeout does not"
    )


def test_what_the_program_raises_ends_the_process(tmp_path: Path) -> None:
    async def program(_wakes: Wakes) -> None:
        raise LookupError("gone")

    given: Callable[[Wakes], Awaitable[None]] = program
    queue: multiprocessing.queues.Queue[Notice] = multiprocessing.get_context("spawn").Queue(4)
    with pytest.raises(LookupError, match="gone"):
        run_async(context_of(tmp_path, QueueReceiver(queue, 4)), given)
    queue.close()
