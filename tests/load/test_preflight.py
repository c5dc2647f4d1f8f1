"""Refused before the start, with what to do."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from builders_load import MEMORY
from simfleet.csms.server import Csms
from simfleet.errors import ConnectFailed, ConnectReason, PreflightFailed, TargetUnreachable
from simfleet.link.link import LinkOptions
from simfleet.link.memory import MemoryNetwork
from simfleet.load.preflight import (
    DESCRIPTORS_SPARE,
    ensure_descriptors,
    ensure_ports,
    ensure_target,
)

if TYPE_CHECKING:
    from pathlib import Path


def with_limits(soft: int, hard: int, *, chargers: int, both_ends: bool = False) -> str:
    """What `ensure_descriptors` says, or the limit it leaves, in a process with these limits."""
    code = f"""\
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
from simfleet.errors import PreflightFailed
from simfleet.load.preflight import ensure_descriptors
try:
    ensure_descriptors({chargers}, both_ends={both_ends})
except PreflightFailed as refusal:
    print(refusal)
else:
    print(resource.getrlimit(resource.RLIMIT_NOFILE))
"""
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    return ended.stdout.strip()


def test_a_soft_limit_that_is_too_low_is_raised_as_far_as_needed() -> None:
    assert with_limits(100, 1000, chargers=500) == f"({500 + DESCRIPTORS_SPARE}, 1000)"


def test_a_soft_limit_that_is_enough_is_left_alone() -> None:
    assert with_limits(900, 1000, chargers=500) == "(900, 1000)"


def test_a_hard_limit_that_is_too_low_is_refused_with_what_to_raise() -> None:
    said = with_limits(100, 600, chargers=500)
    assert "500 chargers need 700 open files, this process may have 600" in said
    assert "ulimit -n 700" in said
    assert "LimitNOFILE" in said
    assert "fewer chargers" in said


def test_a_csms_in_the_same_process_needs_as_many_files_again() -> None:
    said = with_limits(100, 1000, chargers=500, both_ends=True)
    assert "500 chargers need 1200 open files, this process may have 1000" in said
    assert "or a CSMS that is not in this process" in said


def test_this_process_may_open_a_few_files() -> None:
    ensure_descriptors(1)


@pytest.mark.parametrize(("text", "chargers"), [("1000\t1099\n", 100), ("32768 60999", 10_000)])
def test_ports_that_are_enough(tmp_path: Path, text: str, chargers: int) -> None:
    (tmp_path / "range").write_text(text)
    ensure_ports(chargers, range_file=tmp_path / "range")


def test_ports_that_are_too_few_are_refused_with_what_to_widen(tmp_path: Path) -> None:
    (tmp_path / "range").write_text("1000\t1099\n")
    with pytest.raises(PreflightFailed, match=r"the range 1000-1099 has 100: widen it") as refused:
        ensure_ports(101, range_file=tmp_path / "range")
    assert "sysctl -w net.ipv4.ip_local_port_range" in str(refused.value)


@pytest.mark.parametrize("text", [None, "", "no numbers"])
def test_without_a_port_range_the_connects_will_tell(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "range").write_text(text)
    ensure_ports(10_000, range_file=tmp_path / "range")


async def asked(network: MemoryNetwork, *, subprotocol: str = "ocpp1.6") -> None:
    await ensure_target(
        network.dial, MEMORY, identity="CP-1", subprotocol=subprotocol, options=LinkOptions()
    )


async def test_a_target_that_accepts_one_connection_will_do(nursery: trio.Nursery) -> None:
    network, csms = MemoryNetwork(), Csms()
    await nursery.start(network.serve, csms.handle)
    await asked(network)
    await trio.testing.wait_all_tasks_blocked()
    assert (network.opened, csms.connected) == (1, 0)


@pytest.mark.parametrize("reason", ConnectReason)
async def test_every_reason_of_a_failed_connect_comes_with_what_to_do(
    reason: ConnectReason,
) -> None:
    network = MemoryNetwork()
    network.refusal = ConnectFailed(reason, "the detail")
    with pytest.raises(TargetUnreachable) as refused:
        await asked(network)
    said = str(refused.value)
    assert said.startswith(
        f"cannot connect to {MEMORY} as 'CP-1' with ocpp1.6: {reason}: the detail; "
    )
    assert len(said.rpartition("; ")[2]) > 15


async def test_a_target_without_our_version_is_refused(nursery: trio.Nursery) -> None:
    network = MemoryNetwork(subprotocols=["ocpp2.0.1"])
    await nursery.start(network.serve, Csms().handle)
    with pytest.raises(TargetUnreachable, match=r"this server speaks ocpp2\.0\.1"):
        await asked(network)
