"""Proposed headings: which are accepted, where they are written, and that every passage has a place."""

import json

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.schema import TABLES, content_id, table_of
from datagen.stages.reading.outline_pairs import stage as outline_pairs
from datagen.stages.shared.segment.headings import heads, places
from datagen.stages.sources.propose_headings import AT_ONCE, Options, bare, parts, stage
from tests.support.asked import WHO, answers_to, ask
from tests.support.rows import context

STYLE = {"places": ["{tree}\n@{path}"]}
TEXTS = [
    "The queen leaves the hive before noon. Her flight takes an hour, and the keeper waits for her at the entrance.",
    "A swarm hangs in a tree for a day. Scouts look for a hollow trunk and dance when they have found one.",
    "Honey is spun in August. The frames are uncapped with a fork and put into the drum of the extractor.",
    "Wax is melted over water. It rises to the top, and dirt stays at the bottom of the pot.",
    "In winter the bees sit close together. They eat what they have stored and keep the queen warm.",
    "Mites are counted on a board below the hive. More than ten a day are too many for the colony.",
]
HEADINGS = [
    "Flight of the queen",
    "Swarm and scouts",
    "Spun honey",
    "Melted wax",
    "Bees in winter",
    "Counted mites",
]
SECTIONS = [
    {"first": 1, "name": "Queen and swarm"},
    {"first": 3, "name": "Honey and wax"},
    {"first": 5, "name": "Winter"},
]


def passage(text, number=0, document="d", title="Keeping Bees", section=""):
    row = {
        "document_id": document,
        "source": "s",
        "title": title,
        "section": section.split(" > ") if section else [],
        "text": text,
        "start": 0,
    }
    return row | {"id": content_id(text, document, str(number)), "end": len(text), "index": number}


BOOK = [passage(text, number) for number, text in enumerate(TEXTS)]


def writer(headings=HEADINGS, sections=SECTIONS):
    def write(request):
        if request.task == "sections":
            return json.dumps({"sections": sections})
        (number,) = [number for number, text in enumerate(TEXTS) if text in request.messages[-1]["content"]]
        return headings[number]

    return write


def outlined(write, rows=BOOK, **options):
    kept, dropped, requests = ask(stage, rows, write, **options)
    assert not dropped
    return [" > ".join(row["section"]) for row in kept], kept, requests


def figures(write, rows=BOOK, **options):
    table, given_, where = table_of(TABLES["passages"], rows), Options(**options), context("outline")
    answers = answers_to(list(stage.ask(table, given_, where)), write, WHO)
    more = list(stage.follow(table, answers, given_, where))
    both = answers_to([*stage.ask(table, given_, where), *more], write, WHO)
    return stage.read(table, both, given_, where).figures


def test_structtuning_a_model_proposes_the_tree_where_there_are_no_headings():
    sections, kept, requests = outlined(writer())
    assert sections == [
        "Queen and swarm > Flight of the queen",
        "Queen and swarm > Swarm and scouts",
        "Honey and wax > Spun honey",
        "Honey and wax > Melted wax",
        "Winter > Bees in winter",
        "Winter > Counted mites",
    ]
    passages = [row | {"section": [], "language": None} for row in BOOK]
    assert [row | {"section": []} for row in kept] == passages  # nothing else is changed
    assert places(kept)[BOOK[2]["id"]] == ("Keeping Bees", "Honey and wax", "Spun honey")
    assert "│  ├─ Spun honey ◀" in heads(kept, STYLE, 0)[BOOK[2]["id"]]
    assert [request.task for request in requests] == ["heading"] * 6 + ["sections"]
    assert "2. Swarm and scouts" in requests[-1].messages[-1]["content"]


def test_structtuning_pairs_walk_the_proposed_tree():
    _, kept, _ = outlined(writer())
    made = outline_pairs.apply(
        table_of(TABLES["passages"], kept), outline_pairs.options(), context("outline_pairs")
    )
    located = {row["question"]: row["answer"] for row in made.kept.to_pylist() if row["task"] == "locate"}
    assert any("Spun honey" in asked and "Spun honey ◀" in answer for asked, answer in located.items())


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("", "empty"),
        ("Flight of the queen before noon and back within an hour", "too_long"),
        ("The queen leaves the hive before noon.", "a_sentence"),
        ("Where does the queen go?", "a_sentence"),
        ("The queen has left the hive", "a_sentence"),
        ("Flight of the queen from the", "unfinished"),
        ("It and the hive", "depends_on_earlier_text"),
        ("Heading: the queen", "template_leftover"),
        ("{{ heading }}", "template_leftover"),
        ("Queen > hive", "template_leftover"),
        ("A table of contents", "prompt_echo"),
        ("Taxation of foreign income", "not_about_the_passage"),
        ("Flight of 12 queens", "number_not_in_passage"),
        ("hive hive hive", "repetition_loop"),
        ({"text": "Flight of the", "finish": "length"}, "truncated"),
        ({"text": "", "finish": "error", "error": "died"}, "engine_error"),
    ],
)
def test_a_rejected_heading_is_counted_and_the_passage_keeps_the_place_by_rule(said, reason):
    rows = [*BOOK[1:], BOOK[0]]
    write = writer([said, *HEADINGS[1:]])
    sections, kept, _ = outlined(write, rows, sections=0)
    assert sections == [*HEADINGS[1:], ""]
    assert figures(write, rows, sections=0) == {"headed": 5, f"unheaded_{reason}": 1}
    assert places(kept)[BOOK[0]["id"]] == ("Keeping Bees", "The queen leaves the hive before noon. Her…")


