"""Mining exercises from planted sentences."""

import re
import textwrap

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from rows import context

from datagen.errors import UserError
from datagen.prompt import load
from datagen.records import TABLES, table_of
from datagen.stages.mine import Options, exercises_of, stage
from datagen.stages.mine.language import read

ENGLISH = read(load("mined/en"))

FIRST = "A queen that leaves the hive before noon usually comes back within the hour"
REST = "the keeper should wait at the entrance until she has returned to her bees"


def passage(text, number=0, **fields):
    row = {
        "id": f"p{number}",
        "document_id": "d",
        "source": "bees.txt",
        "title": "",
        "section": "",
        "text": text,
    }
    return row | {"start": 0, "end": len(text), "index": number} | fields


def run(*rows, where=None, **options):
    outcome = stage.apply(
        table_of(TABLES["passages"], rows), Options.model_validate(options), where or context("mine")
    )
    kept, dropped = outcome.kept.to_pylist(), outcome.dropped.to_pylist()
    parents = [parent for row in [*kept, *dropped] for parent in row["lineage"]["parents"]]
    assert sorted(parents) == sorted(row["id"] for row in rows)
    return kept, dropped


def mined(text, tasks, seed=0, **fields):
    options = Options(tasks=tasks)
    return exercises_of(passage(text, **fields), ENGLISH.only(options.tasks), options, seed)[0]


@pytest.mark.parametrize(
    ("sentence", "asked", "answer"),
    [
        (f"{FIRST} because the drones gather at midday.", FIRST, "Because the drones gather at midday."),
        (
            f"Because the drones gather at midday, {REST}.",
            f"T{REST[1:]}.",
            "Because the drones gather at midday.",
        ),
        (f"{REST.capitalize()} so that no bee is lost on the way.", REST.capitalize(), "on the way."),
        (
            "The hives were moved to the valley due to the strong wind.",
            "The hives were moved",
            "the strong wind.",
        ),
        (f"{FIRST}, so {REST}.", f"T{REST[1:]}.", f"{FIRST}."),
    ],
)
def test_a_cause_inside_a_sentence_is_asked_for(sentence, asked, answer):
    (exercise,) = mined(sentence, ["cause"])
    assert exercise.task == "cause" and asked in exercise.question
    assert exercise.answer.endswith(answer)
    assert answer.rstrip(".") not in exercise.question


@pytest.mark.parametrize(
    "sentence",
    [
        f"It stays empty until the evening because {REST}.",  # what stays empty?
        f"{FIRST} not because the drones gather at midday.",
        f"If the hive is warm and dry because {REST}, nothing is to be done.",
        f"The keeper who waits because the drones gather at midday may go home at noon or {REST}.",
        "The fee of twenty crowns a hive is due to the owner of the meadow.",
        f"{FIRST} (the old ones because {REST}).",
    ],
)
def test_what_only_looks_like_a_cause_is_left(sentence):
    assert mined(sentence, ["cause", "effect"]) == []


@pytest.mark.parametrize(
    ("sentence", "term"),
    [
        ("The term “apiary” means any place where bees are kept for their honey.", "apiary"),
        ("As used in this chapter, the term “brood” includes eggs, larvae and pupae of any age.", "brood"),
        ("A *nucleus hive* is a small colony that was taken from a larger one.", "nucleus hive"),
        ("A swarm is a cluster of bees that left its hive together with a queen.", "swarm"),
        ("The box in which the queen lays her eggs is called the *brood chamber*.", "brood chamber"),
    ],
)
def test_a_definition_is_asked_for_by_its_term_and_given_whole(sentence, term):
    (exercise,) = mined(sentence, ["definition"])
    assert re.search(rf"(“|: ){term}", exercise.question)
    assert exercise.answer == sentence


@pytest.mark.parametrize(
    "sentence",
    [
        "A swarm means that the hive has become too small for all of its bees.",
        "This is a cluster of bees that left its hive.",
    ],
)
def test_what_only_looks_like_a_definition_is_left(sentence):
    assert mined(sentence, ["definition"]) == []


@pytest.mark.parametrize(
    ("connective", "relation"),
    [
        ("Therefore, ", "consequence"),
        ("However, ", "contrast"),
        ("In addition, ", "addition"),
        ("For example, ", "example"),
    ],
)
def test_a_connective_tells_the_relation_of_two_sentences(connective, relation):
    names = {
        "consequence": ["therefore", "follows"],
        "contrast": ["however"],
        "addition": ["moreover", "adds"],
    }
    said = [*names.get(relation, []), relation]
    for seed in range(12):
        (exercise,) = mined(f"{FIRST}. {connective}{REST}.", ["relation"], seed=seed)
        assert any(word in exercise.answer.lower() for word in said)
        assert REST[1:] in exercise.question and FIRST in exercise.question
        assert connective.strip() + " " + REST not in exercise.question


