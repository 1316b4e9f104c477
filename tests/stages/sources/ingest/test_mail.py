"""Messages whose headers do not describe their content are read all the same."""

import base64
import json

import pytest

from datagen.recipe.sections import Source
from datagen.stages.sources.ingest.convert import rows
from datagen.stages.sources.ingest.readers import mail
from datagen.stages.sources.ingest.record import File
from tests.support.corpora import only, write

HEADER = "From: A <a@example.org>\nSubject: The harbour\n"
TEXT = "Dear Bea,\n\nthe café at the harbour opens at nine – “early”, they say.\n\nYours, Carl"
PAGE = "<html><body><p>Dear Bea,</p><p>the caf&eacute; opens at nine.</p></body></html>"
OF_PAGE = "Dear Bea,\n\nthe café opens at nine."
ENCODED = base64.encodebytes(TEXT.encode()).decode()


@pytest.fixture
def read(tmp_path):
    def reader(name, data, **entry):
        data = data if isinstance(data, bytes) else data.encode()
        (tmp_path / name).write_bytes(data)
        result = list(rows(File(tmp_path / name, name, Source(path=name, **entry), len(data))))
        return [row for row in result if not row.get("reason")], [row for row in result if row.get("reason")]

    return reader


def message(content_type, body, encoding="8bit"):
    return f"{HEADER}Content-Type: {content_type}\nContent-Transfer-Encoding: {encoding}\n\n{body}"


def parts(kind, *inner):
    """Write a multipart entity: its header and its parts."""
    mark = f"x{abs(hash((kind, inner))) % 10**9}"
    body = "".join(f"--{mark}\n{part}\n" for part in inner)
    return f"Content-Type: multipart/{kind}; boundary={mark}\n\n{body}--{mark}--\n"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (message("text/plain; charset=utf-8", TEXT, "base64"), TEXT),  # it is not
        (message("text/plain", "Hello there", "base64"), "Hello there"),
        (message("text/plain; charset=utf-8", ENCODED, "base64"), TEXT),
        (message("text/plain; charset=utf-8", ENCODED, "7bit"), TEXT),  # it is base64
        (message("text/plain; charset=utf-8", "cafe" * 30, "7bit"), "cafe" * 30),
        (message("text/plain; charset=utf-8", f"{ENCODED}\n____\nlist@example.org\n", "base64"), TEXT),
        (message("text/plain; charset=iso-8859-1", TEXT).encode("windows-1252"), TEXT),
        (message("text/plain; charset=iso-8859-1", TEXT), TEXT),
        (message("text/plain; charset=us-ascii", TEXT), TEXT),
        (message("text/plain; charset=utf-7", TEXT.encode("utf-7").decode()), TEXT),
        (message("text/plain", PAGE), OF_PAGE),
        (
            message("text/html", "Dear <b@x.org>,\n\nif a < b\nand c > d"),
            "Dear <b@x.org>,\n\nif a < b\nand c > d",
        ),
        (
            message("text/plain; charset=utf-8", "The caf=C3=A9 opens at nine, as they say=\n.", "7bit"),
            "The café opens at nine, as they say.",
        ),
        (
            message("text/plain", "Set a=1, b=two and url?c=d&e=f", "quoted-printable"),
            "Set a=1, b=two and url?c=d&e=f",
        ),
        (
            message("text/plain; charset=iso-8859-1", "The caf=E9 opens at nine, as they say=\n.", "7bit"),
            "The café opens at nine, as they say.",
        ),
        (message("text/plain", "Set a=1, b=two and c=4F", "quoted-printable"), "Set a=1, b=two and c=4F"),
        (message("application/octet-stream", "The café opens."), "The café opens."),
        (f"\n\n{HEADER}\nThe café opens.", "The café opens."),
    ],
)
def test_a_text_is_not_what_its_header_says(read, data, text):
    (letter,), dropped = read("a.eml", data)
    assert (letter["text"], dropped) == (text, [])


