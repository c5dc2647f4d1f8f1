"""The rule book on the local authorization list: rows GetLocalListVersion and SendLocalList of
section 3, and the row LocalPreAuthorize / LocalAuthorizeOffline of section 5.
"""

from __future__ import annotations

import pytest

from builders_station import OTHER_TAG, TAG, Payload, Scene
from simfleet.station import local_list
from simfleet.station.tokens import TokenInfo


def a_booted_scene(**keys: str | int) -> Scene:
    scene = Scene(configuration=keys)
    scene.boot()
    scene.mark()
    return scene


def entry(tag: str = TAG, status: str | None = "Accepted", **more: str) -> Payload:
    """An entry of the list; without a status, one that removes."""
    return {"idTag": tag} if status is None else {"idTag": tag, "idTagInfo": info(status, **more)}


def info(status: str = "Accepted", **more: str) -> Payload:
    return {"status": status, **more}


def send(scene: Scene, version: int, *entries: Payload, kind: str = "Full") -> str:
    return scene.call(
        "SendLocalList",
        listVersion=version,
        updateType=kind,
        localAuthorizationList=list(entries),
    ).status


def differential(scene: Scene, version: int, *entries: Payload) -> str:
    return send(scene, version, *entries, kind="Differential")


def version_of(scene: Scene) -> int:
    return int(scene.call("GetLocalListVersion").payload["listVersion"])


def starts_offline(scene: Scene, tag: str = TAG) -> bool:
    """Whether a tag may charge while the CSMS is away: what the list is for."""
    scene.mark()
    scene.disconnect()
    scene.charge(tag=tag)
    scene.connect()
    started = bool(scene.sent("StartTransaction"))
    scene.unplug()
    return started


# ── GetLocalListVersion ─────────────────────────────────────────────────────────────────────────


def test_without_the_profile_the_version_is_minus_one() -> None:
    """Section 3, GetLocalListVersion: -1 unsupported."""
    assert version_of(a_booted_scene(SupportedFeatureProfiles="Core")) == -1


def test_a_list_that_is_disabled_has_version_minus_one_and_comes_back() -> None:
    """Section 3, GetLocalListVersion: -1 disabled."""
    scene = a_booted_scene()
    send(scene, 7, entry())
    scene.call("ChangeConfiguration", key="LocalAuthListEnabled", value="false")
    assert version_of(scene) == -1
    scene.call("ChangeConfiguration", key="LocalAuthListEnabled", value="true")
    assert version_of(scene) == 7


def test_an_empty_list_has_version_0() -> None:
    """Section 3, GetLocalListVersion: 0 empty."""
    assert version_of(a_booted_scene()) == 0


def test_the_version_is_that_of_the_last_list() -> None:
    """Section 3, GetLocalListVersion: else version."""
    scene = a_booted_scene()
    send(scene, 7, entry())
    assert version_of(scene) == 7
    differential(scene, 9, entry(OTHER_TAG))
    assert version_of(scene) == 9


# ── SendLocalList ───────────────────────────────────────────────────────────────────────────────


def test_without_the_profile_a_list_is_not_supported() -> None:
    """Section 3, SendLocalList: NotSupported."""
    assert send(a_booted_scene(SupportedFeatureProfiles="Core"), 1, entry()) == "NotSupported"


def test_a_list_that_is_disabled_is_not_supported() -> None:
    """Section 3, SendLocalList: NotSupported (disabled)."""
    assert send(a_booted_scene(LocalAuthListEnabled="false"), 1, entry()) == "NotSupported"


def test_a_full_list_replaces_what_was_there() -> None:
    """Section 3, SendLocalList: Full replaces."""
    scene = a_booted_scene()
    send(scene, 1, entry(TAG))
    assert send(scene, 2, entry(OTHER_TAG)) == "Accepted"
    assert starts_offline(scene, OTHER_TAG)
    assert not starts_offline(scene, TAG)


def test_a_full_list_may_have_an_older_version() -> None:
    """Section 3, SendLocalList: VersionMismatch is for Differential alone."""
    scene = a_booted_scene()
    send(scene, 9, entry())
    assert send(scene, 3, entry()) == "Accepted"
    assert version_of(scene) == 3


@pytest.mark.parametrize("version", [8, 9])
def test_a_differential_update_with_a_version_that_is_not_newer_is_a_mismatch(
    version: int,
) -> None:
    """Section 3, SendLocalList: VersionMismatch (Differential with version <= current)."""
    scene = a_booted_scene()
    send(scene, 9, entry())
    assert differential(scene, version, entry(OTHER_TAG)) == "VersionMismatch"
    assert version_of(scene) == 9
    assert not starts_offline(scene, OTHER_TAG)


def test_a_differential_update_adds_replaces_and_removes() -> None:
    """Section 3, SendLocalList: with idTagInfo upsert, without delete."""
    scene = a_booted_scene()
    send(scene, 1, entry("A"), entry("B"), entry("C", "Blocked"))
    update = [entry("A", "Blocked"), entry("B", None), entry("C"), entry("D")]
    assert differential(scene, 2, *update) == "Accepted"
    assert [starts_offline(scene, tag) for tag in "ABCD"] == [False, False, True, True]


