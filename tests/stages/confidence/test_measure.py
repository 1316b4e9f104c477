"""The value of each column for planted rows."""

import os
import subprocess
import sys
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
    measuring = context("measure", file=(folder or Path()) / "recipe.yaml")
    table = table_of(EXAMPLES, rows)
    outcome = stage.apply(table, Options.model_validate(options), measuring)
    assert outcome.kept.select(EXAMPLES.names).equals(table) and not len(outcome.dropped)
    return outcome.kept.to_pylist()


def scores(column, *rows, **options):
    return [row[column] for row in measured(*rows, **options)]


def test_a_verbatim_answer_is_grounded():
    rows = [
        row("1874"),
        row("the River Guild."),
        row("forty barges, and\nthe guild"),
        row("It holds forty barges"),
    ]
    assert scores("grounding", *rows) == [1, 1, 1, 1]
    closed_book = row("forty barges", context=None, evidence="It holds forty barges.")
    assert scores("grounding", closed_book) == [1]


def test_grounding_falls_with_unsupported_words():
    answer = "The beacon was lit with whale oil."
    other = "The lighthouse was painted in bright colours by a famous artist."
    order = "The oil was lit with whale beacon."
    grounding = scores("grounding", row(answer), row(order), row(other))
    assert 1 > grounding[0] > 0.85 > grounding[1] > 0.5 > 0.2 > grounding[2]


def test_an_unsupported_number_or_negation_makes_an_answer_doubtful():
    evidence = (
        "It holds forty barges, and the guild does not let ships with a draught of more than 3 metres enter."
    )
    negated = "The guild does not let ships of more than 3 metres draught enter the harbour."
    rows = [
        row(negated, evidence=evidence),
        row(negated.replace("3", "5"), evidence=evidence),
        row(negated.replace("does not let", "lets"), evidence=evidence),
        row("The harbour was not dug by the guild.", evidence="The harbour of Marlow was dug in 1874."),
        row(negated.replace("3", "5"), evidence=evidence, question="May a ship of 5 metres enter?"),
    ]
    grounding = scores("grounding", *rows)
    assert grounding[0] > 0.6
    assert max(grounding[1:4]) <= 0.5
    assert grounding[4] > 0.6  # the question has the 5


def test_scores_are_null_where_they_do_not_apply():
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


SCORED = """
import pyarrow as pa
from datagen.stages.confidence.measure.alignment import alignment
from datagen.stages.shared.language.rules import language_of
words = [f"word{number}" for number in range(40)]
passage = " ".join(" ".join(words[start:]).capitalize() + "." for start in range(0, 40, 3))
texts = {"question": [" ".join(words) + "?"], "answer": ["word39"], "passage": [passage]}
print(alignment({name: pa.array(values) for name, values in texts.items()}, language_of("en"))[0])
"""


@pytest.mark.slow
def test_alignment_does_not_depend_on_the_process():
    def scored(seed):
        variables = os.environ | {"PYTHONHASHSEED": seed}
        return subprocess.check_output([sys.executable, "-c", SCORED], env=variables)

    assert len({scored(seed) for seed in "1234"}) == 1


def test_alignment_finds_the_answer_to_a_neighbouring_question():
    neighbouring = {
        "When was the harbour of Marlow dug?": "1874",
        "How many barges does it hold?": "forty barges",
        "Until when was the beacon lit with whale oil?": "1931",
    }
    for question, answer in neighbouring.items():
        own, *others = scores(
            "alignment",
            row(answer, question=question),
            *(row(other, question=question) for other in neighbouring.values() if other != answer),
        )
        assert own > 0.5 and own > max(others) + 0.2
    paraphrase = "The guild dug the harbour of Marlow in the year 1874."  # not word by word
    right, wrong = scores(
        "alignment",
        *(
            row(paraphrase, question=question)
            for question in ("Who dug the harbour?", "What lit the beacon?")
        ),
    )
    assert right > wrong + 0.3
    assert scores("alignment", row("Yes."), row("..."), row("1874", question="?"), row("lobster")) == [
        None,
        None,
        0,
        None,
    ]


def test_leakage_is_the_share_of_the_answer_in_its_question():
    question = "How many barges does the harbour of Marlow hold, is it forty?"
    answers = ["forty", "Forty barges.", "1874", "forty ships", "the harbour of Marlow"]
    assert scores("leakage", *(row(answer, question=question) for answer in answers)) == [1, 1, 0, 0.5, 1]