def test_a_heading_that_repeats_the_title_is_rejected():
    rows = [row | {"title": "The queen and her swarm"} for row in BOOK[:2]]
    assert outlined(writer(["The queen", "Scouts in a hollow tree"]), rows)[0] == [
        "",
        "Scouts in a hollow tree",
    ]


def test_a_heading_given_to_several_passages_is_rejected():
    rows = [row | {"text": f"{row['text']} Bees sleep."} for row in BOOK[:3]]
    proposals = writer(["Sleep of bees", "sleep of bees", "Spun honey"])
    assert outlined(proposals, rows)[0] == ["", "", "Spun honey"]
    assert figures(proposals, rows) == {"headed": 1, "unheaded_given_to_several_passages": 2}


def test_marks_and_numbers_around_a_heading_are_removed():
    proposals = ['## **Flight** of the "queen"', "2. Swarm and scouts,", '"Spun honey"', *HEADINGS[3:]]
    assert outlined(writer(proposals), sections=0)[0] == ['Flight of the "queen"', *HEADINGS[1:]]


@pytest.mark.parametrize(
    ("sections", "reason"),
    [
        ([{"first": 2, "name": "Honey"}, {"first": 3, "name": "Winter"}], "sections_out_of_order"),
        ([{"first": 1, "name": "Queen"}, {"first": 9, "name": "Winter"}], "sections_out_of_order"),
        ([{"first": 1, "name": "Queen"}, {"first": 1, "name": "Winter"}], "sections_out_of_order"),
        (
            [{"first": n + 1, "name": heading} for n, heading in enumerate(HEADINGS)],
            "a_section_for_each_heading",
        ),
        ([{"first": 1, "name": "Hive"}, {"first": 5, "name": "Hive"}], "given_to_several_sections"),
        ([{"first": 1, "name": "Queen"}], "unparsable"),
        ([{"first": 1, "name": "Foreign taxes"}, {"first": 3, "name": "Honey"}], "not_about_the_passage"),
    ],
)
def test_rejected_sections_are_counted_and_headings_stay_on_one_level(sections, reason):
    assert outlined(writer(sections=sections))[0] == HEADINGS
    assert figures(writer(sections=sections)) == {"headed": 6, f"unsectioned_{reason}": 6}


def test_a_passage_without_a_heading_is_still_in_its_section():
    sections, kept, requests = outlined(writer(["", *HEADINGS[1:]]))
    assert sections[0] == "Queen and swarm"
    assert "1. The queen leaves the hive before noon. Her…" in requests[-1].messages[-1]["content"]
    assert len(set(places(kept).values())) == len(kept)


def test_documents_with_headings_and_single_titled_passages_get_no_requests():
    headed = [BOOK[0] | {"section": ["Summer"]}, BOOK[1]]
    alone = [passage(TEXTS[2], document="e"), passage(TEXTS[3], document="f", title="")]
    sections, _, requests = outlined(writer(), [*headed, *alone])
    assert sections == ["Summer", "", "", "Melted wax"]
    assert [request.row for request in requests] == [alone[1]["id"]]


def test_sections_are_requested_if_half_of_the_headings_passed():
    for missing, asked in ((3, 1), (4, 0)):
        requests = outlined(writer([""] * missing + HEADINGS[missing:]))[2]
        assert sum(request.task == "sections" for request in requests) == asked


@given(st.integers(1, 300))
def test_a_long_document_is_shown_in_even_parts(count):
    rows = [{"id": str(number)} for number in range(count)]
    groups = list(parts(rows, {row["id"]: "Hive" for row in rows}, Options(sections=2)))
    assert [row for part in groups for row in part] == (rows if count > 1 else [])
    sizes = {len(part) for part in groups}
    assert not sizes or (max(sizes) <= AT_ONCE and max(sizes) - min(sizes) <= 1)


PROPOSED = st.sampled_from([*HEADINGS, "", "Bees", "The queen is here.", "A > B", "{}", "hive " * 9])
GROUPED = st.lists(
    st.fixed_dictionaries(
        {"first": st.integers(-1, 8), "name": st.sampled_from(["Queen", "Bees", "Honey", "", "x > y"])}
    ),
    max_size=4,
)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(PROPOSED, min_size=6, max_size=6),
    GROUPED,
    st.lists(st.sampled_from("de"), min_size=6, max_size=6),
)
def test_structtuning_for_any_proposal_each_passage_has_one_unique_place(said, sections, documents):
    rows = [row | {"document_id": document} for row, document in zip(BOOK, documents, strict=True)]
    _, kept, _ = outlined(writer(said, sections), rows, sections=3)
    assert [row["id"] for row in kept] == [row["id"] for row in rows]
    for document in set(documents):
        by_passage = places([row for row in kept if row["document_id"] == document])
        assert len(set(by_passage.values())) == documents.count(document)
    assert heads(kept, STYLE, 0).keys() == {row["id"] for row in rows}
    asked = sum(len(group) for group in bare(table_of(TABLES["passages"], rows)))
    counted = figures(writer(said, sections), rows, sections=3)
    assert sum(count for name, count in counted.items() if "headed" in name) == asked


def test_an_empty_partition_is_unchanged():
    table = TABLES["passages"].empty_table()
    outcome = stage.read(table, answers_to([], str, WHO), Options(), context("outline"))
    assert outcome.kept.schema == table.schema and isinstance(outcome.kept, pa.Table)
