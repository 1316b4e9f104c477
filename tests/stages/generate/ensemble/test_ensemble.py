"""Ensemble-Instruct: outputs of several models and their consensus."""

import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.errors import UserError
from datagen.request import Identity
from datagen.schema import EXAMPLES, table_of
from datagen.stages.generate.ensemble.outputs import OUTPUTS, stage
from datagen.stages.generate.ensemble.vote import stage as vote
from datagen.stages.shared.consensus import consensus
from datagen.stages.shared.language.rules import language_of
from datagen.stages.shared.similarity.rouge import rouge_l
from tests.support.asked import ask
from tests.support.pairs import ANSWER, QUESTION, parent
from tests.support.rows import context

EN = language_of("en")
SECOND, THIRD = Identity("second", "1", "MIT"), Identity("third", "2", "other")
SAME = "a standard lease lasts 12 years, and ends in AUTUMN"
NEAR = "A standard lease lasts 12 years and ends in the autumn of the last year."
FAR = "Bananas ripen."
OTHER = "A seasonal lease ends for good after 6 months."


def outputs(*texts, row=None, whos=(SECOND, THIRD)):
    """Have models answer the row; return it with the column of outputs."""
    rows = table_of(EXAMPLES, [row or parent()])
    for text, who in zip(texts, whos, strict=False):
        kept, dropped, _ = ask(stage, rows, lambda _, text=text: text, who=who)
        assert not dropped
        rows = pa.Table.from_pylist(kept, pa.schema([*EXAMPLES, ("outputs", OUTPUTS)]))
    return rows


def voted(*texts, row=None, **options):
    outcome = vote.apply(outputs(*texts, row=row), vote.options(**options), context("consensus"))
    (after,) = [*outcome.kept.to_pylist(), *outcome.dropped.to_pylist()]
    return after


def test_rows_with_and_without_a_passage_use_different_templates():
    _, _, (shown,) = ask(stage, [parent()], lambda _: "x")
    assert shown.prompt == "ensemble/with_input"
    assert parent()["context"] in shown.messages[-1]["content"] and QUESTION in shown.messages[-1]["content"]
    _, _, (bare,) = ask(stage, [parent(context=None)], lambda _: "x")
    assert bare.prompt == "ensemble/without_input" and bare.messages[-1]["content"] == QUESTION
    assert bare.sampling.temperature == 0


def test_every_output_is_kept_with_its_model_and_licence():
    (row,) = outputs(SAME, {"text": FAR, "logprobs": [-1.0, -3.0]}).to_pylist()
    assert [(o["text"], o["model"], o["revision"], o["licence"]) for o in row["outputs"]] == [
        (SAME, "second", "1", "MIT"),
        (FAR, "third", "2", "other"),
    ]
    assert row["outputs"][1]["logprob"] == -2.0 and row["answer"] == ANSWER


@pytest.mark.parametrize(
    ("texts", "winner"),
    [
        ((SAME, FAR), ANSWER),  # o0 = o1
        ((FAR, SAME), ANSWER),  # o0 = o2
        ((NEAR, NEAR), NEAR),  # o1 = o2, not o0
        ((NEAR, "A standard lease lasts 12 years."), ANSWER),  # the largest sum of ROUGE-L
    ],
)
def test_the_rule_of_the_paper_decides(texts, winner):
    row = voted(*texts)
    assert "reason" not in row and row["answer"] == winner
    assert row["original_answer"] == (None if winner == ANSWER else ANSWER)


def test_one_dissimilar_output_prevents_consensus_unless_two_are_equal():
    row = voted(NEAR, FAR)
    assert row["reason"] == "no consensus" and row["answer"] == ANSWER


def test_the_threshold_is_an_option():
    assert "reason" not in voted(NEAR, "A standard lease lasts 12 years.", least=0.5)
    assert voted(NEAR, "A standard lease lasts 12 years.", least=0.7)["reason"] == "no consensus"


