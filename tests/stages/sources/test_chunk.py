"""Passages are verbatim, ordered spans that lose nothing, and are cut where a reader would cut."""

import itertools
import re
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from datagen.schema import DOCUMENTS, content_id, table_of
from datagen.stage import Context
from datagen.stages.shared.language.joined import licences
from datagen.stages.shared.segment.blocks import blocks, first_heading
from datagen.stages.sources.chunk import Options, chunk, prose
from datagen.stages.sources.chunk.cut import Span, cut
from datagen.stages.sources.chunk.measure import in_characters
from datagen.stages.sources.chunk.overlap import overlapping
from datagen.stages.sources.chunk.prose import is_licence, is_prose, mention_licences, prose_share

DATA = Path(__file__).parents[2] / "data" / "documents"
CONTEXT = Context("chunk")
WORDS = "The harbour master assigns a berth to each vessel that has reported in time. "


def documents(*texts, title="A title"):
    rows = [
        {"id": content_id(text), "source": f"doc-{number}", "title": title, "text": text}
        for number, text in enumerate(texts)
    ]
    return table_of(DOCUMENTS, rows)


def passages(*texts, title="A title", **options):
    outcome = chunk(documents(*texts, title=title), Options(**options), CONTEXT)
    return outcome.kept.to_pylist(), outcome.dropped.to_pylist()


def texts_of(text, **options):
    """The passages of a text, kept and dropped, in order."""
    kept, dropped = passages(text, **options)
    return [row["text"] for row in sorted(kept + dropped, key=lambda row: row["index"])]


# Texts with the marks that documents are built of, and with any other character.
LINES = st.one_of(
    st.sampled_from(
        ["", "", "# Title", "## Part", "Title", "=====", "-----", "```", "| a | b |", "+---+---+"]
    ),
    st.sampled_from(
        ["- item", "  * deeper", "1. first", "(a) letter", "(i) roman", "    code()", "It says:"]
    ),
    st.sampled_from(
        [WORDS * 3, WORDS, "他们在港口停泊船只。" * 9, "word " * 60, "x" * 300, "见。", "\u2003odd\x1c"]
    ),
    st.text(max_size=40),
)
TEXTS = st.lists(LINES, max_size=25).map("\n".join)


@settings(max_examples=200, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=3), st.integers(100, 400), st.integers(1, 100))
def test_invariants(texts, max_chars, min_chars):
    table = documents(*texts)
    kept, dropped = passages(*texts, max_chars=max_chars, min_chars=min_chars)
    for document in table.to_pylist():
        rows = [row for row in kept + dropped if row["source"] == document["source"]]
        assert rows, "every document leaves a row"
        if not document["text"].strip():
            assert [row["reason"] for row in rows] == ["empty document"]
            continue
        rows.sort(key=lambda row: row["index"])
        assert [row["index"] for row in rows] == list(range(len(rows)))
        rest, after = [], 0
        for row in rows:
            assert row["text"] == document["text"][row["start"] : row["end"]]
            assert after <= row["start"] < row["end"]
            rest.append(document["text"][after : row["start"]])
            after = row["end"]
        rest.append(document["text"][after:])
        assert not "".join(rest).strip(), "what is not blank stands in a passage"
    assert len({row["id"] for row in kept}) == len(kept)
    assert all(min_chars <= len(row["text"]) <= max_chars or not row["text"].isascii() for row in kept)


@given(TEXTS)
def test_no_cut_inside_a_word(text):
    for span in cut(text, 100, 10):
        for edge in (span.start, span.end):
            around = text[max(0, edge - 1) : edge + 1]
            assert not (len(around) == 2 and around.isascii() and around.isalnum())


def test_ids_do_not_change_when_a_document_is_added_or_another_section_edited():
    text = "".join(f"# Berth {number}\n\n{WORDS * (9 + number)}\n\n" for number in range(8))
    before = {row["id"] for row in passages(text)[0]}
    assert before < {row["id"] for row in passages(text, "Another document. " + WORDS * 4)[0]}
    edited = {
        row["id"] for row in passages(text.replace("# Berth 3\n", "# Berth 3\n\nA new first sentence."))[0]
    }
    assert len(before - edited) == 1