def test_a_differential_update_of_an_empty_list_begins_one() -> None:
    """Section 3, SendLocalList: an empty list has version 0."""
    scene = a_booted_scene()
    assert differential(scene, 1, entry()) == "Accepted"
    assert version_of(scene) == 1


def test_removing_a_tag_that_is_not_there_is_no_mistake() -> None:
    """Section 3, SendLocalList: without idTagInfo delete."""
    scene = a_booted_scene()
    send(scene, 1, entry())
    assert differential(scene, 2, entry("UNKNOWN", None)) == "Accepted"
    assert version_of(scene) == 2


def test_a_differential_update_without_entries_only_has_a_new_version() -> None:
    """Section 3, SendLocalList."""
    scene = a_booted_scene()
    send(scene, 1, entry())
    assert differential(scene, 2) == "Accepted"
    assert version_of(scene) == 2
    assert starts_offline(scene)


def test_a_full_list_without_entries_clears() -> None:
    """Section 3, SendLocalList: omitted list + Full = clear."""
    scene = a_booted_scene()
    send(scene, 5, entry())
    answer = scene.call("SendLocalList", listVersion=6, updateType="Full")
    assert answer.status == "Accepted"
    assert version_of(scene) == 0
    assert not starts_offline(scene)
    assert differential(scene, 1, entry()) == "Accepted"


def test_a_list_whose_last_entry_is_removed_is_empty() -> None:
    """Section 3, GetLocalListVersion: 0 empty."""
    scene = a_booted_scene()
    send(scene, 5, entry())
    assert differential(scene, 6, entry(TAG, None)) == "Accepted"
    assert version_of(scene) == 0


@pytest.mark.parametrize("version", [0, -1])
@pytest.mark.parametrize("kind", ["Full", "Differential"])
def test_versions_that_mean_empty_and_unsupported_are_no_versions(version: int, kind: str) -> None:
    """Section 3, SendLocalList: Failed (bad)."""
    scene = a_booted_scene()
    assert send(scene, version, entry(), kind=kind) == "Failed"
    assert version_of(scene) == 0


@pytest.mark.parametrize("kind", ["Full", "Differential"])
def test_a_tag_that_is_named_twice_fails(kind: str) -> None:
    """Section 3, SendLocalList: Failed (duplicate), also in another case."""
    scene = a_booted_scene()
    assert send(scene, 1, entry("ab"), entry("AB", "Blocked"), kind=kind) == "Failed"
    assert version_of(scene) == 0


def test_a_full_list_with_an_entry_that_removes_fails() -> None:
    """Section 3, SendLocalList: Failed (bad)."""
    scene = a_booted_scene()
    send(scene, 1, entry("A"))
    assert send(scene, 2, entry("B"), entry("C", None)) == "Failed"
    assert version_of(scene) == 1


def test_more_entries_than_one_message_may_have_fail() -> None:
    """Section 3, SendLocalList: Failed (too long), SendLocalListMaxLength."""
    scene = a_booted_scene(SendLocalListMaxLength=2)
    assert send(scene, 1, entry("A"), entry("B"), entry("C")) == "Failed"
    assert send(scene, 1, entry("A"), entry("B")) == "Accepted"


def test_more_entries_than_the_list_can_hold_fail_and_change_nothing() -> None:
    """Section 3, SendLocalList: Failed (too long), LocalAuthListMaxLength."""
    scene = a_booted_scene(LocalAuthListMaxLength=2)
    send(scene, 1, entry("A"), entry("B"))
    assert differential(scene, 2, entry("C")) == "Failed"
    assert version_of(scene) == 1
    assert differential(scene, 2, entry("C"), entry("A", None)) == "Accepted"
    assert [starts_offline(scene, tag) for tag in "ABC"] == [False, True, True]


@pytest.mark.parametrize("reboot", ["Soft", "Hard", "power"])
def test_the_list_survives_a_reboot(reboot: str) -> None:
    """Section 3, SendLocalList and GetLocalListVersion: persist yes."""
    scene = a_booted_scene()
    send(scene, 4, entry(TAG, "Accepted", parentIdTag="FAMILY"))
    if reboot == "power":
        scene.cycle_power()
    else:
        scene.call("Reset", type=reboot)
    scene.run(for_s=30)
    assert version_of(scene) == 4
    assert starts_offline(scene)


def test_nothing_is_sent_because_of_a_list() -> None:
    """Section 3, SendLocalList: no follow-up."""
    scene = a_booted_scene()
    send(scene, 1, entry())
    version_of(scene)
    assert scene.sent() == []


# ── memory ──────────────────────────────────────────────────────────────────────────────────────


def test_chargers_with_the_same_list_share_it() -> None:
    """Ten thousand chargers with a thousand tags each are one list."""
    first, second = a_booted_scene(), a_booted_scene()
    for scene in (first, second):
        send(scene, 1, entry("A"), entry("B"))
    assert first.station.local_list is second.station.local_list
    differential(second, 2, entry("C"))
    assert first.station.local_list is not second.station.local_list
    assert len(first.station.local_list or ()) == 2


def test_a_list_that_nobody_has_any_more_is_forgotten() -> None:
    """Bounds: what is shared lives as long as a charger that has it."""
    made = local_list.shared(77, (("X", TokenInfo("Accepted", None, None)),))
    assert made is not None
    before = len(local_list._SHARED)
    del made
    assert len(local_list._SHARED) == before - 1