@pytest.mark.parametrize(
    "text",
    [
        f"{FIRST}.\n\nHowever, {REST}.",  # another paragraph
        f"This often happens in the warm weeks of the early summer. However, {REST}.",  # what happens?
        f"{FIRST}. In addition to this rule, {REST}.",
        f"{FIRST}. But, for example, {REST}.",  # which of the two?
        f"- {FIRST}.\n- However, {REST}.",
    ],
)
def test_a_connective_without_its_first_sentence_is_left(text):
    assert mined(text, ["relation"]) == []


def test_a_restatement_is_a_paraphrase():
    (exercise,) = mined(f"{FIRST}. In other words, {REST}.", ["paraphrase"])
    assert FIRST in exercise.question and exercise.answer == f"T{REST[1:]}."
    (inside,) = mined(f"{FIRST}; i.e., {REST}.", ["paraphrase"])
    assert FIRST in inside.question and inside.answer == f"T{REST[1:]}."


def test_completion_asks_for_the_next_sentence_of_the_paragraph_unwrapped():
    text = textwrap.fill(f"{FIRST}. The keeper waits at the entrance until she has returned to her bees.", 60)
    (exercise,) = mined(text, ["completion"])
    assert f"{FIRST}." in exercise.question
    assert exercise.answer == "The keeper waits at the entrance until she has returned to her bees."


def test_a_sentence_that_stands_twice_has_no_single_continuation():
    text = f"{FIRST}. The keeper waits at the entrance of the hive until evening.\n\n{FIRST}. Then nobody waits for her at all."
    assert mined(text, ["completion"]) == []


def test_keywords_lead_to_one_sentence_only():
    twin = "Pollination of orchards depends on neighbouring colonies."
    (exercise,) = mined(f"Some say so. {twin}", ["keywords"])
    assert exercise.answer == twin
    assert all(word in exercise.question for word in ("orchards", "colonies", "neighbouring"))
    assert (
        mined(
            f"{twin} Few orchards depend on neighbouring colonies and pollination alone today.", ["keywords"]
        )
        == []
    )


@pytest.mark.parametrize(
    ("title", "text", "asked"),
    [
        ("Moving a colony", "Moving a colony\n\nA colony in a strong hive can be moved.", True),
        ("4.2. Moving a colony", "4.2. Moving a colony\n\nA colony in a strong hive can be moved.", True),
        (
            "Moving a colony",
            "Queens are marked with a dot.\n\nThe dot is blue.",
            False,
        ),  # about something else
        ("moving-colony", "Moving a colony is hard. A colony may die when it is moved.", False),  # a key
        ("Moving a colony", "Moving a colony: see there.", False),  # hardly any text
    ],
)
def test_a_title_is_asked_for_where_the_text_is_about_it(title, text, asked):
    exercises = mined(text, ["title"], title="Bees", section=f"Summer > {title}")
    assert [exercise.answer for exercise in exercises] == ["Moving a colony"] * asked


TEXT = f"""\
Waiting for queens
==================

{FIRST}, because the drones gather
at midday. Therefore, {REST}. A drone is a male bee that does not gather any
nectar for its colony. Beekeepers distinguish several generations of worker bees by colouring.

   hive.open("lid because it is heavy and the entrance is blocked by colouring beekeepers.")

| Because the table is long, | the keeper should wait at the entrance until she has returned |
"""


def test_a_text_holds_its_passage_verbatim_and_a_sentence_feeds_one_exercise():
    kept, dropped = run(passage(TEXT, title="Bees", section="Waiting for queens"))
    assert not dropped
    (row,) = kept
    assert (row["kind"], row["task"], row["question"], row["prompt"]) == ("reading", "mined", None, None)
    assert TEXT in row["text"] and row["text"].count(TEXT) == 1
    assert row["lineage"]["prompt"] == "mined/en" and row["lineage"]["prompt_hash"] == load("mined/en").hash
    assert row["lineage"]["passage_id"] == "p0"

    exercises, _ = exercises_of(passage(TEXT), ENGLISH, Options(), 0)
    for sentence in (FIRST, REST, "A drone is a male bee", "Beekeepers distinguish"):
        using = [e for e in exercises if sentence[1:] in e.question + e.answer]
        assert len(using) <= 1
    assert not any("hive.open" in e.question + e.answer or "|" in e.question + e.answer for e in exercises)


