"""The CSMS in a child process, over real sockets and real signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import msgspec
import psutil
import pytest
import trio

from builders_csms import BOOT, call
from simfleet.csms.behaviour import Behaviour
from simfleet.csms.embedded import EmbeddedCsms, embedded_csms
from simfleet.errors import ConnectFailed, CsmsFailed, LinkClosed, Refused
from simfleet.link.link import LinkOptions
from simfleet.link.opening import open_link


async def gone(pid: int) -> None:
    """Wait until no process has this id, or only a zombie of somebody else's."""
    with trio.fail_after(10):
        while _alive(pid):  # noqa: ASYNC110 - a grandchild's end is nobody's event
            await trio.sleep(0.02)


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_a_child_serves_reports_and_ends_with_the_block() -> None:
    with trio.fail_after(30):
        async with embedded_csms() as csms:
            pid = csms.pid
            assert os.getsid(pid) != os.getsid(0)  # Ctrl-C in the terminal does not reach it
            async with open_link(csms.url, identity="CP-1", subprotocol="ocpp1.6") as link:
                await link.send([call("1", "BootNotification", BOOT)])
                await link.receive()
                assert (await csms.stats())["connections"] == 1
                ledger = await csms.ledger()
                assert (ledger["boots"], ledger["connected"]) == (1, 1)
                await csms.reset()
                assert (await csms.ledger())["boots"] == 0
            assert csms.failure is None
        await gone(pid)


async def test_the_child_behaves_as_it_was_told() -> None:
    behaviour = Behaviour(boot="rejected", boot_interval_s=3)
    with trio.fail_after(30):
        async with (
            embedded_csms(behaviour, password="s3cret") as csms,
            open_link(
                csms.url,
                identity="CP-1",
                subprotocol="ocpp1.6",
                options=LinkOptions(password="s3cret"),
            ) as link,
        ):
            await link.send([call("1", "BootNotification", BOOT)])
            answer = msgspec.json.decode(await link.receive())[2]
            assert (answer["status"], answer["interval"]) == ("Rejected", 3)
            shown = " ".join(psutil.Process(csms.pid).cmdline())
            assert "s3cret" not in shown
            with pytest.raises(ConnectFailed):
                async with open_link(csms.url, identity="CP-2", subprotocol="ocpp1.6"):
                    pass


async def test_commands_and_freezes_reach_the_child() -> None:
    with trio.fail_after(30):
        async with (
            embedded_csms() as csms,
            open_link(csms.url, identity="CP-1", subprotocol="ocpp1.6") as link,
        ):
            with pytest.raises(Refused, match="no station 'CP-9'"):
                await csms.command("CP-9", "ClearCache")
            async with trio.open_nursery() as nursery:

                async def answer() -> None:
                    frame = msgspec.json.decode(await link.receive())
                    await link.send([msgspec.json.encode([3, frame[1], {"status": "Accepted"}])])

                nursery.start_soon(answer)
                outcome = await csms.command("CP-1", "Reset", {"type": "Soft"})
                assert outcome["response"] == {"status": "Accepted"}
            await csms.freeze(0.3)
            began_s = trio.current_time()
            await link.send([call("1", "Heartbeat", {})])
            await link.receive()
            assert trio.current_time() - began_s > 0.2


async def test_a_child_that_is_killed_is_noticed_and_reported() -> None:
    with trio.fail_after(30):
        async with embedded_csms() as csms:
            async with open_link(csms.url, identity="CP-1", subprotocol="ocpp1.6") as link:
                os.kill(csms.pid, signal.SIGKILL)
                with pytest.raises(LinkClosed):
                    await link.receive()
            await csms.died.wait()
            assert csms.failure is not None
            assert "killed by signal 9" in csms.failure
            with pytest.raises(CsmsFailed, match="killed by signal 9"):
                await csms.ledger()


async def test_an_answer_that_is_awaited_when_the_child_dies_fails_at_once() -> None:
    with trio.fail_after(30):
        async with embedded_csms() as csms, trio.open_nursery() as nursery:
            os.kill(csms.pid, signal.SIGSTOP)

            async def ask(csms: EmbeddedCsms) -> None:
                with pytest.raises(CsmsFailed):
                    await csms.ledger()

            nursery.start_soon(ask, csms)
            await trio.testing.wait_all_tasks_blocked(0.05)
            os.kill(csms.pid, signal.SIGKILL)


async def test_a_child_that_cannot_start_says_why() -> None:
    with trio.fail_after(30), pytest.raises(CsmsFailed) as failed:
        async with embedded_csms(host="no.such.host.invalid"):
            pytest.fail("it cannot listen there")
    assert "exit code 2" in str(failed.value)
    assert "no.such.host.invalid" in str(failed.value)


async def test_a_stopped_child_that_hangs_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simfleet.csms.embedded.STOP_TIMEOUT_S", 0.5)
    with trio.fail_after(30):
        async with embedded_csms() as csms:
            pid = csms.pid
            os.kill(pid, signal.SIGSTOP)
        await gone(pid)


async def test_cancelling_the_block_ends_the_child() -> None:
    with trio.fail_after(30):
        with trio.CancelScope() as scope:
            async with embedded_csms() as csms:
                pid = csms.pid
                scope.cancel()
                await trio.sleep_forever()
        await gone(pid)


PARENT = """
import trio
from simfleet.csms.embedded import embedded_csms
async def main():
    async with embedded_csms() as csms:
        print(csms.pid, flush=True)
        await trio.sleep_forever()
trio.run(main)
"""


async def test_a_parent_that_is_killed_leaves_no_orphan() -> None:
    parent = await trio.lowlevel.open_process(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    with trio.fail_after(30):
        pid = int(await parent.stdout.receive_some())
        assert psutil.pid_exists(pid)
        parent.kill()
        await parent.wait()
        await parent.stdout.aclose()
    await gone(pid)
