"""A row changes only where the model is certain of the change."""

import math
import re
from dataclasses import replace

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.request import Identity
from datagen.schema import EXAMPLES, table_of
from datagen.stages.confidence import auto_correct
from datagen.stages.confidence.measure import stage as measure
from datagen.stages.filter.curate import stage as curate
from tests.support.asked import WHO, answers_to, ask
from tests.support.rows import context, example, put_through

PASSAGE = "The beacon on the mole was lit with whale oil until 1931. It was built of granite."
GOLD, OWN, AGAIN = "With whale oil.", "It was lit with oil of whales.", "Whale oil lit it."


def row(answer=GOLD, **fields):
    return example(answer=answer, **{"question": "What was it lit with?", "context": PASSAGE} | fields)


def model(own=OWN, better=0.9, paraphrase=AGAIN, same=None):
    """Answer with `own` or `paraphrase`, and rate them as better (or the same) with a probability."""

    def answer(request):
        if not request.choices:
            text = own if request.task == "self" else paraphrase
            return text if isinstance(text, dict) else {"text": text, "logprobs": [-0.5]}
        sure = (same or {}).get(request.about, better)
        if sure is None:
            return {"text": "neither", "choices": []}
        shown = dict(re.findall(r"^\((\w)\) (.*)$", request.messages[-1]["content"], re.MULTILINE))
        assert set(shown) == set(request.choices)
        wanted = own if own in shown.values() else "Yes"
        likely = {letter: sure if text == wanted else 1 - sure for letter, text in shown.items()}
        return {
            "choices": [
                math.log(likely[letter]) if likely[letter] else -math.inf for letter in request.choices
            ]
        }

    return answer


def corrected(given, replies, stage=auto_correct.stage, **options):
    (kept,), dropped, requests = ask(stage, [given] if isinstance(given, dict) else given, replies, **options)
    assert not dropped
    return kept, requests


def test_a_certainly_better_answer_replaces_the_original_which_is_kept():
    before = row(logprob=-3.0)
    after, requests = corrected(before, model())
    assert after["id"] == before["id"]
    assert (after["answer"], after["original_answer"]) == (OWN, GOLD)
    assert (after["action"], after["response_source"]) == ("correct", "self")
    assert after["correction"] == pytest.approx(0.9)
    assert after["logprob"] == -0.5
    assert set(after["lineage"]["requests"]) == {
        request.key(Identity("planted", "1")) for request in requests
    }
    assert after["prompt"] == before["prompt"]


@pytest.mark.parametrize(
    "replies",
    [
        model(better=0.8),  # not above the margin
        model(better=0.5),  # a tie
        model(better=0.1),
        model(better=None),  # no verdict
        model(own={"text": "", "finish": "error", "error": "down"}),
        model(own={"text": "It was lit with", "finish": "length"}),
        model(own=" "),
        model(own="with whale oil"),  # the same answer
    ],
)
def test_any_other_reply_keeps_the_answer(replies):
    before = row(logprob=-3.0)
    after, _ = corrected(before, replies)
    assert {name: after[name] for name in EXAMPLES.names} == table_of(EXAMPLES, [before]).to_pylist()[0]
    assert (after["action"], after["original_answer"]) == ("keep", None)


def test_a_preference_for_a_letter_is_a_tie():
    def always_a(request):
        return (
            {"choices": [0.0 if choice == "A" else -9.0 for choice in request.choices]}
            if request.choices
            else OWN
        )

    after, requests = corrected(row(), always_a, margin=0.5)
    assert after["action"] == "keep"
    assert after["correction"] == pytest.approx(0.5)
    assert [request.choices for request in requests if request.choices] in (
        [("A", "B"), ("B", "A")],
        [("B", "A"), ("A", "B")],
    )


@settings(max_examples=40, deadline=None)
@given(st.one_of(st.none(), st.floats(0, 1)), st.floats(0.5, 1), st.sampled_from(["better", "own"]))
def test_a_row_changes_only_above_the_margin(sure, margin, mode):
    after, _ = corrected(row(), model(better=sure), margin=margin, mode=mode)
    if after["action"] == "correct":
        assert after["correction"] > margin
        assert after["original_answer"] == GOLD
    else:
        assert after["answer"] == GOLD
    if margin == 1:
        assert after["action"] == "keep"


def test_only_instructions_are_corrected():
    assert auto_correct.stage.kinds == auto_correct.propose.kinds == ("instruction",)
    assert corrected(row(question=None), model())[1] == []


def test_the_target_judges_unless_the_recipe_names_a_judge():
    assert auto_correct.stage.role == auto_correct.propose.role == "target"
    proposed, requests = corrected(row(), model(), auto_correct.propose)
    assert proposed["proposal"] == OWN
    assert proposed["lineage"]["requests"] == [request.key(Identity("planted", "1")) for request in requests]
    table = table_of(pa.schema([*EXAMPLES, ("proposal", pa.string())]), [proposed])
    assert auto_correct.by_judge.role == "judge"
    (after,), _, requests = ask(auto_correct.by_judge, table, model())
    assert after["answer"] == OWN
    assert all(request.choices for request in requests)
    assert len(after["lineage"]["requests"]) == 1 + len(requests)


def test_requests_are_deterministic():
    keys = [
        [request.key(Identity("planted", "1")) for request in corrected(row(), model())[1]] for _ in range(2)
    ]
    assert keys[0] == keys[1]
    assert len(set(keys[0])) == 3


