"""A passage and its exercises as one text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.errors import UserError
from datagen.prompt import load
from datagen.stages.shared.render.exercises import Exercise, bind, fill, unnumbered

STYLE = load("reading/layouts").fields
PLAIN = {
    "sources": ["<{place}>"],
    "intros": [""],
    "layouts": ["{number}: {question} = {answer}"],
    "separators": ["\n"],
}
ONE = [Exercise("true_false", "Is it so?", "Yes")]


def passage(text="Bees sleep.", **fields):
    return {"id": "p", "title": "Bees", "section": [], "text": text, **fields}


@given(
    text=st.text(min_size=1),
    number=st.integers(1, 4),
    identifier=st.text(),
    seed=st.integers(),
)
def test_any_passage_is_verbatim_and_every_exercise_complete(text, number, identifier, seed):
    exercises = [Exercise("t", f"question {{{index}}}?", f"{{answer}} {index}") for index in range(number)]
    bound = bind(passage(text, id=identifier), exercises, STYLE, seed)
    assert text in bound
    for exercise in exercises:
        assert exercise.question in bound and exercise.answer in bound
    assert bound == bind(passage(text, id=identifier), exercises, STYLE, seed)


def test_a_given_head_is_always_shown():
    whole = [Exercise("writing", "Write about bees.", "Bees sleep.")]
    assert bind(passage(), whole, PLAIN, 0) == "Write about bees.\n\nBees sleep."
    assert bind(passage(), whole, PLAIN, 0, head="└─ Bees ◀").startswith("└─ Bees ◀\n\nWrite about bees.")
    assert bind(passage(), [], PLAIN, 0, head="└─ Bees ◀") == "└─ Bees ◀\n\nBees sleep."
    assert bind(passage(), [], PLAIN, 0) == "Bees sleep."


@pytest.mark.parametrize("name", ["reading/layouts", "reading/layouts.de"])
@pytest.mark.parametrize("form", ["lists", "shots", "dialogues"])
def test_a_form_is_drawn_by_its_share_and_each_item_shows_all_exercises(name, form):
    style = load(name).fields
    without = {key: value for key, value in style.items() if key != form}
    exercises = [Exercise("t", f"What is it ({letter})?", f"This is {letter}.") for letter in "XYZ"]
    rows = [passage(id=str(number)) for number in range(400)]
    changed = [
        bound for row in rows if (bound := bind(row, exercises, style, 0)) != bind(row, exercises, without, 0)
    ]
    assert 20 <= len(changed) <= 65
    labels = [part.split("{")[0] for item in style[form] for part in item.values()]
    assert all(any(words in bound for bound in changed) for words in labels)
    for bound in changed:
        assert all(bound.count(words) == 1 for one in exercises for words in (one.question, one.answer))
    assert bind(rows[0], exercises[:1], style, 0) == bind(rows[0], exercises[:1], without, 0)


@pytest.mark.parametrize("name", ["reading/layouts", "reading/layouts.de"])
def test_most_texts_start_with_the_passage_and_some_with_the_exercises(name):
    style = load(name).fields
    exercises = [Exercise("t", f"What is it ({letter})?", f"This is {letter}.") for letter in "XYZ"]
    previewed = listed = 0
    for number in range(400):
        bound = bind(passage(id=str(number), text="Bees sleep."), exercises, style, 0)
        at = [bound.index(text) for one in exercises for text in (one.question, one.answer)]
        passage_at = bound.index("Bees sleep.")
        assert passage_at < min(at) or passage_at > max(at)
        previewed += passage_at > max(at)
        listed += max(at[0::2]) < min(at[1::2])
        assert at == sorted(at) or max(at[0::2]) < min(at[1::2])
    assert 5 <= previewed <= 45 and 20 <= listed <= 70


def test_only_the_number_of_a_heading_is_removed():
    assert unnumbered("4.2. Value Expressions") == "Value Expressions"
    assert unnumbered("§ 7. Appeal") == "Appeal"
    assert unnumbered("Recordings from before 1972 in use") == "Recordings from before 1972 in use"


@pytest.mark.parametrize("heading", ["1" * 5_000, "A." * 5_000, "1." * 5_000, "§" + "1-" * 5_000])
def test_a_heading_that_is_a_long_number_is_not_changed(heading):
    """In exponential time this would never end."""
    assert unnumbered(heading) == heading


def test_an_exercise_that_the_passage_answers_precedes_it():
    writing = Exercise("writing", "Write about bees.", "Bees sleep.")
    assert bind(passage(), [writing], PLAIN, 0) == "Write about bees.\n\nBees sleep."
    text = bind(passage(), [*ONE, writing], PLAIN | {"previews": ["Before:"]}, 0)
    assert text == "Write about bees.\n\nBees sleep.\n\n1: Is it so? = Yes"


def test_renderings_differ_between_texts_and_not_between_runs():
    texts = {bind(passage(id=str(number)), ONE, STYLE, 0) for number in range(60)}
    assert len(texts) > 30
    assert bind(passage(), ONE, STYLE, 0) != bind(passage(), ONE, STYLE, 4)


def test_the_source_line_has_title_and_section_without_duplicates():
    row = passage(section=["Bees", "Winter", "Sleep"])
    assert bind(row, ONE, PLAIN, 0) == "<Bees > Winter > Sleep>\n\nBees sleep.\n\n1: Is it so? = Yes"
    assert bind(passage(title=None, section=None), ONE, PLAIN, 0) == "Bees sleep.\n\n1: Is it so? = Yes"


def test_the_source_line_contains_no_answer_and_does_not_repeat_the_first_line():
    asked = [Exercise("title", "What is the heading?", "Sleep")]
    assert bind(passage("Z", section=["3. Winter", "3.1. Sleep"]), asked, PLAIN, 0).startswith(
        "<Bees > 3. Winter>\n"
    )
    assert bind(passage("§ 3.1. Sleep\nZ", section=["Sleep"]), ONE, PLAIN, 0).startswith("<Bees>\n")


def test_every_layout_shows_question_and_answer():
    for layout in STYLE["layouts"]:
        filled = fill(layout, number=7, question="QQ", answer="AA")
        assert filled.index("QQ") < filled.index("AA")
    assert all("PP" in fill(source, place="PP") for source in STYLE["sources"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layouts": ["{question} {reply}"]}, "reply"),
        ({"layouts": ["{question"]}, "cannot be filled"),
        ({"separators": []}, "separators"),
        ({"intros": "none"}, "intros"),
        ({"lists": ["{question}"]}, "lists"),
        ({"shots": [{"intro": "x"}]}, "shots"),
        ({"dialogues": [{"opening": "x", "question": "{a}", "answer": ""}]}, "a"),
    ],
)
def test_an_invalid_layout_is_reported(change, message):
    with pytest.raises(UserError, match=message):
        for number in range(60):  # a few texts list their questions
            bind(passage(id=str(number)), ONE * 2, PLAIN | change, 0)