def test_nothing_to_mine_is_said():
    bare = "list ::= item ('|' item)*\n\n- first\n- second\n"
    kept, dropped = run(passage(bare), passage(TEXT, 1))
    assert len(kept) == 1
    assert [(row["reason"], row["detail"]) for row in dropped] == [
        ("nothing to mine", "0 sentences of prose")
    ]


def test_limits_and_tasks_hold():
    facts = [
        f"Colony {name} gathered considerable quantities of lavender and buckwheat {name} honey."
        for name in "ABCDEFGH"
    ]
    for per_task, per_text in ((1, 1), (2, 6), (5, 3)):
        options = Options(max_per_task=per_task, max_per_text=per_text)
        exercises, _ = exercises_of(passage(" ".join(facts)), ENGLISH.only(options.tasks), options, 0)
        tasks = [exercise.task for exercise in exercises]
        assert 0 < len(tasks) <= per_text and all(tasks.count(task) <= per_task for task in tasks)
    assert {e.task for e in mined(TEXT, ["definition"])} == {"definition"}


def test_the_seed_draws_other_templates_and_nothing_else_does():
    rows = [passage(TEXT, number) for number in range(3)]
    texts = [row["text"] for row in run(*rows)[0]]
    assert texts == [row["text"] for row in run(*rows)[0]]
    assert [texts[1]] == [row["text"] for row in run(rows[1])[0]]
    assert texts != [row["text"] for row in run(*rows, where=context("mine", seed=1))[0]]


def test_another_language_is_another_file(tmp_path):
    german = {
        "pointing": "(?:Dies|Das|Er|Sie|Es)\\b",
        "remains": [],
        "glued": "(?!)",
        "nominal": "(?!)",
        "verb": "",
        "keyword": "\\b[A-ZÄÖÜ][a-zäöüß]{9,}\\b",
        "ordinary": [],
        "sentences": [
            {
                "cues": [", weil "],
                "match": "(?P<effect>.{20,}), weil (?P<cause>.{10,})\\.",
                "tasks": {"cause": {"reason": "Weil {cause}."}},
            }
        ],
        "pairs": [],
        "templates": {"cause": [{"ask": "Warum? {effect}.", "answer": "{reason}"}]},
    }
    (tmp_path / "mined").mkdir()
    (tmp_path / "mined" / "de.yaml").write_text(yaml.safe_dump(german), encoding="utf-8")
    where = context("mine", prompts=str(tmp_path))
    text = "Der Imker stellt die Beute an die Hecke, weil der Wind dort schwächer weht."
    (row,) = run(passage(text), where=where, language="de")[0]
    assert "Warum? Der Imker stellt die Beute an die Hecke." in row["text"]
    assert "Weil der Wind dort schwächer weht." in row["text"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"pointing": "("}, "pointing"),
        ({"patterns": []}, "patterns"),
        ({"templates": {}}, "no templates for"),
    ],
)
def test_a_wrong_language_file_is_told(tmp_path, change, said):
    fields = load("mined/en").fields | change
    (tmp_path / "mined").mkdir()
    (tmp_path / "mined" / "xx.yaml").write_text(yaml.safe_dump(fields), encoding="utf-8")
    with pytest.raises(UserError, match=said):
        run(passage(TEXT), where=context("mine", prompts=str(tmp_path)), language="xx")


def test_a_language_without_a_file_is_told():
    with pytest.raises(UserError, match="mined/tlh"):
        run(passage(TEXT), language="tlh")


def test_every_english_task_has_eight_templates():
    assert {task: len(found) for task, found in ENGLISH.templates.items() if len(found) < 8} == {}


PIECES = [
    FIRST,
    REST,
    ". ",
    ", so ",
    " because ",
    "Therefore, ",
    "(",
    "“",
    '"',
    "{x}",
    "\n",
    "\n\n",
    "1. ",
    "*",
    "A swarm is a",
]


@settings(max_examples=60)
@given(st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=30).map("".join)))
def test_answers_come_whole_from_any_passage(text):
    exercises, _ = exercises_of(passage(text, title="Bees in “June"), ENGLISH, Options(), 0)
    for exercise in exercises:
        assert exercise.question.strip() and exercise.answer.strip()
        if exercise.task in ("completion", "keywords", "definition", "effect", "cause", "paraphrase"):
            assert exercise.answer.rstrip('"”’)').endswith((".", "!", "?", "…"))
