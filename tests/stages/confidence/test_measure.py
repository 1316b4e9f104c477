"""What each column says of planted rows."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.errors import UserError
from datagen.schema import EXAMPLES, table_of
from datagen.stages.confidence.measure import Options, stage
from tests.support.rows import context, example

PASSAGE = (
    "The harbour of Marlow was dug in 1874 by the river guild. It holds forty barges, and the guild does not let "
    "ships with a draught of more than 3 metres enter. The beacon on its mole was lit with whale oil until 1931."
)


def row(answer, **fields):
    return example(answer=answer, **{"question": "When was it dug?", "context": PASSAGE} | fields)


def measured(*rows, folder=None, **options):
    given = context("measure", file=(folder or Path()) / "recipe.yaml")
    table = table_of(EXAMPLES, rows)
    outcome = stage.apply(table, Options.model_validate(options), given)
    assert outcome.kept.select(EXAMPLES.names).equals(table) and not len(outcome.dropped)
    return outcome.kept.to_pylist()


def scores(column, *rows, **options):
    return [one[column] for one in measured(*rows, **options)]


def test_what_stands_in_the_passage_is_grounded():
    rows = [
        row("1874"),
        row("the River Guild."),
        row("forty barges, and\nthe guild"),
        row("It holds forty barges"),
    ]
    assert scores("grounding", *rows) == [1, 1, 1, 1]
    closed_book = row("forty barges", context=None, evidence="It holds forty barges.")
    assert scores("grounding", closed_book) == [1]


def test_grounding_falls_with_what_the_passage_does_not_say():
    said = "The beacon was lit with whale oil."
    other = "The lighthouse was painted in bright colours by a famous artist."
    order = "The oil was lit with whale beacon."
    found = scores("grounding", row(said), row(order), row(other))
    assert 1 > found[0] > 0.85 > found[1] > 0.5 > 0.2 > found[2]


def test_a_number_or_a_negation_that_is_not_there_makes_an_answer_doubtful():
    evidence = (
        "It holds forty barges, and the guild does not let ships with a draught of more than 3 metres enter."
    )
    told = "The guild does not let ships of more than 3 metres draught enter the harbour."
    rows = [
        row(told, evidence=evidence),
        row(told.replace("3", "5"), evidence=evidence),
        row(told.replace("does not let", "lets"), evidence=evidence),
        row("The harbour was not dug by the guild.", evidence="The harbour of Marlow was dug in 1874."),
        row(told.replace("3", "5"), evidence=evidence, question="May a ship of 5 metres enter?"),
    ]
    found = scores("grounding", *rows)
    assert found[0] > 0.6
    assert max(found[1:4]) <= 0.5
    assert found[4] > 0.6  # the question has the 5


def test_no_score_where_it_makes_no_sense():
    rows = [
        row("Yes."),
        row("forty", context=None),
        row(None),
        example("refusal", question="Who?", answer="I do not know.", context=PASSAGE),
        example("reading", text=PASSAGE),
    ]
    assert scores("grounding", *rows) == [None] * 5
    assert scores("leakage", *rows) == [None, 0, None, None, None]
    assert scores("alignment", *rows) == [None] * 5
    assert scores("standalone", *rows) == [0, 0, 0, 1, None]
    assert scores("script", *rows)[-1] is None


def test_alignment_finds_the_answer_to_a_neighbouring_question():
    asked = {
        "When was the harbour of Marlow dug?": "1874",
        "How many barges does it hold?": "forty barges",
        "Until when was the beacon lit with whale oil?": "1931",
    }
    for question, answer in asked.items():
        own, *others = scores(
            "alignment",
            row(answer, question=question),
            *(row(other, question=question) for other in asked.values() if other != answer),
        )
        assert own > 0.5 and own > max(others) + 0.2
    said = "The guild dug the harbour of Marlow in the year 1874."  # not word by word
    right, wrong = scores(
        "alignment", *(row(said, question=one) for one in ("Who dug the harbour?", "What lit the beacon?"))
    )
    assert right > wrong + 0.3
    assert scores("alignment", row("Yes."), row("..."), row("1874", question="?"), row("lobster")) == [
        None,
        None,
        0,
        None,
    ]


def test_leakage_is_the_share_of_the_answer_that_its_question_has():
    asked = "How many barges does the harbour of Marlow hold, is it forty?"
    answers = ["forty", "Forty barges.", "1874", "forty ships", "the harbour of Marlow"]
    assert scores("leakage", *(row(answer, question=asked) for answer in answers)) == [1, 1, 0, 0.5, 1]


def test_a_question_that_points_to_its_passage_does_not_stand_alone():
    questions = {
        "When was the harbour of Marlow dug?": 1,
        "What does the passage say about barges?": 0,
        "When was it dug?": 0,
        "What is a mole and what is it lit with?": 1,
    }
    assert scores("standalone", *(row("1874", question=asked) for asked in questions)) == [
        *questions.values()
    ]


def test_echo_is_what_the_prompt_says_and_the_passage_does_not():
    lineage = {"prompt": "instructions/summary"}
    said = "Do not use it: the harbour of Marlow was dug."
    prompt = context().prompt("instructions/summary").fields["user"]
    told = " ".join(prompt[prompt.rindex("}}") + 2 :].split()[-12:])
    found = scores("echo", row(told, lineage=lineage), row(said, lineage=lineage), row(told), row("1874"))
    assert found[0] > 0.5
    assert found[1:] == [0, 0, None]


def test_measures_what_is_learnt_and_of_a_preference_both_answers():
    loop = "a b c " * 4
    rows = [
        row("one two three"),
        example("reading", text="one two three four"),
        example("preference", question="Who?", answer="I do not know.", rejected=loop),
    ]
    assert scores("words", *rows) == [3, 4, 4]
    assert scores("loop", *rows) == [0, 0, 12]
    assert scores("diversity", *rows) == [1, 1, 1]


def test_the_flaw_is_the_first_and_says_what_was_seen():
    found = measured(row("Answer: <answer>"), row("It holds the"), row("forty"))
    assert [one["flaw"] for one in found] == ["template leftover", "unfinished sentence", None]
    assert [one["flaw_detail"] for one in found] == ["Answer: <answer>", "... It holds the", None]


FUNCTIONS = """
import pyarrow.compute as pc