OF_HTML = f"Content-Type: text/html\n\n{PAGE}"
LONG = "The harbour opens at nine and closes at five. " * 9
PLAN = 'Content-Type: text/markdown; name="plan.md"\nContent-Disposition: attachment; filename="plan.md"\n\n# Plan\n\nGo.'


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (parts("alternative", parts("alternative", OF_HTML)), OF_PAGE),
        (parts("mixed", parts("alternative", parts("related", OF_HTML, "Content-Type: image/png\n\nx"))), OF_PAGE),
        (parts("alternative", "Content-Type: text/plain\n\nNo text.", OF_HTML), OF_PAGE),
        (parts("alternative", "Content-Type: text/plain\n\nThe café opens at 9.", OF_HTML), "The café opens at 9."),
        (
            parts("mixed", "Content-Type: text/plain\n\nOne.", "Content-Type: image/png\n\nx", "\nTwo."),
            "One.\n\nTwo.",
        ),
        (parts("mixed", f"\n{LONG}", "Content-Type: image/png\n\nx", OF_HTML), f"{LONG.rstrip()}\n\n{OF_PAGE}"),
        (parts("mixed", "\nDear Bea,\n\nthe café opens at nine.", OF_HTML), "Dear Bea,\n\nthe café opens at nine."),
        (parts("mixed", "\nOne.", "Content-Type: text/x-diff\n\n-a\n+b"), "One.\n\n-a\n+b"),
        (parts("signed", parts("mixed", "\nOne.", "\nTwo."), "Content-Type: application/pgp-signature\n\nx"), "One.\n\nTwo."),
        (parts("mixed", "Content-Type: text/plain\n\nOne.").replace("boundary=x", "boundary=y"), "One."),
        (parts("mixed", "Content-Type: text/plain\n\nOne.").partition(";")[0] + "\n\n--a\nContent-Type: text/plain\n\nOne.\n--a--", "One."),
    ],
)  # fmt: skip
def test_the_text_of_a_message_in_parts(read, body, text):
    (letter,), dropped = read("a.eml", HEADER + body)
    assert (letter["text"], dropped) == (text, [])


@pytest.mark.parametrize(
    "body",
    [
        parts("signed", parts("mixed", "\nOne.", PLAN), "Content-Type: application/pgp-signature\n\nx"),
        parts("alternative", "Content-Type: text/plain\n\nOne.", parts("mixed", OF_HTML, PLAN)),
        parts("mixed", parts("mixed", "\nOne.", PLAN)),
    ],
)
def test_attachments_of_parts_are_read(read, body):
    kept, _ = read("a.eml", HEADER + body)
    assert [row["source"] for row in kept] == ["a.eml", "a.eml!plan.md"]


def test_the_footer_of_a_mailing_list_is_left_out_and_counted(read):
    (letter,), _ = read(
        "a.eml", HEADER + parts("mixed", "\nOne.", "\n________\nlamps mailing list\nlamps@x.org")
    )
    assert letter["text"] == "One."
    assert json.loads(letter["metadata"])["left_out"] == {"lines of the list's footer": 3}


def test_a_letter_of_many_short_paragraphs_takes_linear_time(read):
    """In quadratic time it takes a quarter of an hour."""
    (letter,), _ = read("a.eml", f"{HEADER}\n" + "Come here.\n\n" * 200_000)
    assert letter["text"].count("Come here.") == 200_000


def test_a_message_that_is_an_attachment_is_read_as_one(read):
    disposition = 'Content-Disposition: attachment; filename="plan.md"\n\n# Plan\n\nGo there.'
    (plan,), (letter,) = read("a.eml", f"{HEADER}Content-Type: text/markdown\n{disposition}")
    assert (plan["source"], plan["text"]) == ("a.eml!plan.md", "# Plan\n\nGo there.")
    assert letter["reason"] == "empty document" and "text/markdown" in letter["detail"]


