"""The frames of Zstandard files: all text before damage is read, and what may follow a frame is no damage."""

import io

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.stages.sources.ingest.zstd_frames import MAGIC, Frames, _Frame

TEXTS = [b"", b"One line.\n", b"a" * 400_000, bytes(range(256)) * 700, b"The tide table. " * 9000]


def frame(text):
    target = pa.BufferOutputStream()
    with pa.CompressedOutputStream(target, "zstd") as stream:
        stream.write(text)
    return target.getvalue().to_pybytes()


def whole(text):
    """One frame that states its size, and has no window."""
    return pa.Codec("zstd").compress(text, asbytes=True)


def read(data, size=1 << 17):
    frames = Frames(io.BytesIO(data))
    return b"".join(iter(lambda: frames.read(size), b""))


@pytest.mark.parametrize("compress", [frame, whole])
@pytest.mark.parametrize("text", TEXTS)
def test_frames_are_read_one_after_another_with_what_may_stand_between_them(compress, text):
    skipped = (0x184D2A53).to_bytes(4, "little") + (5).to_bytes(4, "little") + b"about"
    data = compress(text) + bytes(700) + skipped + compress(b"the end") + bytes(3)
    assert read(data) == text + b"the end"
    assert read(data, 1000) == text + b"the end"


@given(st.lists(st.binary(max_size=3000), max_size=4), st.integers(1, 4000))
def test_any_frames_give_their_texts(texts, size):
    assert read(b"".join(map(whole, texts)), size) == b"".join(texts)


# A frame with a checksum behind its blocks, and one whose text is in a block of one repeated byte.
WITH_CHECKSUM = bytes.fromhex("28b52ffd045829000074696465731ac192af")  # "tides", of zstd --check
REPEATED = MAGIC + bytes([0x20, 5]) + (5 << 3 | 1 << 1 | 1).to_bytes(3, "little") + b"a"


def test_checksums_and_repeated_bytes_are_parts_of_their_frames():
    assert read(REPEATED + WITH_CHECKSUM + whole(b" end")) == b"aaaaatides end"


def test_a_frame_is_the_same_in_small_pieces():
    data = whole(TEXTS[4])
    frame = _Frame(io.BytesIO(data[len(MAGIC) :]))
    assert b"".join(iter(lambda: frame.read(2), b"")) == data


@pytest.mark.parametrize("rest", [b"junk", b"\0\0PK\3\4", b"\x28\xb5"])
def test_what_is_no_frame_is_an_error_after_the_text_before_it(rest):
    frames = Frames(io.BytesIO(frame(b"One line.\n") + rest))
    assert frames.read(1000) == b"One line.\n"
    with pytest.raises(OSError, match="not Zstandard"):
        frames.read(1000)


@given(st.integers(1, 200))
def test_a_frame_that_ends_early_is_an_error(cut):
    data = whole(bytes(range(256)))
    with pytest.raises(OSError):
        read(data[: max(5, len(data) - cut)])
