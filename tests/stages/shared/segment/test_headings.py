"""Places of passages in the heading tree of their document: the properties of StructTuning."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.errors import UserError
from datagen.prompt import load
from datagen.stages.shared.segment.headings import grow, heads, places, propose, show

STYLE = load("reading/layouts").fields
PLAIN = {"places": ["{tree}\n@{path}"]}


def passage(number, section="", text="Bees sleep in winter.", title="Bees", document="d"):
    row = {
        "id": f"p{number}",
        "document_id": document,
        "title": title,
        "section": section.split(" > ") if section else [],
        "text": text,
    }
    return row | {"index": number}


BOOK = [
    passage(0, text="# Bees\n\nWhat this is about."),
    passage(1, "Summer"),
    passage(2, "Summer > Flights"),
    passage(3, "Summer > Hives", "The *first* hive is old, and it stands beside the second one."),
    passage(4, "Summer > Hives", "The second hive is new."),
    passage(5, "Winter"),
]


def test_structtuning_the_tree_is_built_from_the_headings_of_the_corpus():
    assert grow(places(BOOK).values()) == {
        "Bees": {
            "Summer": {
                "Flights": {},
                "Hives": {
                    "The first hive is old, and it stands…": {},
                    "The second hive is new.": {},
                },
            },
            "Winter": {},
        }
    }


def test_structtuning_each_text_starts_with_its_place():
    assert heads(BOOK, PLAIN, 0)["p2"] == (
        "└─ Bees\n   ├─ Summer\n   │  ├─ Flights ◀\n   │  └─ Hives\n   └─ Winter\n@Bees > Summer > Flights"
    )


NAMES = st.sampled_from(["", "A", "B", "A > B", "A > C", " > ", "A >  "])


@given(st.lists(st.tuples(NAMES, st.sampled_from(["", "Bees", "A"]), st.text(max_size=30)), max_size=12))
def test_structtuning_each_passage_has_a_unique_place(parts):
    rows = [passage(n, section, text, title) for n, (section, title, text) in enumerate(parts)]
    place_of = places(rows)
    assert place_of.keys() == {row["id"] for row in rows}
    assert len(set(place_of.values())) == len(rows) and all(all(place) for place in place_of.values())
    tree = grow(place_of.values())
    for place in place_of.values():
        drawn = show(tree, place)
        assert drawn.count(" ◀") == 1 and f"─ {place[-1]} ◀" in drawn
    assert heads(rows, STYLE, 0).keys() == place_of.keys()


def test_a_passage_after_those_below_its_heading_gets_a_place_of_its_own():
    rows = [BOOK[0], BOOK[2], passage(6, "Summer", "Drones sleep."), passage(7, "", "Nothing flies.")]
    in_order = list(places(rows).values())
    assert in_order[2:] == [("Bees", "Summer", "Drones sleep."), ("Bees", "Nothing flies.")]


def test_a_passage_without_headings_is_named_by_its_first_words():
    rows = [passage(n, text=f"The {n}. hive.", title="") for n in (1, 2)]
    assert places(rows) == {"p1": ("The 1. hive.",), "p2": ("The 2. hive.",)}
    assert propose("## Head\n\n```\ncode\n```\n\n- The *item* of [a](b) list") == "- The item of a list"


def test_only_the_nearest_neighbours_are_shown():
    rows = [passage(n, f"Part {n}") for n in range(30)]
    (tree, _) = heads(rows, PLAIN, 0)["p10"].split("\n@")
    assert tree.count("Part") == 7 and tree.count("…") == 2


def test_each_document_has_its_own_tree():
    rows = [passage(0, "Summer"), passage(1, "Winter", document="e")]
    assert "Winter" not in heads(rows, PLAIN, 0)["p0"]


def test_layouts_without_places_are_reported():
    with pytest.raises(UserError, match="places"):
        heads(BOOK, {}, 0)