def test_a_message_in_an_unknown_encoding_costs_no_other_and_its_remedy_helps(read):
    text = "The lighthouse was built by Jiří Dvořák of Plzeň. Ships saw the beam first, because the cliffs are low."
    first = message("text/plain; charset=unknown-8bit", text).encode("iso-8859-2")
    box = b"From a\n" + first + b"\n\nFrom b\nSubject: B\n\nSecond letter.\n"
    kept, (dropped,) = read("a.mbox", box)
    assert [row["text"] for row in kept] == ["Second letter."]
    assert dropped["reason"] == "unknown encoding" and "line 1: The harbour" in dropped["detail"]
    kept, dropped = read("a.mbox", box, encoding="iso-8859-2")
    assert [row["text"] for row in kept] == [text, "Second letter."] and not dropped


@pytest.mark.parametrize("encoding", ["iso-8859-1", "utf-8"])
def test_a_subject_in_bytes_is_in_the_encoding_of_the_text(read, encoding):
    data = f"From: André <a@example.org>\nSubject: Café am Hafen\nContent-Type: text/plain; charset={encoding}\n\nGrüße\n"
    (letter,), _ = read("a.eml", data.encode(encoding))
    assert (letter["title"], letter["text"]) == ("Café am Hafen", "Grüße")
    assert json.loads(letter["metadata"])["from"] == "André <a@example.org>"


def test_the_footer_of_a_newsletter_and_pictures_are_left_out_and_counted(read):
    body = (
        "Dear all,\n\n[image: The harbour]\nthe harbour opens [image] at nine.\n\n{}\n\nX Ltd, 1 Pier\nHull\n"
    )
    (letter,), _ = read("a.eml", HEADER + "\n" + body.format("To unsubscribe, click here."))
    assert letter["text"] == "Dear all,\n\nthe harbour opens [image] at nine."
    assert json.loads(letter["metadata"])["left_out"] == {"lines of the footer": 3, "pictures": 1}
    for text in ("How do I unsubscribe here?", "Dear A,\n\nto unsubscribe an observer, call detach()."):
        (letter,), _ = read("b.eml", f"{HEADER}\n{text}\n")
        assert letter["text"] == text


@pytest.mark.parametrize("codec", ["idna", "punycode", "undefined", "rot13"])
def test_a_charset_that_is_no_encoding_of_text_loses_no_message(read, codec):
    data = message(f'text/plain; charset="{codec}"', TEXT)
    (letter,), dropped = read("a.eml", data)
    assert letter["text"] == TEXT and not dropped
    letters, dropped = read("a.mbox", f"From a\n{data}\n\nFrom b\n{message('text/plain', 'The last one.')}")
    assert [letter["text"] for letter in letters] == [TEXT, "The last one."] and not dropped


@pytest.mark.parametrize("name", ["a.eml", "a.mbox"])
def test_a_byte_order_mark_before_the_first_header_is_skipped(read, name):
    data = message("text/plain; charset=utf-8", TEXT)
    start = "From a\n" if name == "a.mbox" else ""
    (letter,), dropped = read(name, f"\ufeff{start}{data}")
    assert letter["text"] == TEXT and letter["title"] == "The harbour" and not dropped


@pytest.mark.parametrize(
    "date", ["Mon, 1 Jan 29999999999024 00:00:00 +0000", "Mon, 1 Jan 2024 00:09999999999+0000"]
)
def test_an_impossible_date_is_left_out_and_no_message_is_lost(read, date):
    mailbox = (
        f"From a\nDate: {date}\n{message('text/plain', TEXT)}\n\nFrom b\n{message('text/plain', 'The last.')}"
    )
    letters, dropped = read("a.mbox", mailbox)
    assert [letter["text"] for letter in letters] == [TEXT, "The last."] and not dropped
    assert "date" not in json.loads(letters[0]["metadata"])