def shouting(texts):
    return pc.if_else(pc.equal(texts, ""), None, pc.cast(pc.match_substring(texts, "!"), "float64"))

def longer(answers, questions):
    return [float(len(a) > len(q)) for a, q in zip(answers.to_pylist(), questions.to_pylist())]

def short(texts):
    return [1.0]

def words(texts):
    return ["many"] * len(texts)
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "own.py").write_text(FUNCTIONS)
    return tmp_path


def test_functions_of_the_recipe_give_columns_of_their_own(folder):
    rows = [row("Forty!"), example("reading", text="Calm."), row(None)]
    own = {
        "toxicity": "./own.py:shouting",
        "longer": {"use": "./own.py:longer", "of": ["answer", "question"]},
    }
    found = measured(*rows, folder=folder, functions=own)
    assert [one["toxicity"] for one in found] == [1, 0, None]
    assert [one["longer"] for one in found] == [0, 0, 0]


def test_one_of_a_built_in_name_takes_its_place(folder):
    own = {"grounding": {"use": "./own.py:longer", "of": ["answer", "passage"]}}
    assert scores("grounding", row("forty"), folder=folder, functions=own) == [0]


@pytest.mark.parametrize(
    "function, said",
    [
        ("./own.py:short", "given 2 texts and returned 1 numbers"),
        ("./own.py:words", "a number or null for each text"),
        ("./own.py:absent", "cannot be loaded"),
        ("./none.py:shouting", "cannot be loaded"),
        ({"use": "./own.py:shouting", "of": ["wisdom"]}, "no column of text 'wisdom'"),
    ],
)
def test_what_is_wrong_with_a_function_is_said(folder, function, said):
    with pytest.raises(UserError, match=said):
        measured(row("a"), row("b"), folder=folder, functions={"own": function})


def test_a_score_cannot_take_the_place_of_what_an_example_says():
    for name in ("answer", "flaw"):
        with pytest.raises(ValueError, match="another name"):
            Options.model_validate({"functions": {name: "a:b"}})


texts = st.one_of(st.none(), st.text(max_size=40), st.sampled_from([PASSAGE, "forty barges", "not 3 metres"]))


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(texts, texts, texts, texts), min_size=1, max_size=5))
def test_each_row_is_measured_by_itself_and_within_bounds(drafts):
    rows = [
        row(answer, question=question, context=passage, evidence=evidence, document=str(at))
        for at, (answer, question, passage, evidence) in enumerate(drafts)
    ]
    together = measured(*rows)
    assert together == [measured(one)[0] for one in rows]
    for one in together:
        for name in ("grounding", "alignment", "leakage", "standalone", "echo", "diversity", "script"):
            assert one[name] is None or 0 <= one[name] <= 1


def test_measuring_again_measures_anew():
    table = table_of(EXAMPLES, [row("forty")])
    once = stage.apply(table, Options(), context("measure")).kept
    assert stage.apply(once, Options(), context("measure")).kept.equals(once)
    assert once["grounding"].type == once["words"].type == pa.float64()
    assert not np.isnan(once["grounding"].to_numpy()).any()
