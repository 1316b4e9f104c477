"""Bytes are decoded in the right encoding, and rejected if it is unknown."""

import gzip
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.request import Reject
from datagen.stages.sources.ingest.decoding import WIDE, decode, decode_declared, normalise, wide

DOCUMENTS = Path(__file__).parents[3] / "data" / "documents"
TEXT = "The keeper wound the clock at dusk."


def parquet():
    stream = BytesIO()
    pq.write_table(pa.table({"text": [TEXT]}), stream)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("Grüße".encode(), "Grüße"),
        (b"\xef\xbb\xbfhello", "hello"),
        ("Grüße".encode("utf-16"), "Grüße"),
        ((DOCUMENTS / "latin1.txt").read_bytes()[:32], "Cafés und Bäckereien dürfen an S"),
        (
            "Каждый человек имеет право на жизнь и свободу.".encode("cp1251"),
            "Каждый человек имеет право на жизнь и свободу.",
        ),
    ],
)
def test_encodings(data, text):
    assert decode(data)[0] == text


@pytest.mark.parametrize("declared", ["undefined", "idna", "punycode", "zip", "utf-16", "ascii", "no such"])
def test_a_wrong_declaration_is_ignored(declared):
    text = "Каждый человек имеет право на жизнь и свободу."
    assert decode_declared(text.encode("cp1251"), declared)[0] == text


@pytest.mark.parametrize("encoding", WIDE)
@pytest.mark.parametrize(
    "text", [TEXT, "Смотритель завёл часы.\n" * 9, "灯台は岬の上に立つ。\n" * 9, "Où naît “l’été” ?"]
)
def test_wide_text_without_a_mark_is_recognised(encoding, text):
    assert decode(text.encode(encoding)) == (text, encoding)


@pytest.mark.parametrize(
    "data",
    [
        gzip.compress(TEXT.encode() * 99, mtime=0),
        parquet(),
        b"\0" * 5000,
        TEXT.encode(),
        b"\0".join(TEXT.encode().split() * 9),
        b'{"text": "A good line."}\n\n\0 \1',
        TEXT.encode() + b"\0\1\2 \0\xff",
        b"",
    ],
)
def test_binary_data_and_plain_text_are_not_wide(data):
    assert wide(data) == ""


def test_text_of_two_encodings_is_not_read_with_wrong_letters():
    french = (
        "Le gardien a remonté l'horloge à la tombée de la nuit. Été déjà passé, où naîtra l'âme française? "
    )
    with pytest.raises(Reject, match="mixed encodings"):
        decode(french.encode() + french.encode("latin-1") * 9)
    assert decode(french.encode("latin-1") * 9)[0] == french * 9


def test_iso_2022_is_distinguished_from_terminal_colours():
    japanese = "灯台の守り人は夕暮れに時計を巻いた。" * 5
    assert decode(japanese.encode("iso-2022-jp"))[0] == japanese
    assert decode("\x1b[31mété\x1b[0m".encode()) == ("\x1b[31mété\x1b[0m", "utf-8")


@pytest.mark.parametrize("encoding", ["iso-8859-2", "windows-1254"])
def test_an_encoding_with_too_little_evidence_is_not_guessed(encoding):
    names = {"iso-8859-2": "Jiří Dvořák of Plzeň", "windows-1254": "İbrahim Şahin of Ağva"}[encoding]
    text = f"The lighthouse was built by {names}. Ships from the north saw the beam first, because the cliffs are low."
    with pytest.raises(Reject, match="encoding:"):
        decode(text.encode(encoding))
    assert decode(text.encode(encoding), encoding) == (text, encoding)


def test_quotes_and_dashes_of_windows_are_recognised():
    text = "The “lamp” of the tower — it’s old – burned oil for many years… and the keeper slept beside it."
    assert decode(text.encode("windows-1252")) == (text, "windows-1252")


def test_normalising():
    raw = "\ufeff\n\nCafe\u0301 \t\r\nline\x00 two\x85next\r\n   indented\u00a0\n\n"
    assert normalise(raw) == "Café\nline two\nnext\n   indented"


@given(st.text())
def test_normalising_twice_changes_nothing(text):
    normalised = normalise(text)
    assert normalise(normalised) == normalised
    assert "\r" not in normalised and normalised == normalised.strip("\n")