def test_the_winner_and_its_licence_are_in_the_lineage():
    row = voted(NEAR, NEAR)
    lineage = row["lineage"]
    assert (lineage["model"], lineage["revision"]) == ("second", "1")
    assert lineage["models"] == [
        {"model": "writer", "revision": "1", "licence": "MIT"},
        {"model": "second", "revision": "1", "licence": "MIT"},
    ]
    assert row["outputs"][0]["request"] in lineage["requests"] and row["id"] == parent()["id"]
    kept = voted(SAME, FAR)["lineage"]
    assert kept["model"] == "writer" and len(kept["models"]) == 1


def test_a_replaced_answer_has_its_material_as_evidence_and_keeps_the_first_original():
    assert voted(NEAR, NEAR)["evidence"] == parent()["context"]  # the quote was that of the old answer
    rows = outputs(NEAR, NEAR).append_column("original_answer", pa.array(["the first"], pa.string()))
    (after,) = vote.apply(rows, vote.options(), context("consensus")).kept.to_pylist()
    assert (after["answer"], after["original_answer"]) == (NEAR, "the first")


def test_a_row_without_an_answer_is_not_asked():
    assert ask(stage, [parent(answer=None)], lambda _: SAME)[2] == []


def test_an_unsound_winner_is_dropped():
    row = voted("A standard lease lasts 99 years.", "A standard lease lasts 99 years.")
    assert row["reason"] == "number not in passage" and row["answer"] == ANSWER


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("A standard lease lasts 6 months.", "another number than the answer"),  # that of a seasonal lease
        ("A standard lease does not last 12 years.", "says the opposite"),
        ("A standard lease lasts 12 years, and the owner may object within 30 days.", None),
        ("A standard lease ends in autumn.", None),
    ],
)
def test_two_models_with_one_error_do_not_outvote_the_answer(text, reason):
    row = voted(text, text)
    assert row.get("reason") == reason and row["answer"] == (ANSWER if reason else text)


CHOICE = {
    "question": "Which of these is it: duty, right, neither? Answer with the class alone.",
    "answer": "duty",
}
FIELDS = {
    "question": "Extract the lease as JSON with the keys term and end.",
    "answer": '{"term": "12 years", "end": "autumn"}',
}
OTHER_FIELDS = '{"term": "12 years", "end": "in autumn"}'


@pytest.mark.parametrize(
    ("pair", "text", "answer"),
    [
        (CHOICE, "Right.", "Right."),
        (CHOICE, "A standard lease lasts 12 years.", None),
        (CHOICE, "obligation", None),
        (CHOICE, "duty, right, neither", None),
        (CHOICE, "", None),
        (FIELDS, OTHER_FIELDS, OTHER_FIELDS),
        (FIELDS, f"```json\n{OTHER_FIELDS}\n```", OTHER_FIELDS),
        (FIELDS, "A standard lease lasts 12 years and ends in autumn.", None),
        (FIELDS, '{"term": "12 years", "season": "autumn"}', None),
        (FIELDS, f"Here it is: {OTHER_FIELDS}", None),
    ],
)
def test_an_output_replaces_an_answer_only_in_its_form(pair, text, answer):
    row = voted(text, text, row=parent(**pair))
    if answer is None:
        assert row["answer"] == pair["answer"] and row.get("original_answer") is None
    else:
        assert (row["answer"], row["original_answer"]) == (answer, pair["answer"])


def test_values_of_a_winning_object_must_be_from_the_passage():
    text = '{"term": "13 years", "end": "autumn"}'
    assert voted(text, text, row=parent(**FIELDS))["reason"] == "number not in passage"


@pytest.mark.parametrize("label", ["spans", "links", "format", "code"])
def test_an_answer_that_was_checked_with_its_question_is_not_replaced(label):
    row = parent(metadata=json.dumps({label: "x"}))
    assert voted(OTHER, OTHER, row=row)["reason"] == "checked as a whole"
    for text in (NEAR, SAME):  # says the same
        kept = voted(text, text, row=row)
        assert kept["answer"] == ANSWER and kept["original_answer"] is None


