"""The ordinary frame, against websockets' own parser and serializer."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import CLIENT, SERVER, Protocol, State

from simfleet.link import framing

payloads = st.one_of(
    st.binary(max_size=200),
    st.sampled_from([125, 126, 127, 65535, 65536]).map(lambda size: b"x" * size),
)


@given(st.lists(payloads, max_size=4), st.booleans())
def test_websockets_reads_what_we_write(messages: list[bytes], masked: bool) -> None:
    reader = Protocol(SERVER if masked else CLIENT, state=State.OPEN)
    reader.receive_data(framing.text_frames(messages, masked=masked))
    events = reader.events_received()
    assert [bytes(event.data) for event in events if isinstance(event, Frame)] == messages
    assert reader.parser_exc is None


@given(payloads, st.booleans(), st.binary(max_size=3))
def test_we_measure_what_websockets_writes(payload: bytes, masked: bool, before: bytes) -> None:
    written = before + Frame(Opcode.TEXT, payload).serialize(mask=masked)
    extent = framing.extent_of(written, len(before))
    assert extent is not None
    payload_at, end_at, is_masked = extent
    assert (end_at, is_masked) == (len(written), masked)
    if masked:
        assert framing.unmask(written, payload_at, end_at) == payload
    else:
        assert written[payload_at:end_at] == payload


@given(payloads, st.booleans())
def test_an_incomplete_header_has_no_extent(payload: bytes, masked: bool) -> None:
    written = Frame(Opcode.TEXT, payload).serialize(mask=masked)
    header = len(written) - len(payload) - (4 if masked else 0)
    assert all(framing.extent_of(written[:end], 0) is None for end in range(header))


def test_masking_keys_do_not_repeat() -> None:
    masks = framing.Masks()
    keys = {masks.next_key() for _ in range(3000)}
    assert len(keys) > 2990  # four random bytes; a repeat among 3,000 is already rare
    assert {len(key) for key in keys} == {4}
