"""Reproducible rows score high, others score low."""

import pytest

from datagen.errors import UserError
from datagen.schema import EXAMPLES
from datagen.stages.confidence.validate import stage
from tests.support.asked import ask
from tests.support.rows import example

PASSAGE = "The beacon on the mole was lit with whale oil until 1931. It was built of granite."
BOTH = ["solve", "regenerate"]


def row(answer="whale oil", **fields):
    defaults = {
        "question": "What was the beacon lit with until 1931?",
        "context": PASSAGE,
        "evidence": PASSAGE[:57],
    }
    return example(answer=answer, **defaults | fields)


def model(request):
    return "whale oil" if request.task == "solve" else "What was the beacon on the mole lit with until 1931?"


def scores(example_row, model=model, **options):
    (kept,), dropped, requests = ask(stage, [example_row], model, **options)
    assert not dropped
    return kept, requests


def test_reproducible_rows_score_high_and_others_low():
    right, requests = scores(row(), validators=BOTH)
    assert [request.task for request in requests] == BOTH
    assert right["solve"] == 1
    assert right["regenerate"] > 0.8
    wrong, _ = scores(row("granite", question="Of what was it built?"), validators=BOTH)
    assert wrong["solve"] == 0
    assert wrong["regenerate"] < 0.5


def test_prompts_do_not_contain_the_text_to_regenerate():
    example_row = row("with oil of whales", question="How did they light it?")
    _, (solve, regenerate) = scores(example_row, validators=BOTH)
    assert "oil of whales" not in str(solve.messages)
    assert "How did they" in str(solve.messages)
    assert "oil of whales" in str(regenerate.messages)
    assert "How did they" not in str(regenerate.messages)


@pytest.mark.parametrize("reply", [{"text": "", "finish": "error"}, {"text": "whale", "finish": "length"}])
def test_a_failed_completion_has_no_score(reply):
    assert scores(row(), lambda request: reply)[0]["solve"] is None


def test_a_row_without_a_passage_is_not_asked_about():
    for incomplete in (row(context=None, evidence=None), row(None), row(question=None)):
        kept, requests = scores(incomplete, validators=BOTH)
        assert requests == []
        assert (kept["solve"], kept["regenerate"]) == (None, None)


OWN = """
from datagen.request import Request
from datagen.stages.confidence.validate import Validator

def ask(row, context):
    messages = [{"role": "user", "content": "Spell it: " + row["answer"]}]
    return Request(row=row["id"], messages=messages, prompt="own", prompt_hash="0", task="any")

spelling = Validator("spelling", ask, lambda row, completion: float(completion == row["answer"]))
answer = Validator("answer", ask, lambda row, completion: 1.0)
text = "a text"
"""


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    return {"file": tmp_path / "recipe.yaml"}


def test_a_custom_validator_is_used(recipe):
    kept, _ = scores(row(), lambda request: "whale oil", recipe=recipe, validators=["./own.py:spelling"])
    assert kept["spelling"] == 1


@pytest.mark.parametrize(
    "uses, message",
    [
        (["./own.py:absent"], "cannot be loaded"),
        (["./own.py:text"], "is a str, not a validator"),
        (["./own.py:answer"], "the column 'answer' already exists"),
        (["solve", "solve"], "the column 'solve' already exists"),
    ],
)
def test_invalid_validators_are_reported(recipe, uses, message):
    with pytest.raises(UserError, match=message):
        scores(row(), recipe=recipe, validators=uses)


def test_only_columns_are_added():
    before = row()
    kept, _ = scores(before, validators=BOTH)
    assert {name: kept[name] for name in EXAMPLES.names if name != "lineage"} == {
        name: before.get(name) for name in EXAMPLES.names if name != "lineage"
    }