LISTED = "1. A standard lease lasts 12 years.\n2. It ends in autumn."


@pytest.mark.parametrize(
    ("pair", "text", "kept"),
    [
        (CHOICE, "It is a duty.", True),
        (CHOICE, "A right, and never a duty of anyone.", False),
        (FIELDS, "12 years, autumn", True),
        (FIELDS, "The text does not say.", False),
        ({"answer": LISTED}, "A standard lease lasts 12 years and ends in autumn.", True),
        ({"answer": LISTED}, "The owner of the land pays a fee to the registrar.", False),
    ],
)
def test_a_winner_of_another_form_supports_an_answer_if_it_says_the_same(pair, text, kept):
    row = voted(text, text, row=parent(**pair))
    if kept:
        assert row["answer"] == pair["answer"] and row["lineage"]["model"] == "writer"
        assert row["consensus"] == 1 and row["original_answer"] is None
    else:
        assert row["reason"] in ("another form than its parent", "no consensus")


def test_outputs_of_two_other_models_are_required():
    assert voted(SAME)["reason"] == "too few outputs"
    assert voted({"text": "", "finish": "error", "error": "x"}, SAME)["reason"] == "too few outputs"
    writer = Identity("writer", "1", "MIT")  # of the row: it cannot confirm itself
    rows = outputs(SAME, SAME, whos=(writer, SECOND))
    assert vote.apply(rows, vote.options(), context("consensus")).dropped["reason"].to_pylist() == [
        "too few outputs"
    ]
    rows = outputs(SAME, SAME, whos=(SECOND, SECOND))
    with pytest.raises(UserError, match="different models"):
        vote.apply(rows, vote.options(), context("consensus"))
    with pytest.raises(UserError, match="put two another_output stages"):
        vote.apply(table_of(EXAMPLES, [parent()]), vote.options(), context("consensus"))


def test_the_score_is_the_mean_rouge_l_of_the_winner_with_the_others():
    texts = ["a b c d", "a b c e", "a b f g"]
    agreed = consensus(texts, language_of("und"))
    assert agreed.winner == 0 and agreed.score == pytest.approx((0.75 + 0.5) / 2)
    assert consensus(["x y", "a b", "b a"], language_of("und")).winner is None
    assert consensus(["a b", "...", "--"], language_of("und")).winner is None  # two without words


def lcs(a, b):
    """Return the length of the longest common subsequence, by its recurrence."""
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, one in enumerate(a):
        for j, other in enumerate(b):
            table[i + 1][j + 1] = table[i][j] + 1 if one == other else max(table[i][j + 1], table[i + 1][j])
    return table[-1][-1]


WORDS = st.lists(st.sampled_from("abcd"), max_size=8)


@given(WORDS, WORDS)
def test_rouge_l_is_the_f_measure_of_the_longest_common_subsequence(a, b):
    common = lcs(a, b)
    expected = 2 * common / (len(a) + len(b)) if common else 0.0
    assert rouge_l(a, b) == pytest.approx(expected)


@given(
    st.lists(
        st.lists(st.sampled_from(["red", "blue", "green"]), min_size=1, max_size=4), min_size=3, max_size=3
    )
)
def test_the_winner_has_the_largest_sum_or_an_equal(texts):
    outputs = [" ".join(words) for words in texts]
    agreed = consensus(outputs, EN)
    equal = [place for place, text in enumerate(outputs) if outputs.count(text) > 1]
    if equal:
        assert agreed.winner == equal[0]
    elif agreed.winner is None:
        assert any(rouge_l(texts[i], texts[j]) <= 0.01 for i in range(3) for j in range(i))
    else:
        sums = [sum(rouge_l(output, other) for other in texts) for output in texts]
        assert sums[agreed.winner] == pytest.approx(max(sums))


def test_words_are_compared_by_their_stems():
    forms = ("renews leases", "renewed lease", "renew leases")
    assert consensus(forms, EN).winner == 0 and consensus(forms, EN).score == 1
    assert consensus(forms, language_of("xx")).winner is None
