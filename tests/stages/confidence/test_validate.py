"""Rows that can be done again score high, rows that cannot score low."""

import pytest

from datagen.errors import UserError
from datagen.schema import EXAMPLES
from datagen.stages.confidence.validate import stage
from tests.support.asked import ask
from tests.support.rows import example

PASSAGE = "The beacon on the mole was lit with whale oil until 1931. It was built of granite."
BOTH = ["solve", "regenerate"]


def row(answer="whale oil", **fields):
    asked = {"question": "What was the beacon lit with until 1931?", "context": PASSAGE}
    return example(answer=answer, **asked | {"evidence": PASSAGE[:57]} | fields)


def model(request):
    return "whale oil" if request.task == "solve" else "What was the beacon on the mole lit with until 1931?"


def scores(given, said=model, **options):
    (kept,), dropped, requests = ask(stage, [given], said, **options)
    assert not dropped
    return kept, requests


def test_what_can_be_done_again_scores_high_and_what_cannot_low():
    right, requests = scores(row(), validators=BOTH)
    assert [one.task for one in requests] == BOTH
    assert right["solve"] == 1
    assert right["regenerate"] > 0.8
    wrong, _ = scores(row("granite", question="Of what was it built?"), validators=BOTH)
    assert wrong["solve"] == 0
    assert wrong["regenerate"] < 0.5


def test_the_question_is_not_shown_where_it_is_to_be_written_nor_the_answer_where_it_is_to_be_found():
    given = row("with oil of whales", question="How did they light it?")
    _, (solve, regenerate) = scores(given, validators=BOTH)
    assert "oil of whales" not in str(solve.messages)
    assert "How did they" in str(solve.messages)
    assert "oil of whales" in str(regenerate.messages)
    assert "How did they" not in str(regenerate.messages)


@pytest.mark.parametrize("said", [{"text": "", "finish": "error"}, {"text": "whale", "finish": "length"}])
def test_an_answer_that_failed_scores_nothing(said):
    assert scores(row(), lambda request: said)[0]["solve"] is None


def test_a_row_without_a_passage_is_not_asked_about():
    for given in (row(context=None, evidence=None), row(None), row(question=None)):
        kept, requests = scores(given, validators=BOTH)
        assert requests == []
        assert (kept["solve"], kept["regenerate"]) == (None, None)


OWN = """
from datagen.request import Request
from datagen.stages.confidence.validate import Validator

def ask(row, context):
    messages = [{"role": "user", "content": "Spell it: " + row["answer"]}]
    return Request(row=row["id"], messages=messages, prompt="own", prompt_hash="0", task="any")

spelling = Validator("spelling", ask, lambda row, said: float(said == row["answer"]))
answer = Validator("answer", ask, lambda row, said: 1.0)
text = "a text"
"""


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    return {"file": tmp_path / "recipe.yaml"}


def test_a_validator_of_ones_own(recipe):
    kept, _ = scores(row(), lambda request: "whale oil", recipe=recipe, validators=["./own.py:spelling"])
    assert kept["spelling"] == 1


@pytest.mark.parametrize(
    "uses, said",
    [
        (["./own.py:absent"], "cannot be loaded"),
        (["./own.py:text"], "is a str, not a validator"),
        (["./own.py:answer"], "a column 'answer' already"),
        (["solve", "solve"], "a column 'solve' already"),
    ],
)
def test_what_is_no_validator_is_said(recipe, uses, said):
    with pytest.raises(UserError, match=said):
        scores(row(), recipe=recipe, validators=uses)


def test_nothing_but_columns_is_added():
    before = row()
    kept, _ = scores(before, validators=BOTH)
    assert {name: kept[name] for name in EXAMPLES.names if name != "lineage"} == {
        name: before.get(name) for name in EXAMPLES.names if name != "lineage"
    }