def test_a_message_that_cannot_be_parsed_is_dropped_and_the_next_is_read(read, monkeypatch):
    def repair(letter, original=mail.repair_boundaries):
        if letter["Subject"] == "broken":
            raise UnboundLocalError("pos")  # as Python's parser of headers does
        original(letter)

    monkeypatch.setattr(mail, "repair_boundaries", repair)
    mailbox = f"From a\nSubject: broken\n\nText.\n\nFrom b\n{message('text/plain', 'The last.')}"
    (letter,), (dropped,) = read("a.mbox", mailbox)
    assert letter["text"] == "The last."
    assert dropped["reason"] == "unreadable message" and "a.mbox, line 1" in dropped["detail"]


@pytest.mark.parametrize(
    ("end", "removed"),
    [
        ("Eric\n-----------\nEric Ro, Lamps Ltd  http://lamps.example\nTel: 1-2  Fax: 1-3\n  -- a saying", 4),
        ("_______\nAda, ada@example.org\nwww.lamps.example\n_______", 4),
        (
            "-------\nThe meeting is at noon.\nRegister: https://lamps.example",
            0,
        ),  # one way to reach the sender
        ("-------\nAda, ada@example.org\n\nwww.lamps.example is where the lamps are.", 0),
        ("-------\n" + 9 * "A line of a long list, a@example.org, www.lamps.example\n", 0),
        ("Ada, ada@example.org\nwww.lamps.example", 0),
    ],
)
def test_a_signature_below_a_rule_is_removed_and_counted(tmp_path, end, removed):
    write(tmp_path, "a.eml", f"From: ada@example.org\nSubject: Clock\n\nThe clock is wound.\n\n{end}\n")
    row = only(tmp_path, "a.eml")
    assert json.loads(row["metadata"]).get("left_out", {}).get("lines of the signature", 0) == removed
    assert "The clock is wound." in row["text"] and ("lamps.example" in row["text"]) == (not removed)


def test_a_letter_of_nothing_but_a_signature_is_kept(tmp_path):
    write(tmp_path, "a.eml", "From: a@b.org\nSubject: Clock\n\n-------\nAda, ada@b.org\nwww.lamps.example\n")
    assert "www.lamps.example" in only(tmp_path, "a.eml")["text"]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("enriched", "The <bold>lamp</bold>\nburns <color><param>red</param><<oil></color>.\n\n\nAda"),
        ("richtext", "The <bold>lamp</bold> burns <lt>oil>.<nl>\n<nl>\nAda"),
    ],
)
def test_enriched_text_is_read_without_its_marks(read, kind, body):
    (row,), _ = read("a.eml", message(f"text/{kind}", body))
    assert [line.strip() for line in row["text"].split("\n") if line.strip()] == [
        "The lamp burns <oil>.",
        "Ada",
    ]


def test_links_to_pictures_and_to_readers_are_removed_and_others_are_kept(read):
    lines = (
        "Read <http://a.example.org/rule.gif> this <http://a.example.org/r?l=59&m=101BN3c3ce68600277550d>.",
        "It is at <http://a.example.org/news?page=12>.",
    )
    (row,), _ = read("a.eml", message("text/plain", "\n".join(lines)))
    assert row["text"] == "Read this.\nIt is at <http://a.example.org/news?page=12>."
    assert json.loads(row["metadata"])["left_out"]["links"] == 2


def test_the_instructions_of_a_list_below_a_text_are_left_out_and_counted(read):
    text = "The windows are dirty.\nTo leave by the window is faster than by the door."
    below = '\nTo unsubscribe from the list, send "unsubscribe lamps" in the body\nof a message to lists@example.org.'
    (row,), _ = read("a.eml", message("text/plain", text + below))
    assert row["text"] == text
    assert 2 in json.loads(row["metadata"])["left_out"].values()