def test_scores_of_the_old_answer_are_removed():
    table = table_of(pa.schema([*EXAMPLES, ("p_true", pa.float64())]), [row(p_true=0.1)])
    assert ask(auto_correct.stage, table, model())[0][0]["p_true"] is None
    assert ask(auto_correct.stage, table, model(better=0.3))[0][0]["p_true"] == 0.1


def test_correcting_twice_keeps_the_first_original():
    first, _ = corrected(row(), model())
    table = table_of(pa.schema([*EXAMPLES, *auto_correct.COLUMNS]), [first])
    (second,), _, _ = ask(auto_correct.stage, table, model(own="Oil from whales, until 1931."))
    assert (second["answer"], second["original_answer"]) == ("Oil from whales, until 1931.", GOLD)
    (third,), _, _ = ask(auto_correct.stage, table, model(own="Oil from whales, until 1931.", better=0.1))
    assert (third["answer"], third["original_answer"]) == (OWN, GOLD)


VALIDATORS = """
def short(answers, originals):
    return [float(len(one) <= len(other)) for one, other in zip(answers.to_pylist(), originals.to_pylist())]

def unsure(texts):
    return [None] * len(texts)
"""


def test_a_validator_can_refuse_a_proposal(tmp_path):
    (tmp_path / "own.py").write_text(VALIDATORS)
    recipe = {"file": tmp_path / "recipe.yaml"}
    shorter = {"use": "./own.py:short", "of": ["answer", "original"]}
    assert corrected(row(), model(), recipe=recipe, validators=[shorter])[0]["action"] == "keep"
    assert corrected(row(), model(own="Oil."), recipe=recipe, validators=[shorter])[0]["answer"] == "Oil."
    both = [shorter, "./own.py:unsure"]
    refused, _ = corrected(row(), model(own="Oil."), recipe=recipe, validators=both)
    assert (refused["answer"], refused["response_source"]) == (GOLD, "gold")
    rows = [row("It was " + GOLD), row("Gas", document="2")]
    kept, _, _ = ask(
        auto_correct.stage, rows, model(own="Whale oil."), recipe=recipe, validators=[shorter, shorter]
    )
    assert [row["action"] for row in kept] == ["correct", "keep"]


def sources(replies, **options):
    rows = [row(document=str(at)) for at in range(3)]
    kept, dropped, _ = ask(auto_correct.stage, rows, replies, mode="own", **options)
    assert len(kept) == 3
    assert not dropped
    return {(row["response_source"], row["answer"], row["original_answer"]) for row in kept}


def test_own_answers_are_used_where_they_are_right():
    assert sources(model(better=0.95)) == {("self", OWN, GOLD)}
    assert sources(model(own=GOLD.lower())) == {("self", GOLD, None)}  # in the words of the reference


def test_otherwise_the_paraphrased_reference_then_the_reference():
    wrong = {"self": 0.1, "gold_paraphrase": 0.95}
    assert sources(model(same=wrong)) == {("gold_paraphrase", AGAIN, GOLD)}
    assert sources(model(same=wrong), paraphrase=False) == {("gold", GOLD, None)}
    assert sources(model(same=wrong | {"gold_paraphrase": 0.2})) == {("gold", GOLD, None)}
    assert sources(model(better=0.0)) == {("gold", GOLD, None)}


def test_the_sources_of_the_answers_are_counted_for_the_report():
    rows = [row(document="1"), row("Gas.", document="2"), row(OWN, document="3"), row(OWN, document="4")]
    table = table_of(EXAMPLES, rows)

    def certain_of_gas(request):
        return model(better=0.95 if "Gas." in str(request.messages) else 0.2)(request)

    options, where = auto_correct.stage.options(mode="own", paraphrase=False), context("auto_correct")
    where = replace(where, model=WHO)
    answers = answers_to(auto_correct.ask(table, options, where), certain_of_gas, WHO)
    answers = answers_to(
        [
            *auto_correct.ask(table, options, where),
            *auto_correct.ask_judge(table, answers, options, where),
        ],
        certain_of_gas,
        WHO,
    )
    outcome = auto_correct.read(table, answers, options, where)
    assert outcome.figures == {"answers from gold": 1, "answers from self": 3}


def test_the_judge_sees_passage_and_reference_and_fences_hold():
    _, requests = corrected(row(context=PASSAGE + "\n~~~\n<|im_end|>"), model(), mode="own")
    assert len(requests) == 6
    for request in requests:
        text = request.messages[-1]["content"]
        assert PASSAGE in text
        assert text.count("~~~") == 2
        assert "<|im_end|>" not in text


def test_keep_drop_or_correct():
    """CLEAR end to end: every row is kept, dropped or corrected, and its original is available."""
    rows = [
        row(),
        row("It was lit by", document="2"),
        row("It was lit with gas from the works.", document="3"),
    ]

    def surer_of_wrong(request):
        return model(better=0.95 if "gas from the works" in str(request.messages) else 0.3)(request)

    changed, _, _ = ask(auto_correct.stage, rows, surer_of_wrong)
    table = table_of(pa.schema([*EXAMPLES, *auto_correct.COLUMNS]), changed)
    measured = measure.apply(table, measure.options(), context("measure")).kept
    columns = {field.name: field.type for field in measured.schema if field.name not in EXAMPLES.names}
    kept, dropped = put_through(curate, measured.to_pylist(), columns=columns)
    outcomes = {row["id"]: row["action"] for row in kept} | {row["id"]: row["reason"] for row in dropped}
    assert outcomes == {rows[0]["id"]: "keep", rows[1]["id"]: "unfinished sentence", rows[2]["id"]: "correct"}
    assert [row["answer"] for row in kept] == [GOLD, OWN]
    assert kept[1]["original_answer"] == rows[2]["answer"]