def test_the_same_passage_twice_in_a_document_is_two_rows():
    part = f"# Part\n\n{WORDS * 5}\n\n"
    kept, _ = passages(part + part)
    assert len(kept) == 2 and kept[0]["id"] != kept[1]["id"]


# Where cuts are made


def test_sections_are_passages_and_name_their_headings():
    body = WORDS * 4
    text = f"# Guide\n\n{body}\n\n## Speed\n\n{body}\n\n### At night\n\n{body}\n\n## Mooring\n\n{body}"
    kept, _ = passages(text, title="Guide")
    assert [row["section"] for row in kept] == [[], ["Speed"], ["Speed", "At night"], ["Mooring"]]
    assert [row["text"].split("\n")[0] for row in kept] == [
        "# Guide",
        "## Speed",
        "### At night",
        "## Mooring",
    ]


def test_small_sections_are_joined_under_their_common_headings():
    parts = "".join(
        f"## Term {number}\n\nIt names the berth with number {number}.\n\n" for number in range(4)
    )
    kept, _ = passages(f"# Terms\n\n{parts}", title="Terms", min_chars=150)
    assert [row["section"] for row in kept] == [[]] and "## Term 3" in kept[0]["text"]


def test_paragraphs_stay_whole_and_a_long_one_is_cut_between_sentences():
    paragraphs = [WORDS * 12, WORDS * 13, WORDS * 30]
    passages = texts_of("\n\n".join(part.strip() for part in paragraphs))
    assert passages[:2] == [part.strip() for part in paragraphs[:2]]
    assert all(part.startswith("The harbour") and part.endswith("in time.") for part in passages)


def test_a_lead_stays_with_the_text_it_introduces():
    code = "```\n" + "berth = assign(vessel)\n" * 20 + "```"
    text = f"{WORDS * 12}\n\nA berth is assigned so:\n\n{code}\n\n{WORDS * 12}"
    (part,) = [part for part in texts_of(text) if "assigned so:" in part]
    assert f"A berth is assigned so:\n\n{code}" in part


def test_a_signature_stays_with_its_description():
    methods = "".join(f"berth.method{n}(vessel)\n\n   {(WORDS * 7).strip()}\n\n" for n in range(5))
    for part in texts_of(methods, max_chars=1000):
        assert part.startswith("berth.method") and part.endswith("in time.")


def test_a_table_that_fits_is_not_cut():
    table = "| Berth | Depth |\n| --- | --- |\n" + "".join(f"| {n} | {n} metres |\n" for n in range(30))
    assert any(table.strip() in part for part in texts_of(f"{WORDS * 12}\n\n{table}\n{WORDS * 12}"))


def test_statutes_are_cut_at_the_outer_items():
    items = "".join(
        f"({letter}) In General.—\n{WORDS * 2}\n(1) the first case;\n(A) a part of it; or\n(2) {WORDS * 3}\n"
        for letter in "abcdefgh"
    )
    assert all(part.startswith(("§", "(")) for part in texts_of(f"§ 5. Berths\n{items}"))
    starts = [part[:3] for part in texts_of(f"§ 5. Berths\n{items}")[1:]]
    assert set(starts) <= {f"({letter})" for letter in "abcdefgh"}


def test_ideographs_count_as_three():
    text = "港口管理员为每艘按时报告的船只分配一个泊位。" * 60
    sizes = [len(part) for part in texts_of(text, max_chars=600)]
    assert max(sizes) <= 200 and all(part.endswith("。") for part in texts_of(text, max_chars=600))


