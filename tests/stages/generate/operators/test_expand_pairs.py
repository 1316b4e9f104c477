"""Pair expansion: new pairs modelled on several others."""

import pytest

from datagen.stages.generate.operators.expand_pairs import stage
from tests.support.asked import ask
from tests.support.pairs import (
    ANSWER,
    LONG_ANSWER,
    OTHER_ANSWER,
    OTHER_QUESTION,
    QUESTION,
    RENEWAL,
    labels,
    parent,
    reply_text,
)

ROWS = [parent(), parent(RENEWAL, LONG_ANSWER, task="how_to")]
PAIR = {"question": OTHER_QUESTION, "answer": OTHER_ANSWER}


def through(*pairs, rows=ROWS, **options):
    return ask(stage, rows, lambda request: reply_text({"pairs": list(pairs)}), **options)


def test_prompts_prefer_pairs_of_other_tasks_and_all_of_them_are_parents():
    rows = [*ROWS, parent("How long may a lease last at most?", "12 years")]
    kept, _, requests = through(PAIR, rows=rows, shown=2)
    asked = {request.row: request.messages[-1]["content"] for request in requests}
    assert RENEWAL in asked[rows[0]["id"]] and QUESTION in asked[rows[0]["id"]]
    assert "at most" not in asked[rows[0]["id"]]
    child = next(row for row in kept if row["lineage"]["parents"][0] == rows[0]["id"])
    assert child["lineage"]["parents"] == [rows[0]["id"], rows[1]["id"]]
    assert child["question"] == OTHER_QUESTION and labels(child)["operator"] == "expand_pairs"


def test_a_pair_is_shown_once_although_two_stages_made_it():
    rows = [*ROWS, parent("How long may a lease last at most?", "12 years")]
    _, _, requests = through(PAIR, rows=[*rows, *rows], shown=4)
    assert len(requests) >= len(rows)
    for request in requests:
        prompt = request.messages[-1]["content"]
        assert [prompt.count(row["question"]) for row in rows] == [1, 1, 1]


def test_count_bounds_the_pairs_of_a_row():
    other = {
        "question": "How often can a standard lease be renewed?",
        "answer": "A standard lease can be renewed twice.",
    }
    kept, _, _ = through(PAIR, other, rows=[parent()], count=1)
    assert [row["question"] for row in kept] == [OTHER_QUESTION]
    kept, _, _ = through(PAIR, other, rows=[parent()], count=2)
    assert len(kept) == 2


@pytest.mark.parametrize(
    ("pair", "reason"),
    [
        (PAIR | {"answer": "  "}, "unparsable or empty"),
        ({"question": QUESTION, "answer": ANSWER}, "repeats its parent"),
        ({"question": RENEWAL, "answer": LONG_ANSWER}, "repeated"),
        (PAIR | {"answer": LONG_ANSWER}, "answer of another question"),
        (PAIR | {"answer": ANSWER}, "answer of another question"),
        (PAIR | {"answer": "A seasonal lease lasts 9 months."}, "number not in passage"),
        (PAIR | {"answer": "Cows graze on hills near every village."}, "not about the passage"),
    ],
)
def test_a_pair_that_is_empty_repeated_or_wrong_is_dropped(pair, reason):
    kept, dropped, _ = through(pair)
    seen = [row["reason"] for row in dropped if row["lineage"]["parents"][0] == ROWS[0]["id"]]
    assert not [row for row in kept if row["lineage"]["parents"][0] == ROWS[0]["id"]]
    assert seen == (["empty"] if "empty" in reason else [reason])


def test_a_hostile_completion_gives_no_pair():
    for reply in ("", "{" * 5000, '{"pairs": []}', '{"pairs": [{"question": "Q?"}]}', '{"pairs": [1]}'):
        kept, dropped, _ = ask(stage, [parent()], lambda _, reply=reply: reply)
        assert not kept and [row["reason"] for row in dropped] == ["unparsable"]


def test_a_child_names_the_models_of_every_pair_in_its_prompt():
    other = parent(RENEWAL, LONG_ANSWER, task="how_to")
    models = [{"model": "elder", "revision": "0", "licence": "closed"}]
    other["lineage"] = other["lineage"] | {"models": models}
    kept, _, _ = through(PAIR, rows=[parent(), other])
    child = next(row for row in kept if row["lineage"]["parents"][0] == parent()["id"])
    assert {model["model"] for model in child["lineage"]["models"]} == {"writer", "elder", "planted"}


def test_a_child_has_the_licences_of_every_record_in_its_prompt():
    first, second = (
        row | {"metadata": f'{{"licence": "{name}"}}'} for row, name in zip(ROWS, "AB", strict=True)
    )
    kept, _, _ = through(PAIR, rows=[first, second])
    assert sorted(labels(row)["licence"] for row in kept) == ["A AND B", "B AND A"]