def test_a_question_that_refers_to_its_passage_is_not_self_contained():
    questions = {
        "When was the harbour of Marlow dug?": 1,
        "What does the passage say about barges?": 0,
        "When was it dug?": 0,
        "What is a mole and what is it lit with?": 1,
    }
    assert scores("standalone", *(row("1874", question=question) for question in questions)) == [
        *questions.values()
    ]


def test_echo_is_the_share_from_the_prompt_but_not_the_passage():
    lineage = {"prompt": "instructions/summary"}
    partial = "Do not use it: the harbour of Marlow was dug."
    prompt = context().prompt("instructions/summary").fields["user"]
    copied = " ".join(prompt[prompt.rindex("}}") + 2 :].split()[-12:])
    echo = scores(
        "echo", row(copied, lineage=lineage), row(partial, lineage=lineage), row(copied), row("1874")
    )
    assert echo[0] > 0.5
    assert echo[1:] == [0, 0, None]


def test_measures_the_trained_text_and_both_answers_of_a_preference():
    loop = "a b c " * 4
    rows = [
        row("one two three"),
        example("reading", text="one two three four"),
        example("preference", question="Who?", answer="I do not know.", rejected=loop),
    ]
    assert scores("words", *rows) == [3, 4, 4]
    assert scores("loop", *rows) == [0, 0, 12]
    assert scores("diversity", *rows) == [1, 1, 1]


def test_the_first_flaw_is_reported_with_its_text():
    rows = measured(row("Answer: <answer>"), row("It holds the"), row("forty"))
    assert [row["flaw"] for row in rows] == ["template leftover", "unfinished sentence", None]
    assert [row["flaw_detail"] for row in rows] == ["Answer: <answer>", "... It holds the", None]


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


def test_functions_of_the_recipe_add_columns(folder):
    rows = [row("Forty!"), example("reading", text="Calm."), row(None)]
    own = {
        "toxicity": "./own.py:shouting",
        "longer": {"use": "./own.py:longer", "of": ["answer", "question"]},
    }
    scored = measured(*rows, folder=folder, functions=own)
    assert [row["toxicity"] for row in scored] == [1, 0, None]
    assert [row["longer"] for row in scored] == [0, 0, 0]


def test_a_function_replaces_the_built_in_score_of_its_name(folder):
    own = {"grounding": {"use": "./own.py:longer", "of": ["answer", "passage"]}}
    assert scores("grounding", row("forty"), folder=folder, functions=own) == [0]


@pytest.mark.parametrize(
    "function, message",
    [
        ("./own.py:short", "received 2 texts but returned 1 numbers"),
        ("./own.py:words", "a number or null for each text"),
        ("./own.py:absent", "cannot be loaded"),
        ("./none.py:shouting", "cannot be loaded"),
        ({"use": "./own.py:shouting", "of": ["wisdom"]}, "no column of text 'wisdom'"),
    ],
)
def test_invalid_functions_are_reported(folder, function, message):
    with pytest.raises(UserError, match=message):
        measured(row("a"), row("b"), folder=folder, functions={"own": function})


def test_a_score_cannot_replace_a_column_of_the_examples():
    for name in ("answer", "flaw"):
        with pytest.raises(ValueError, match="rename the score"):
            Options.model_validate({"functions": {name: "a:b"}})


texts = st.one_of(st.none(), st.text(max_size=40), st.sampled_from([PASSAGE, "forty barges", "not 3 metres"]))


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(texts, texts, texts, texts), min_size=1, max_size=5))
def test_rows_are_measured_independently_and_within_bounds(drafts):
    rows = [
        row(answer, question=question, context=passage, evidence=evidence, document=str(at))
        for at, (answer, question, passage, evidence) in enumerate(drafts)
    ]
    together = measured(*rows)
    assert together == [measured(row)[0] for row in rows]
    for scored in together:
        for name in ("grounding", "alignment", "leakage", "standalone", "echo", "diversity", "script"):
            assert scored[name] is None or 0 <= scored[name] <= 1


def test_measuring_again_replaces_the_scores():
    table = table_of(EXAMPLES, [row("forty")])
    once = stage.apply(table, Options(), context("measure")).kept
    assert stage.apply(once, Options(), context("measure")).kept.equals(once)
    assert once["grounding"].type == once["words"].type == pa.float64()
    assert not np.isnan(once["grounding"].to_numpy()).any()