def test_an_underlined_heading_and_a_marked_one_are_the_same():
    rst = (DATA / "harbour.txt").read_text()
    assert [(block.level, block.title) for block in blocks(rst) if block.kind == "heading"] == [
        (1, "Harbour Regulations"),
        (2, "Speed"),
        (2, "Mooring"),
    ]
    assert first_heading(rst) == "Harbour Regulations" == first_heading("# **Harbour** Regulations #\n\nText")


def test_a_comment_in_code_and_a_rule_are_not_headings():
    text = "```sh\n# install\nmake\n```\n\nA paragraph of\nmore lines.\n---\n\n----\n\n    # indented"
    assert not [block for block in blocks(text) if block.kind == "heading"]


@pytest.mark.slow
@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "part", ["```python\n", "a\n", ". ", "- a\n", "----\n\n", "`", "#", "# [", "船", "word "]
)
def test_no_text_takes_unbounded_time(part):
    text = part * 10_000
    assert sum(len(span_text) for span_text in texts_of(text, min_prose=0)) <= len(text)


# What is dropped


def reasons(text, **options):
    kept, dropped = passages(text, **options)
    return [row["reason"] for row in dropped] if not kept else []


GRAMMAR = "\n".join(f'   rule_{n}   ::= "word" [rule_{n + 1}] ("," rule_{n + 2})* | digit+' for n in range(9))
FIGURES = "| Year | Depth | Flow |\n|---|---|---|\n" + "\n".join(
    f"| {1990 + n} | {n * 1.7:.1f} | {n * 31} |" for n in range(20)
)
INDEX = "\n\n".join(f"berth {name}, Assigning, Leaving" for name in "abcdefghijklm")
LINKS = "\n".join(f"- [Page {n}](https://example.org/{n})" for n in range(12))
CITATIONS = "Pub. L. 86–523, § 7, June 27, 1960, 74 Stat. 221; Pub. L. 93–291, § 1(9), 88 Stat. 175; " * 4
CODE = "```\n" + 'if (berth.taken) { throw new Error("taken"); }\n' * 9 + "```"
SHOUT = "ALL VESSELS MUST REPORT TO THE HARBOUR MASTER WITHOUT DELAY OR THEY WILL BE SENT AWAY. " * 4


@pytest.mark.parametrize("text", [GRAMMAR, FIGURES, INDEX, LINKS, CITATIONS, CODE, SHOUT])
def test_non_prose_is_dropped(text):
    assert set(reasons(text)) == {"not prose"}
    assert reasons(text, min_prose=0) == []


def test_a_licence_is_dropped():
    text = (
        "Permission is hereby granted, free of charge, to any person obtaining a copy of this software. The above "
        "copyright notice shall be included. The software is provided “as is”, without warranty of any kind."
    )
    assert is_licence(text) and reasons(text) == ["licence text"]
    assert not is_licence("A work may be copied without warranty. " + WORDS)


def test_a_german_licence_is_dropped():
    text = (
        "Weitergabe und Nutzung im Quelltext oder als Binärdatei sind erlaubt, sofern der obige Urheberrechtsvermerk "
        "erhalten bleibt. Die Software wird ohne jegliche Garantie bereitgestellt; in keinem Fall haften die Autoren."
    )
    assert reasons(text) == ["licence text"]
    assert not is_licence("Das Gerät wird ohne jegliche Garantie verkauft. " + WORDS)


@pytest.mark.parametrize(
    "text",
    [
        "The vessel reports its draught to the harbour master before it enters.",
        "(2) each person who holds a permit under subsection (a) of this section; and",
        "Судно сообщает капитану порта о своей осадке до входа в гавань.",
        "تبلغ السفينة مدير الميناء بغاطسها قبل دخولها إلى الميناء.",
        "船只在进港前向港口管理员报告吃水深度。",
        "जहाज बंदरगाह में प्रवेश करने से पहले अपनी गहराई बताता है।",
        "선박은 입항하기 전에 항만 관리자에게 흘수를 보고한다.",
    ],
)
def test_a_sentence_of_any_script_is_prose(text):
    assert is_prose(text)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("unit", ["`", "[a](", "[", "*", "<a "])
