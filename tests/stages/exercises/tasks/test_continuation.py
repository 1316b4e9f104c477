"""Continuation: the answer is the next sentence of the passage, and no model is used."""

import pytest

from datagen.stages.generate.instruct import stage
from tests.support.asked import ask
from tests.support.written import passage

FIRST = "The mint of Ruritania strikes copper coins in autumn."
SECOND = "Its furnaces need the water of the river."
TEXT = f"""\
{FIRST}
{SECOND}

The archive of Borduria keeps 300 maps of the river.

    a ::= b
"""


def no_model(request):
    raise AssertionError(request.task)


@pytest.mark.slow
def test_the_answer_is_the_next_sentence_of_the_block():
    kept, dropped, requests = ask(stage, [passage(TEXT)], no_model, tasks=["continuation"])
    (pair,) = kept
    assert FIRST in pair["question"]
    assert (pair["answer"], pair["evidence"], pair["context"]) == (SECOND, SECOND, TEXT)
    assert (dropped, requests, pair["lineage"]["requests"]) == ([], [], [])


def test_a_passage_with_one_sentence_per_block_has_no_continuation():
    apart = TEXT.replace(SECOND, "")
    kept, dropped, _ = ask(stage, [passage(apart)], no_model, tasks=["continuation"])
    assert (kept, [row["reason"] for row in dropped]) == ([], ["nothing to quote"])


def test_a_cross_reference_is_not_an_answer():
    pointing = TEXT.replace(SECOND, "See the chapter on furnaces for details.")
    assert ask(stage, [passage(pointing)], no_model, tasks=["continuation"])[0] == []


def test_continuation_is_drawn_like_other_tasks_and_only_within_the_sample():
    rows = [passage(f"{TEXT}\nNumber {number}.") for number in range(60)]
    options = {"tasks": ["continuation", "summary"], "per_passage": 1, "share": 0.5}
    kept, dropped, requests = ask(stage, rows, lambda _: '{"summary": ["No."]}', **options)
    made = {row["lineage"]["passage_id"] for row in kept}
    asked = {request.row for request in requests}
    assert 5 < len(made) < 30
    assert not made & asked
    outside = [row for row in dropped if row["reason"] == "outside the sample"]
    assert len(made) + len(asked) + len(outside) == len(rows)
