"""Errands: a few at a time, each told to its charger once, none longer than who wants it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trustme

from builders_fleet import a_fleet
from builders_maintenance import FIRMWARE, Signer
from builders_named import a_registry
from builders_transfer import ftp_server, hang, http_server, refuse
from simfleet.fleet.errands import BUSY, NO_SERVICE, Errands
from simfleet.fleet.orders import Mode
from simfleet.ocpp.v16 import messages as v16
from simfleet.station.effects import Download, MakeCertificateRequest, Upload
from simfleet.station.events import ErrandDone
from simfleet.transfer import work

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from datetime import datetime

    from builders_fleet import Fleet
    from simfleet.station.events import Event


class Charger:
    """Somebody with a mailbox, which may be full for a while."""

    def __init__(self, *, full_times: int = 0) -> None:
        self.mail: list[ErrandDone] = []
        self.full_times = full_times

    def post(self, mail: Event, /) -> bool:
        assert isinstance(mail, ErrandDone)
        if self.full_times:
            self.full_times -= 1
            return False
        self.mail.append(mail)
        return True

    async def until(self, count: int = 1) -> list[ErrandDone]:
        with trio.fail_after(10):
            while len(self.mail) < count:  # noqa: ASYNC110
                await trio.sleep(0.01)
        return self.mail


@asynccontextmanager
async def running(**options: Any) -> AsyncIterator[Errands]:
    errands = Errands(**options)
    async with trio.open_nursery() as nursery:
        await nursery.start(errands.run)
        yield errands
        nursery.cancel_scope.cancel()


async def settled(holds: Callable[[], bool]) -> None:
    with trio.fail_after(10):
        while not holds():  # noqa: ASYNC110
            await trio.sleep(0.01)


async def test_an_upload_is_carried_out_and_told() -> None:
    charger = Charger()
    with http_server() as server:
        async with running() as errands:
            errands.take(charger, Upload(7, f"{server.url}/in/", "a.log", b"hello"))
            (done,) = await charger.until()
        assert (done.errand, done.ok) == (7, True)
        assert server.files == {"/in/a.log": b"hello"}
        assert (errands.done, errands.failed, errands.count) == (1, 0, 0)


async def test_a_download_brings_the_file() -> None:
    charger = Charger()
    with http_server() as server:
        server.files["/fw"] = FIRMWARE
        async with running() as errands:
            errands.take(charger, Download(1, f"{server.url}/fw"))
            (done,) = await charger.until()
        assert done.content == FIRMWARE


async def test_a_certificate_request_brings_both_halves() -> None:
    charger = Charger()
    async with running() as errands:
        errands.take(charger, MakeCertificateRequest(1, "CP-1", "Operator"))
        errands.take(charger, MakeCertificateRequest(2, "", ""))
        done, failed = sorted(await charger.until(2), key=lambda one: one.errand)
    assert done.content.startswith(b"-----BEGIN CERTIFICATE REQUEST-----")
    assert b"PRIVATE KEY" in done.more
    assert (failed.ok, "common name" in failed.detail) == (False, True)


async def test_a_failure_says_what_refused_it() -> None:
    charger = Charger()
    with http_server() as server:
        server.answers["/x"] = refuse(403, "go away")
        async with running() as errands:
            errands.take(charger, Upload(1, f"{server.url}/x", "", b""))
            (done,) = await charger.until()
    assert (done.ok, done.kind) == (False, "permission")
    assert "403" in done.detail
    assert errands.failed == 1


async def test_an_authority_of_ones_own_is_trusted() -> None:
    import ssl

    ca, charger = trustme.CA(), Charger()
    context = ssl.create_default_context()
    ca.configure_trust(context)
    with http_server(ca=ca) as server:
        async with running(ssl_context=context) as errands:
            errands.take(charger, Upload(1, f"{server.url}/x", "", b"hello"))
            (done,) = await charger.until()
    assert done.ok


async def test_only_so_many_are_carried_out_at_once_and_the_rest_in_order() -> None:
    charger = Charger()
    with http_server() as server:
        server.answers["/slow"] = hang(server)
        async with running(at_once_max=2) as errands:
            for number in (1, 2):
                errands.take(charger, Upload(number, f"{server.url}/slow", "", b""))
            for number in (3, 4, 5):
                errands.take(charger, Upload(number, f"{server.url}/{number}", "", b""))
            await settled(lambda: len(server.requests) == 2)
            await trio.sleep(0.1)
            assert len(server.requests) == 2
            errands.cancel(charger, 1)
            await charger.until(3)
        assert [one.errand for one in charger.mail] == [3, 4, 5]
        assert sorted(server.files) == ["/3", "/4", "/5"]


async def test_more_than_may_wait_fail_at_once_and_are_counted() -> None:
    charger = Charger()
    with http_server() as server:
        server.answers["/slow"] = hang(server)
        async with running(waiting_max=2) as errands:
            for number in (1, 2, 3):
                errands.take(charger, Upload(number, f"{server.url}/slow", "", b""))
            (done,) = await charger.until()
            assert (done.errand, done.ok, done.kind) == (3, False, BUSY)
            assert (errands.busy, errands.count) == (1, 2)


async def test_without_a_service_an_errand_fails_and_says_so() -> None:
    charger = Charger()
    Errands().take(charger, Download(1, "http://h/x"))
    assert [(one.ok, one.kind) for one in charger.mail] == [(False, NO_SERVICE)]


@pytest.mark.parametrize("waiting_max", [0, 10])
async def test_a_full_mailbox_is_tried_again_until_it_takes_the_end(waiting_max: int) -> None:
    charger = Charger(full_times=3)
    with http_server() as server:
        async with running(waiting_max=waiting_max) as errands:
            errands.take(charger, Upload(1, f"{server.url}/x", "", b""))
            await charger.until()
            await trio.sleep(0.15)
        assert [one.errand for one in charger.mail] == [1]
        assert errands.posted_again >= 2
        assert errands.count == 0


async def test_a_cancelled_errand_is_not_told_and_frees_its_place() -> None:
    charger = Charger()
    with http_server() as server:
        server.answers["/slow"] = hang(server)
        async with running(at_once_max=1) as errands:
            errands.take(charger, Upload(1, f"{server.url}/slow", "", b""))
            await settled(lambda: len(server.requests) == 1)
            errands.cancel(charger, 1)
            errands.cancel(charger, 1)
            errands.cancel(charger, 99)
            errands.take(charger, Upload(2, f"{server.url}/x", "", b""))
            await charger.until()
        assert [one.errand for one in charger.mail] == [2]
        assert errands.count == 0


async def test_a_charger_that_goes_takes_its_errands_with_it_and_leaves_others() -> None:
    leaving, staying = Charger(), Charger()
    with http_server() as server:
        server.answers["/slow"] = hang(server)
        async with running() as errands:
            for number in (1, 2, 3):
                errands.take(leaving, Upload(number, f"{server.url}/slow", "", b""))
            errands.take(staying, Upload(1, f"{server.url}/slow", "", b""))
            await settled(lambda: len(server.requests) == 4)
            errands.forget(leaving)
            await settled(lambda: errands.count == 1)
            assert leaving.mail == staying.mail == []


async def test_no_errand_outlives_the_service() -> None:
    charger = Charger()
    with http_server() as server:
        server.answers["/slow"] = hang(server)
        with trio.fail_after(5):
            async with running() as errands:
                for number in range(30):
                    errands.take(charger, Upload(number, f"{server.url}/slow", "", b""))
                await settled(lambda: len(server.requests) == 16)
    assert errands.count == 0
    assert work._threads.borrowed_tokens == 0
    assert charger.mail == []


# ── chargers and a CSMS ─────────────────────────────────────────────────────────────────────────


SPEED: dict[str, Any] = {"install_s": 0.1, "reboot_s": 0.1, "upload_s": 0.05, "download_s": 0.05}


def calls(fleet: Fleet, action: str) -> list[Any]:
    return [one.payload for one in fleet.wire.of("CP-0000", action)]


def statuses(fleet: Fleet, action: str) -> list[str]:
    return [one["status"] for one in calls(fleet, action)]


async def booted(fleet: Fleet) -> None:
    fleet.mass.apply(1, Mode.CONNECT)
    await settled(lambda: fleet.wire.count("StatusNotification") >= 2)


async def test_a_charger_puts_its_diagnostics_where_the_csms_says_by_http() -> None:
    with http_server() as server:
        async with a_fleet(**SPEED) as fleet:
            await booted(fleet)
            request = v16.GetDiagnosticsRequest(f"{server.url_as('cp', 'secret')}/diagnostics/")
            outcome = await fleet.csms.command("CP-0000", request)
            assert isinstance(outcome.response, v16.GetDiagnosticsResponse)
            name = outcome.response.file_name
            await settled(lambda: "Uploaded" in statuses(fleet, "DiagnosticsStatusNotification"))
        assert statuses(fleet, "DiagnosticsStatusNotification") == ["Uploading", "Uploaded"]
        assert b"identity = CP-0000" in server.files[f"/diagnostics/{name}"]
        assert server.requests[0].headers["authorization"].startswith("Basic ")


async def test_a_charger_puts_its_log_where_the_csms_says_by_ftp() -> None:
    with ftp_server() as server:
        server.user, server.password = "cp", "secret"
        async with a_fleet(**SPEED) as fleet:
            await booted(fleet)
            log = v16.LogParameters(server.url("/logs/", login="cp:secret@"))
            outcome = await fleet.csms.command(
                "CP-0000", v16.GetLogRequest(log, "DiagnosticsLog", 5)
            )
            assert isinstance(outcome.response, v16.GetLogResponse)
            await settled(lambda: len(calls(fleet, "LogStatusNotification")) == 2)
        assert calls(fleet, "LogStatusNotification") == [
            {"status": "Uploading", "requestId": 5},
            {"status": "Uploaded", "requestId": 5},
        ]
        (name,) = server.files
        assert name == f"logs/{outcome.response.filename}"
        assert b"identity = CP-0000" in server.files[name]


async def test_a_refused_upload_is_tried_again_told_and_listed_among_the_problems() -> None:
    with http_server() as server:
        server.answers["/in"] = refuse(403, "no")
        async with a_fleet(**SPEED) as fleet:
            await booted(fleet)
            log = v16.LogParameters(f"{server.url}/in")
            request = v16.GetLogRequest(log, "DiagnosticsLog", 5, retries=1, retry_interval=1)
            await fleet.csms.command("CP-0000", request)
            await settled(lambda: len(calls(fleet, "LogStatusNotification")) == 2)
            assert statuses(fleet, "LogStatusNotification") == ["Uploading", "PermissionDenied"]
            assert len(server.requests) == 2
            problems = [one for one in fleet.recorder.problems if one.kind == "errand:permission"]
            assert len(problems) == 2
            assert "403" in problems[0].detail


async def test_a_charger_fetches_firmware_installs_it_and_boots_with_it() -> None:
    signer = Signer()
    with http_server() as server:
        server.files["/fw-3.1.4.bin"] = FIRMWARE
        async with a_fleet(**SPEED) as fleet:
            await booted(fleet)
            firmware = v16.Firmware(
                f"{server.url}/fw-3.1.4.bin", _long_ago(), signer.pem, signer.sign(FIRMWARE)
            )
            request = v16.SignedUpdateFirmwareRequest(1, firmware)
            outcome = await fleet.csms.command("CP-0000", request)
            assert outcome.response == v16.SignedUpdateFirmwareResponse("Accepted")
            action = "SignedFirmwareStatusNotification"
            await settled(lambda: "Installed" in statuses(fleet, action))
            assert statuses(fleet, action) == [
                *("Downloading", "Downloaded", "SignatureVerified"),
                *("Installing", "InstallRebooting", "Installed"),
            ]
        boots = calls(fleet, "BootNotification")
        assert [one["firmwareVersion"] for one in boots] == ["1.0.0", "3.1.4"]


async def test_a_charger_that_leaves_ends_its_upload() -> None:
    with http_server() as server:
        server.answers["/slow"] = hang(server)
        async with a_fleet(**SPEED) as fleet:
            await booted(fleet)
            await fleet.csms.command("CP-0000", v16.GetDiagnosticsRequest(f"{server.url}/slow"))
            errands = fleet.surroundings.errands
            await settled(lambda: len(server.requests) == 1)
            assert errands.count == 1
            await fleet.stop(within_s=20)
            await settled(lambda: errands.count == 0)


async def test_simulated_transfers_open_nothing() -> None:
    async with a_fleet(transfers="simulated", **SPEED) as fleet:
        await booted(fleet)
        await fleet.csms.command("CP-0000", v16.GetDiagnosticsRequest("http://nobody.invalid/"))
        await settled(lambda: "Uploaded" in statuses(fleet, "DiagnosticsStatusNotification"))
        assert fleet.surroundings.errands.done == 0


def _long_ago() -> datetime:
    from builders_maintenance import NOW

    return NOW.replace(year=NOW.year - 1)


async def test_a_named_charger_runs_errands_too() -> None:
    with http_server() as server:
        server.files["/fw-2.0.1.bin"] = FIRMWARE
        async with a_registry() as world:
            charger = await world.create("CP-1")
            await charger.set_mode("on")
            await world.csms.command("CP-1", v16.GetDiagnosticsRequest(f"{server.url}/in/"))
            await settled(lambda: len(server.files) == 2)
            update = v16.UpdateFirmwareRequest(f"{server.url}/fw-2.0.1.bin", _long_ago())
            await world.csms.command("CP-1", update)
            await settled(lambda: len(world.sent("CP-1", "FirmwareStatusNotification")) == 3)
        (name,) = server.files.keys() - {"/fw-2.0.1.bin"}
        assert b"identity = CP-1" in server.files[name]