def test_a_run_of_marks_is_read_in_linear_time(unit):
    """In quadratic time these would take hours."""
    assert not is_prose(unit * 500_000)


def test_a_table_with_sentences_is_prose():
    cell = "Converts the string to all lower case, by the rules of the database."
    drawn = "+---+--------------------------------+\n| a | Converts the string to all     |\n"
    drawn += "|   | lower case, by the rules.      |\n+---+--------------------------------+"
    assert prose_share(f"| `lower` | {cell} |\n| --- | --- |\n| `upper` | {cell} Or upper? |") > 0.8
    assert prose_share(drawn) > 0.8


def test_a_table_of_names_or_of_one_remark_is_no_prose():
    name = "electricity production, photovoltaic, 3kWp slanted-roof installation, single-Si, laminated, integrated"
    names = [
        name,
        f"{name}, EURO4",
        "market for {GLO}, treatment of residual material, landfill, Alloc Def, S",
        f"Treatment of {'all the ' * 12}residual material \\| Alloc Def.",
    ]
    for at, cell in enumerate(names):
        assert prose_share("| a | b |\n| --- | --- |\n" + f"| {cell} | {at} |\n" * 3) == 0, cell
    remark = "Near-term forcers have been excluded due to uncertainty."
    rows = "".join(f"| flow number {at} | {remark} |\n" for at in range(20))
    assert prose_share(f"| flow | remark |\n| --- | --- |\n{rows}") < 0.1


def test_a_short_document_and_an_endless_word_are_dropped_with_their_reasons():
    assert reasons("Too little.") == ["too short"]
    assert reasons("x" * 2000) == ["too long"]


def test_explained_code_is_kept():
    assert reasons(f"{WORDS * 4}\n\n{CODE}") == []


def test_the_smallest_may_not_exceed_the_largest():
    with pytest.raises(ValidationError, match="min_chars"):
        Options(max_chars=200, min_chars=300)


def test_no_rows_in_no_rows_out():
    outcome = chunk(pa.Table.from_pylist([], schema=DOCUMENTS), Options(), CONTEXT)
    assert len(outcome.kept) == len(outcome.dropped) == 0


def test_the_language_reference():
    from pydoc_data.topics import topics

    kept, dropped = passages(*topics.values())
    assert len(kept) > 300 and len(dropped) < 60
    assert any(row["text"].startswith("String and Bytes literals") for row in dropped)  # a grammar
    assert any("str.casefold()" in row["text"] for row in kept)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    """A tokenizer of words, pieces of words and signs, in which a word at the start of a text is two tokens."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    alphabet = pre_tokenizers.ByteLevel.alphabet()
    vocabulary = {sign: number for number, sign in enumerate(sorted(alphabet))}
    merges = [("Ġ", "t"), ("Ġt", "h"), ("Ġth", "e"), ("a", "n"), ("Ġ", "an"), ("i", "n"), ("e", "r")]
    for left, right in merges:
        vocabulary[left + right] = len(vocabulary)
    tokens = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokens.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    tokens.save(str(path))
    return str(path), lambda text: len(tokens.encode(text).ids)


@given(text=TEXTS, longest=st.integers(60, 300), shortest=st.integers(1, 60))
def test_in_tokens_the_spans_hold_the_document_and_none_is_too_long(tokenizer, text, longest, shortest):
    path, count = tokenizer
    kept, dropped = passages(text, max_tokens=longest, min_tokens=shortest, tokenizer=path)
    rows = sorted(kept + dropped, key=lambda row: row.get("index") or 0)
    if text.strip():
        edges = [0, *(edge for row in rows for edge in (row["start"], row["end"])), len(text)]
        assert edges == sorted(edges)
        assert all(not text[left:right].strip() for left, right in zip(edges[::2], edges[1::2], strict=True))
        assert all(count(row["text"]) <= longest for row in kept)
        assert all(count(row["text"]) > longest for row in dropped if row["reason"] == "too long")


@given(text=TEXTS, longest=st.integers(200, 400), share=st.floats(0.1, 0.5))
def test_an_overlap_repeats_whole_sentences_and_is_bounded(text, longest, share):
    overlap = int(longest * share)
    options = {"min_chars": 1, "min_prose": 0}
    kept, dropped = passages(text, max_chars=longest, overlap=overlap, **options)
    dropped = [row for row in dropped if row["text"]]
    rows = sorted(kept + dropped, key=lambda row: row["index"])
    assert all(len(row["text"]) <= longest or row["reason"] == "too long" for row in dropped)
    assert all(len(row["text"]) <= longest for row in kept)
    for before, row in itertools.pairwise(rows):
        assert before["start"] < row["start"] or row["start"] >= before["end"]
        assert before["end"] - row["start"] <= overlap
        assert row["end"] > before["end"]


def test_an_overlap_stays_within_its_section_and_begins_with_a_sentence():
    sentences = [f"Berth {number} is assigned to the vessel that reported first. " for number in range(12)]
    text = f"# One\n\n{''.join(sentences)}\n\n# Two\n\n{''.join(sentences)}"
    rows, _ = passages(text, max_chars=300, min_chars=50, overlap=80)
    later = [row for row in rows[1:] if "# Two" not in row["text"]]
    assert all(row["text"].startswith("Berth") for row in later)
    starts = {row["start"] for row in rows}
    ends = {row["end"] for row in rows}
    repeated = [row for row in later if row["start"] - 1 not in ends and row["start"] not in ends]
    assert len(repeated) == len(later) and starts
    (second,) = (row for row in rows if "# Two" in row["text"])
    assert second["text"].startswith("# Two")


def test_a_table_is_not_cut_by_an_overlap():
    table = "\n".join(["| berth | vessel |", "| --- | --- |", *(f"| {n} | vessel {n} |" for n in range(8))])
    text = f"{WORDS * 2}\n\n{table}\n\n{WORDS * 3}"
    rows, _ = passages(text, max_chars=400, min_chars=50, min_prose=0, overlap=200)
    for row in rows:
        assert row["text"].count("| berth |") == row["text"].count("| 7 |")


@pytest.mark.parametrize(
    "options",
    [
        {"max_tokens": 100, "max_chars": 500},
        {"tokenizer": "bundled"},
        {"min_tokens": 10},
        {"max_tokens": 100, "min_tokens": 200},
        {"overlap": 900},
    ],
)
def test_bounds_that_contradict_each_other_are_refused(options):
    with pytest.raises(ValidationError):
        Options(**options)


def test_an_overlap_does_not_cross_a_heading():
    text = "First of all.\n\n## Part\n\nSecond one.\n\nThird one."
    before, after = text.index("Third") - 2, text.index("Third")
    spans = [Span(0, before, ("T",)), Span(after, len(text), ("T",))]
    _, extended = overlapping(text, spans, 1000, in_characters(text))
    assert text[extended.start :].startswith("Second one.")


CODE = "def burn(lamp):\n    lamp.wick = 'The keeper wound the clock, and lit the lamp at dusk.'\n    return lamp\n\n"


def test_the_rest_of_a_block_of_code_is_not_prose():
    output = "\n".join([WORDS.strip()] * 60)
    kept, dropped = passages(f"```\n{output}\n```\n")
    assert not kept and len(dropped) > 1
    assert {row["reason"] for row in dropped} == {"not prose"}


def test_prose_after_a_block_of_code_counts():
    (last,) = [text for text in texts_of(f"```\n{CODE * 15}```\n\n{WORDS * 9}") if WORDS in text]
    assert last in {row["text"] for row in passages(f"```\n{CODE * 15}```\n\n{WORDS * 9}")[0]}


def test_code_is_cut_between_its_functions():
    inner = texts_of(f"```python\n{CODE * 40}```\n")[1:]
    assert inner and all(text.startswith("def burn") for text in inner)


@pytest.mark.parametrize(
    "unit",
    [
        "Unsubscribe https://lamps.example.org/asm/unsubscribe/user/mMBJbzKMnaKBeUBWarsbaeEepidehOLtiXGqoMDAwdTAw",
        "value_blob value_bytes value_double value_frombind value_int value_nochange value_numeric_type value_pointer",
        "usr/share/doc/lamps/changelog usr/share/doc/lamps/copyright usr/share/doc/lamps/examples/wicks/README",
    ],
)
def test_addresses_and_names_are_not_prose(unit):
    assert not is_prose(unit)
    assert is_prose(f"{WORDS} See https://lamps.example.org/wicks for set_wick and unset_wick.")


def test_lines_of_base64_are_not_prose():
    line = "anYkp7iMopnWhkSpJdKtfWHuzLaEeHfqLcTwRbNmXzGyUoKiPdVsFgJhQlCx"
    assert not is_prose(f"{line}\n{line}/+vdFGh\n{line}==")
    assert is_prose(f"{WORDS * 3}The key of the lamp is {line}.")


def test_a_cell_with_pages_of_text_is_cut_between_sentences():
    table = f"| Instructions |\n| --- |\n| {WORDS * 60}|"
    texts = texts_of(table)
    assert len(texts) > 2 and all(text.startswith("The harbour") for text in texts[1:-1])
    assert "".join("".join(texts).split()) == "".join(table.split())


PIECES = st.sampled_from(
    [
        *"{}<$#% `\n.;,)_/é漢ÉŘ٣",
        "::=",
        ">>> ",
        "http:",
        "https://a.b",
        "ftp:x",
        "mailto:a",
        "WORDS ",
        "a sentence of words ",
    ]
)


@given(st.lists(PIECES, max_size=12).map("".join))
@example("# a sentence of words a sentence of words.")
@example("% a sentence of words a sentence of words.")
@example(8 * "a sentence of words " + "}")
@example("a sentence of words a sentence of words ftp:" + 200 * "1" + " .")
def test_prose_is_what_the_regular_expressions_define(unit):
    words = prose.INLINE_CODE.sub(" x ", unit)
    words = prose.URL.sub(" ", words)
    kinds = words.translate(prose.CLASSES)
    letters = sum(map(kinds.count, "luo")) + prose.IDEOGRAPH * kinds.count("w")
    known = letters + kinds.count(".")
    expected = letters >= prose.SENTENCE and letters >= prose.MIN_LETTERS * known
    expected = expected and not re.search(r"::=|>>> |\A[{}<]|[{}]\Z|\A[$#%] ", unit)
    expected = expected and sum(map(len, prose.NAMES.findall(words))) <= prose.MAX_NAMES * known
    expected = expected and kinds.count("u") <= prose.MAX_CAPITALS * sum(map(kinds.count, "luow"))
    assert is_prose(unit) == bool(expected and (letters >= prose.CLAUSE or prose.ENDS.search(unit)))


PHRASES = [
    "without warranty",
    "Warranties of MERCHANTABILITY",
    "in no event shall",
    "Alle Rechte vorbehalten",
    "“as is”",
    "and",
]


@given(st.lists(st.lists(st.sampled_from(PHRASES), max_size=4).map(" ".join), max_size=4))
def test_every_licence_is_in_a_document_that_mentions_licences(texts):
    mentioned = mention_licences(pa.chunked_array([texts], pa.string()))
    assert mentioned == [licences().search(text.lower()) is not None for text in texts]


def test_a_note_stays_with_the_paragraph_that_refers_to_it():
    paragraph = "The lamp burns all night, and the keeper of it sleeps until the morning comes. " * 3
    text = f"{paragraph}\n\n{paragraph[:-1]}[1]\n\n[1] As Argand has it.\n\n{paragraph}"
    for longest in (300, 520, 560, 600):
        (kept,) = (
            text[span.start : span.end]
            for span in cut(text, longest, 100)
            if "As Argand" in text[span.start : span.end]
        )
        assert not kept.startswith("[1]")
