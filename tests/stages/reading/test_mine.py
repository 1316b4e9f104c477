"""Exercises mined from planted sentences."""

import json
import re
import tempfile
import textwrap
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.errors import UserError
from datagen.prompt import load
from datagen.schema import TABLES, table_of
from datagen.stage import Partitions
from datagen.stages.reading.mine import FirstPass, Options, exercises_of, miners, stage
from datagen.stages.reading.mine.language import read
from datagen.stages.reading.mine.prose import Sentence
from datagen.stages.shared.render.exercises import bind
from tests.support.rows import context

ENGLISH_FILE = load("mined/en").fields
ENGLISH, GERMAN = read(load("mined/en")), read(load("mined/de"))

FIRST = "A queen that leaves the hive before noon usually comes back within the hour"
REST = "the keeper should wait at the entrance until she has returned to her bees"


def passage(text, number=0, **fields):
    row = {
        "id": f"p{number}",
        "document_id": "d",
        "source": "bees.txt",
        "title": "",
        "section": [],
        "text": text,
        "language": "en",
    }
    return row | {"start": 0, "end": len(text), "index": number} | fields


def run(*rows, where=None, size=None, **options):
    tables = [
        table_of(TABLES["passages"], rows[start : start + (size or len(rows))])
        for start in range(0, len(rows), size or len(rows))
    ]
    readers = [lambda names, table=table: table if names is None else table.select(names) for table in tables]
    settings = Options.model_validate(options)
    with tempfile.TemporaryDirectory() as folder:
        where = replace(where or context("mine"), output=Path(folder))
        shared = stage.run(Partitions(readers), settings, where)
        outcomes = [
            stage.apply(table, first, settings, where) for table, first in zip(tables, shared, strict=True)
        ]
    kept = [row for outcome in outcomes for row in outcome.kept.to_pylist()]
    dropped = [row for outcome in outcomes for row in outcome.dropped.to_pylist()]
    parents = [parent for row in [*kept, *dropped] for parent in row["lineage"]["parents"]]
    assert sorted(parents) == sorted(row["id"] for row in rows)
    return kept, dropped


def mined(text, tasks, seed=0, domain=(), language=ENGLISH, **fields):
    options = Options(tasks=tasks)
    row = passage(text, **fields)
    return exercises_of(row, language.only(options.tasks), frozenset(domain), options, seed)[0]


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
def test_a_cause_within_a_sentence_is_asked_for(sentence, asked, answer):
    (exercise,) = mined(sentence, ["cause"])
    assert exercise.task == "cause" and asked in exercise.question
    assert exercise.answer.endswith(answer)
    assert answer.rstrip(".") not in exercise.question


@pytest.mark.parametrize(
    "sentence",
    [
        f"It stays empty until the evening because {REST}.",  # what stays empty?
        f"Alternatively, you can leave the hive where it stands, so {REST}.",
        f"{FIRST} not because the drones gather at midday.",
        f"If the hive is warm and dry because {REST}, nothing is to be done.",
        f"The keeper who waits because the drones gather at midday may go home at noon or {REST}.",
        "The fee of twenty crowns a hive is due to the owner of the meadow.",
        f"{FIRST} (the old ones because {REST}).",
    ],
)
def test_a_false_cause_is_not_asked_for(sentence):
    assert mined(sentence, ["cause", "effect"]) == []


def test_the_effect_of_a_fragment_is_not_asked_for():
    assert mined(f"A mark of coloured paint on the back of a queen, so {REST}.", ["effect"]) == []
    assert mined(f"A mark of coloured paint is on the back of a queen, so {REST}.", ["effect"])


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
def test_a_definition_is_asked_for_by_its_term_and_answered_with_the_sentence(sentence, term):
    (exercise,) = mined(sentence, ["definition"])
    assert re.search(rf"(“|: ){term}", exercise.question)
    assert exercise.answer == sentence


@pytest.mark.parametrize(
    "sentence",
    [
        "A swarm means that the hive has become too small for all of its bees.",
        "This is a cluster of bees that left its hive.",
        "A person who is a keeper of bees that are used for pollination may be paid in May.",
    ],
)
def test_a_false_definition_is_not_asked_for(sentence):
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
def test_a_connective_marks_the_relation_of_two_sentences(connective, relation):
    names = {
        "consequence": ["therefore", "follows"],
        "contrast": ["however"],
        "addition": ["moreover", "adds"],
    }
    expected = [*names.get(relation, []), relation]
    for seed in range(12):
        (exercise,) = mined(f"{FIRST}. {connective}{REST}.", ["relation"], seed=seed)
        assert any(word in exercise.answer.lower() for word in expected)
        assert REST[1:] in exercise.question and FIRST in exercise.question
        assert connective.strip() + " " + REST not in exercise.question


@pytest.mark.parametrize(
    "text",
    [
        f"{FIRST}.\n\nHowever, {REST}.",  # another paragraph
        f"This often happens in the warm weeks of the early summer. However, {REST}.",  # what happens?
        f"{FIRST}. In addition to this rule, {REST}.",
        f"{FIRST}. But, for example, {REST}.",  # ambiguous
        f"- {FIRST}.\n- However, {REST}.",
    ],
)
def test_a_connective_without_a_usable_first_sentence_is_not_used(text):
    assert mined(text, ["relation"]) == []


def test_a_restatement_is_a_paraphrase():
    (exercise,) = mined(f"{FIRST}. In other words, {REST}.", ["paraphrase"])
    assert FIRST in exercise.question and exercise.answer == f"T{REST[1:]}."
    (inside,) = mined(f"{FIRST}; i.e., {REST}.", ["paraphrase"])
    assert FIRST in inside.question and inside.answer == f"T{REST[1:]}."


def test_completion_asks_for_the_next_sentence_of_the_paragraph_on_one_line():
    text = textwrap.fill(f"{FIRST}. The keeper waits at the entrance until she has returned to her bees.", 60)
    (exercise,) = mined(text, ["completion"])
    assert f"{FIRST}." in exercise.question
    assert exercise.answer == "The keeper waits at the entrance until she has returned to her bees."


def test_a_sentence_that_occurs_twice_has_no_unique_continuation():
    text = f"{FIRST}. The keeper waits at the entrance of the hive until evening.\n\n{FIRST}. Then nobody waits for her at all."
    assert mined(text, ["completion"]) == []


@pytest.mark.parametrize("seed", range(5))
def test_a_sentence_that_refers_back_is_asked_for_rather_than_another(seed):
    text = f"{FIRST}. The keeper counts the drones of every hive in May. They are marked with a dot of paint on the second day."
    (exercise,) = mined(text, ["completion"], seed=seed)
    assert exercise.answer == "They are marked with a dot of paint on the second day."


@pytest.mark.parametrize(
    "pointer",
    [
        "See the chapter on swarms for another way to keep a queen.",
        "(See the explanation of swarms for another way to keep it.)",
        "For further details on queens, ask the keeper of the hive.",
        "*Note that a queen of this kind is never marked with a dot.",
    ],
)
def test_a_sentence_that_only_refers_elsewhere_is_no_continuation(pointer):
    assert mined(f"{FIRST}. {pointer}", ["completion"]) == []
    assert (
        len(mined(f"{FIRST}. (The keeper waits for her at the entrance until evening.)", ["completion"])) == 1
    )


@pytest.mark.parametrize(
    ("end", "asked"),
    [
        ("; see the list of hives below.", 0),
        (" (see The keeper's year).", 0),
        (", as every keeper can see.", 1),
        (" and see the drones.", 1),
    ],
)
def test_nothing_follows_from_a_sentence_that_ends_by_referring_elsewhere(end, asked):
    text = f"{FIRST}{end} The smoker can be hung beside the hive in the early spring."
    assert len(mined(text, ["completion"])) == asked


@pytest.mark.parametrize(
    ("language", "sentence", "asked"),
    [
        ("en", "If any of those frames are damaged by frost, the keeper must replace them in spring.", 0),
        ("en", "If frames such as the new ones are damaged, the keeper must replace them in spring.", 1),
        ("en", "If any of the frames are damaged by frost, the keeper must replace them in spring.", 1),
        ("de", "Wenn eine jener Waben im Winter gebrochen ist, muss der Imker sie im Frühjahr ersetzen.", 0),
        ("de", "Wenn eine Wabe im Winter gebrochen ist, muss der Imker sie im Frühjahr ersetzen.", 1),
    ],
)
def test_a_condition_that_points_outside_itself_is_not_asked_about(language, sentence, asked):
    found = mined(sentence, ["consequence"], language=ENGLISH if language == "en" else GERMAN)
    assert len(found) == asked


def test_german_completions_refer_back_and_not_elsewhere():
    first = "Die Königin verlässt den Stock nur an warmen Tagen im Mai."
    elsewhere = f"{first} Siehe das Kapitel über Schwärme am Ende des Buches."
    assert mined(elsewhere, ["completion"], language=GERMAN) == []
    back = f"{first} Der Imker zählt im Mai alle Drohnen eines starken Volkes. Sie werden am zweiten Tag mit einem kleinen Punkt markiert."
    (exercise,) = mined(back, ["completion"], language=GERMAN)
    assert exercise.answer == "Sie werden am zweiten Tag mit einem kleinen Punkt markiert."


POLLEN = ("pollination", "orchards", "neighbouring", "colonies")


def test_keywords_identify_exactly_one_sentence():
    twin = "Pollination of orchards depends on neighbouring colonies."
    words = "orchards, neighbouring, colonies"  # not the first word: its capital may be the sentence's
    for seed in range(30):
        (exercise,) = mined(f"Some say so. {twin}", ["keywords"], domain=POLLEN, seed=seed)
        asked, answer = (words, twin) if exercise.answer == twin else (twin, words)
        assert asked in exercise.question.replace(" and ", ", ") and exercise.answer == answer
    both = f"{twin} Few orchards depend on neighbouring colonies and pollination alone today."
    assert mined(both, ["keywords"], domain=POLLEN) == []
    assert mined(f"Some say so. {twin}", ["keywords"], domain=POLLEN[:2]) == []


def test_keywords_are_listed_as_in_a_sentence():
    twin = "Pollination of orchards depends on neighbouring colonies."
    asked = {
        number: {
            mined(f"Some say so. {twin}", ["keywords"], domain=POLLEN[:number], seed=seed)[0].question
            for seed in range(60)
        }
        for number in (3, 4)
    }
    assert any("orchards and neighbouring" in question for question in asked[3])
    assert any("orchards, neighbouring and colonies" in question for question in asked[4])
    assert any("orchards, neighbouring, colonies" in question for question in asked[4])  # after a colon


def test_two_keywords_ask_for_the_sentence_and_the_reverse_is_never_asked():
    twin = "Pollination of orchards depends on neighbouring colonies."
    for seed in range(30):
        (exercise,) = mined(f"Some say so. {twin}", ["keywords"], domain=POLLEN[:3], seed=seed)
        assert exercise.answer == twin
        assert "orchards, neighbouring" in exercise.question.replace(" and ", ", ")


def test_domain_words_come_from_all_partitions():
    line = "The apiarist will disinfect the broodcombs of a hive, the honeycombs and the propagation boxes."
    rows = [passage(line, number) for number in range(3)]
    kept, _ = run(*rows, size=1, tasks=["keywords"])
    assert len(kept) == 3
    kept, dropped = run(*rows[:2], size=1, tasks=["keywords"])
    assert not kept and {row["reason"] for row in dropped} == {"nothing to mine"}


@pytest.mark.parametrize(
    ("title", "text", "asked"),
    [
        (
            "Moving a colony",
            "A colony in a strong hive can be moved at any time of the year. It is hard.",
            True,
        ),
        (
            "4.2. Moving a colony",
            "A colony in a strong hive can be moved at any time of the year. It is hard.",
            True,
        ),
        # The passage shows the title.
        ("Moving a colony", "Moving a colony\n\nA colony in a strong hive can be moved.", False),
        ("4.2. Moving a colony", "§ 4a. Moving a colony —\n\nA colony in a strong hive can be moved.", False),
        ("Moving a colony", "A colony in a strong hive can be moved.\n## 4.2 moving a colony\n", False),
        (
            "Moving a colony",
            "Queens are marked with a dot.\n\nThe dot is blue.",
            False,
        ),  # about something else
        ("moving-colony", "Moving a colony is hard. A colony may die when it is moved.", False),  # a key
        ("Moving a colony", "Moving a colony: see there.", False),  # hardly any text
        ("Notes", "Notes\n\nThe notes of this chapter are short. They are few.", False),  # vague
    ],
)
def test_a_title_is_asked_for_only_if_the_text_is_about_it(title, text, asked):
    exercises = mined(text, ["title"], title="Bees", section=["Summer", title])
    assert [exercise.answer for exercise in exercises] == ["Moving a colony"] * asked


@pytest.mark.parametrize(
    ("sentence", "condition", "consequence"),
    [
        (f"If the drones gather at midday, {REST}.", "If the drones gather at midday.", f"T{REST[1:]}."),
        (f"Unless the drones gather early, {REST}.", "Unless the drones gather early.", f"T{REST[1:]}."),
    ],
)
def test_a_condition_and_its_consequence_are_asked_for(sentence, condition, consequence):
    (exercise,) = mined(sentence, ["condition"])
    assert consequence in exercise.question and exercise.answer == condition
    if condition.startswith("If"):
        (exercise,) = mined(sentence, ["consequence"])
        assert condition[3:].rstrip(".") in exercise.question and exercise.answer == consequence


@pytest.mark.parametrize(
    "sentence",
    [
        "If the queen died of disease, hunger, cold, or other misfortune of this kind.",  # no main clause
        f"If any, {REST}.",
        f"If so, {REST}.",
        f"If defined as a normal hive, {REST}.",  # no subject
        f"If omitted or empty at noon, {REST}.",
    ],
)
def test_a_false_condition_is_not_asked_for(sentence):
    assert mined(sentence, ["condition", "consequence"]) == []


MODALS = [
    (
        "The keeper of a hive can open its lid in the evening.",
        "It is possible for the keeper of a hive to open",
    ),
    (
        "A keeper must feed the hive before the winter sets in.",
        "It is necessary for a keeper to feed the hive",
    ),
    (
        "The queen shall be marked with a blue dot in her first year.",
        "It is required that the queen be marked with a blue dot in her first year.",
    ),
    (
        "A drone cannot gather nectar for the hive of its queen.",
        "It is not possible for a drone to gather nectar",
    ),
]


@pytest.mark.parametrize(("sentence", "same"), MODALS)
def test_a_modal_verb_is_paraphrased(sentence, same):
    (exercise,) = mined(sentence, ["paraphrase"])
    assert sentence in exercise.question and exercise.answer.startswith(same)


OPPOSITES = ("cannot open", "need not feed", "shall not be marked", "can gather nectar")


@pytest.mark.parametrize(
    ("sentence", "same", "opposite"), [(*modal, o) for modal, o in zip(MODALS, OPPOSITES, strict=True)]
)
def test_an_inference_is_entailed_by_its_words_and_contradicted_by_a_negation(sentence, same, opposite):
    seen = set()
    for seed in range(30):
        (exercise,) = mined(sentence, ["inference"], seed=seed)
        label = exercise.answer.lower()
        assert label in ({"yes", "entailment"} if same in exercise.question else {"no", "contradiction"})
        assert (same in exercise.question) != (opposite in exercise.question)
        seen.add(label in {"yes", "entailment"})
    assert seen == {True, False}


def test_however_does_not_mark_a_contradiction():
    for seed in range(20):
        assert mined(f"{FIRST}. However, {REST}.", ["inference"], seed=seed) == []


def test_labels_of_inferences_alternate():
    lines = [f"The keeper of hive {name} must feed the bees of the hive early." for name in "ABCDEFGH"]
    text = " ".join([*lines, f"{FIRST}.", f"The keepers of town agreed that {REST}."])
    language, answers = ENGLISH.only(["inference"]), Counter()
    for seed in range(200):
        (first,), _ = exercises_of(passage(text), language, frozenset(), Options(max_per_task=1), seed)
        answers[first.answer[:3].lower()] += 1
    labels = {"yes": "yes", "ent": "yes", "no": "no", "con": "no", "may": "maybe", "neu": "maybe"}
    shares = Counter()
    for start, count in answers.items():
        shares[labels[start]] += count
    assert len(shares) == 3 and min(shares.values()) > 15 and max(shares.values()) < 120
    assert (
        mined(f"{FIRST}. {REST.capitalize()}. Drones were seen at the lake near town.", ["inference"]) == []
    )


LIST = "The keeper of a hive shall—\n(1) feed the bees in winter;\n(2) mark the queen, with a dot that is—\n(A) white, or\n(B) blue; and\n(3) wait."


@pytest.mark.parametrize(
    "after", ["", "\n(b) Rent.—\nThe rent is due in May.", "\nNothing else is asked of anyone."]
)
def test_an_enumeration_is_asked_for_whole(after):
    (exercise,) = mined(f"(a) Duties.—\n{LIST}{after}", ["enumeration"])
    lead, items = LIST.split("\n", 1)
    assert lead in exercise.question and exercise.answer == items


@pytest.mark.parametrize(
    "text",
    [
        "For the purposes of this section:\n(1) The term “hive” means:\n(A) A box of wood.\n(B) A basket;\nand so on",
        "The keeper of a hive shall—\n(1) feed the bees in winter.\nThe rent is due in May.",  # one item
        "This list shall hold—\n(1) the bees; and\n(2) the queen.",  # a reference to another list
    ],
)
def test_a_truncated_or_ambiguous_list_is_not_asked_for(text):
    assert mined(text, ["enumeration"]) == []


def test_a_heading_of_a_paragraph_and_its_sentence_ask_for_each_other():
    text = f"(a) Waiting.—\n{FIRST}. {REST.capitalize()}.\n(b) In general.—\nDrones are not waited for by the keeper of the hive."
    seen = set()
    for seed in range(20):
        (exercise,) = mined(text, ["heading"], seed=seed)
        assert ("Waiting" if exercise.answer == f"{FIRST}." else FIRST) in exercise.question
        seen.add(exercise.answer)
    assert seen == {"Waiting", f"{FIRST}."}
    (run_in,) = mined(f"(1) Waiting .— {FIRST}.", ["heading"])
    assert {"Waiting" in run_in.question + run_in.answer, FIRST in run_in.question + run_in.answer} == {True}


@pytest.mark.parametrize(
    ("text", "entry", "description"),
    [
        (
            "| Word | Says |\n| --- | --- |\n| drone | noun | A male bee that gathers no nectar for its hive. |",
            "drone",
            None,
        ),
        (
            "`--drone` (`flag`)\n\nCounts the male bees of the hive, too. The default is off.",
            "`--drone`",
            "Counts the male bees of the hive, too.",
        ),
        ("| `drone` `int4` The number of male bees that live in the hive. |", "`drone`", None),
    ],
)
def test_entries_of_tables_and_lists_of_terms_are_asked_for(text, entry, description):
    description = description or text.strip("| ").rsplit("| ", 1)[-1].removeprefix("`drone` `int4` ")
    for seed in range(8):
        (exercise,) = mined(text, ["entry"], seed=seed)
        asked, answer = (entry, description) if exercise.answer == description else (description, entry)
        assert asked in exercise.question and exercise.answer == answer


def test_a_sentence_about_the_text_is_its_summary():
    sentence = "This chapter describes how colonies are moved from one meadow to another."
    for seed in range(10):
        (exercise,) = mined(sentence, ["summary"], seed=seed)
        assert exercise.answer in (sentence, "How colonies are moved from one meadow to another.")


def test_a_meaning_that_contains_its_term_is_not_used():
    assert mined("The term “hive” means any hive in which bees are kept by a keeper.", ["term"]) == []
    (exercise,) = mined("The term “apiary” means any place where bees are kept for honey.", ["term"])
    assert exercise.answer == "Apiary" and "apiary" not in exercise.question.lower()


def test_the_passage_can_be_the_answer_to_its_heading():
    row = passage(
        f"{FIRST}. Moving a colony in a strong hive is easy in the evening.",
        title="Bees",
        section=["Moving a hive"],
    )
    asked, language = Counter(), ENGLISH.only(["title", "writing"])
    for seed in range(40):
        exercises, _ = exercises_of(row, language, frozenset(), Options(), seed)
        (exercise,) = exercises
        asked[exercise.task] += 1
        text = bind(row, exercises, load("reading/layouts").fields, seed)
        assert text.count(row["text"]) == 1 and "Moving a hive" in text.replace(row["text"], "")
        if exercise.task == "writing":
            assert text == f"{exercise.question}\n\n{row['text']}"
    assert asked["title"] > asked["writing"] > 0


def test_the_passage_is_asked_for_by_a_visible_heading_only_with_other_exercises():
    shown = "Moving a colony\n\nA colony in a strong hive can be moved at any time of the year."
    tasks = ["title", "writing", "cause"]
    assert mined(shown, tasks, section=["Moving a colony"]) == []
    more = f"{shown} The hives were moved to the valley due to the strong wind."
    for seed in range(5):
        tasks_used = {
            exercise.task for exercise in mined(more, tasks, section=["Moving a colony"], seed=seed)
        }
        assert "writing" in tasks_used and "title" not in tasks_used and len(tasks_used) == 2


def test_a_long_heading_that_the_passage_quotes_is_not_asked_for():
    text = "The words “Moving colonies over wide distances” were replaced by the keeper in the heading of the law."
    assert mined(text, ["title"], section=["Moving colonies over wide distances"]) == []
    assert len(mined(text, ["title"], section=["Replacing words of a heading"])) == 1


def test_a_passage_that_shows_a_vague_heading_is_not_asked_for_by_the_document_title():
    text = "Notes\n=====\n\nThe bees of a strong hive are well kept through a long winter."
    assert mined(text, ["title"], title="Bees in winter", section=["Notes"]) == []
    below = text.partition("=\n\n")[2]
    assert mined(below, ["title"], title="Bees in winter", section=["Notes"])[0].answer == "Bees in winter"


def test_a_passage_below_a_specific_heading_is_not_asked_for_by_the_one_above_it():
    text = "The bees of a strong hive are well kept through a long winter. They are fed in autumn."
    for heading in ("Hive definitions", "Winter rules"):
        assert mined(text, ["title"], title="Bees in winter", section=[heading]) == []
    (exercise,) = mined(text, ["title"], title="Bees in winter", section=["Definitions"])
    assert exercise.answer == "Bees in winter"


def test_a_heading_that_lost_its_markup_is_not_asked_for():
    text = "Keeping *bees* in winter\n=====\n\nThe bees of a strong hive are well kept through a long winter."
    assert mined(text, ["title", "writing", "keywords"], section=["Keeping bees in winter"]) == []


def test_a_heading_inside_another_visible_heading_is_not_asked_for():
    text = "A colony in a strong hive can be moved at any time of the year. It is hard."
    assert mined(text, ["title"], title="On moving a colony in May", section=["moving a colony"]) == []


def test_copied_answers_come_last_and_are_rare():
    facts = [
        f"The keeper of hive {name} must gather {name} kilograms of honey in May." for name in "ABCDEFGH"
    ]
    plain = [f"Nobody who keeps bees in valley {name} gathers honey before June." for name in "ABCDEFGH"]
    tasks = ["completion", "inference", "title", "writing", "heading"]
    exercises = mined(" ".join(plain + facts), tasks, section=["Gathering honey"])
    counts = Counter(exercise.task for exercise in exercises)
    assert counts["completion"] == 1 and counts["title"] + counts["writing"] <= 1 and counts["inference"] == 3
    crowded = Options(tasks=tasks, max_per_text=3)
    exercises, _ = exercises_of(
        passage(" ".join(plain + facts)), ENGLISH.only(tasks), frozenset(), crowded, 0
    )
    assert {exercise.task for exercise in exercises} == {"inference"}


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (
            "In this chapter:\n(1) the term “swarm” means a cluster of bees that left its hive; and\n(2) others.",
            "The term “swarm” means a cluster of bees that left its hive.",
        ),
        (
            "The term “swarm” includes—\n(A) a cluster of bees that left its hive; or\n(B) one that is lost.",
            "The term “swarm” includes—\n(A) a cluster of bees that left its hive; or\n(B) one that is lost.",
        ),
    ],
)
def test_a_list_can_define_a_term_in_an_item_or_as_a_whole(text, answer):
    (exercise,) = mined(text, ["definition", "enumeration"])
    assert exercise.task == "definition" and "swarm" in exercise.question and exercise.answer == answer


def test_one_match_feeds_one_exercise():
    sentence = f"{FIRST} because the drones gather at midday."
    for seed in range(10):
        assert len(mined(sentence, list(Options().tasks), seed=seed)) == 1
    pair = f"{FIRST}. Therefore, {REST}."
    exercises = [exercise for seed in range(10) for exercise in mined(pair, list(Options().tasks), seed=seed)]
    assert len(exercises) == 10 and len({exercise.task for exercise in exercises}) > 1


def test_templates_are_drawn_per_exercise_and_not_by_position():
    lines = [f"The keeper of hive {name} must feed the bees of the hive early." for name in "ABCDEFGH"]
    questions = {}
    for text in (" ".join(lines), " ".join(reversed(lines))):
        options = Options(tasks=("paraphrase",), max_per_task=8, max_per_text=8)
        exercises, _ = exercises_of(passage(text), ENGLISH.only(options.tasks), frozenset(), options, 0)
        for exercise in exercises:
            questions.setdefault(exercise.answer, set()).add(exercise.question)
    assert len(questions) == 8 and all(len(asked) == 1 for asked in questions.values())
    openings = {next(iter(asked)).split("The keeper")[0] for asked in questions.values()}
    assert len(openings) > 3


PROSE = (
    f"{FIRST}, because the drones gather at midday. The keeper must feed the bees of the hive before winter. "
    f"Therefore, {REST}. A drone is a male bee that does not gather any nectar for its colony. "
    "Beekeepers distinguish several generations of worker bees by colouring."
)
TEXT = f"""\
Waiting for queens
==================

{textwrap.fill(PROSE, 90)}

   hive.open("lid because it is heavy and the entrance is blocked by colouring beekeepers.")

| Because the table is long, | the keeper should wait at the entrance until she has returned |
"""


def test_a_text_contains_its_passage_verbatim_and_a_sentence_feeds_one_exercise():
    kept, dropped = run(passage(TEXT, title="Bees", section=["Waiting for queens"]))
    assert not dropped
    (row,) = kept
    assert (row["kind"], row["task"], row["question"], row["prompt"]) == ("reading", "mined", None, None)
    assert TEXT in row["text"] and row["text"].count(TEXT) == 1
    assert row["lineage"]["prompt"] == "mined/en" and row["lineage"]["prompt_hash"] == load("mined/en").hash
    assert row["lineage"]["passage_id"] == "p0"

    exercises, _ = exercises_of(passage(TEXT), ENGLISH, frozenset(POLLEN), Options(), 0)
    for sentence in (FIRST, REST, "A drone is a male bee", "Beekeepers distinguish"):
        using = [e for e in exercises if sentence[1:] in e.question + e.answer]
        assert len(using) <= 1
    assert not any("hive.open" in e.question + e.answer or "|" in e.question + e.answer for e in exercises)


def test_a_passage_without_prose_is_dropped():
    bare = "list ::= item ('|' item)*\n\n- first\n- second\n"
    kept, dropped = run(passage(bare), passage(TEXT, 1))
    assert len(kept) == 1
    assert [(row["reason"], row["detail"]) for row in dropped] == [
        ("nothing to mine", "0 sentences of prose")
    ]


def test_a_text_is_as_long_as_the_limit_allows():
    text = run(passage(TEXT))[0][0]["text"]
    (shorter,) = run(passage(TEXT), max_chars=len(text) - 1)[0]
    assert TEXT in shorter["text"] and len(TEXT) < len(shorter["text"]) < len(text)
    kept, (dropped,) = run(passage(TEXT), max_chars=len(TEXT))
    assert not kept and (dropped["reason"], dropped["detail"]) == (
        "too long",
        f"{len(TEXT)} characters of passage",
    )


def test_the_limit_counts_tokens_of_the_target(blanks):
    free = run(passage(TEXT))[0][0]["text"]
    size = len(free.split())
    assert run(passage(TEXT), tokenizer=blanks, max_tokens=size)[0][0]["text"] == free
    (shorter,) = run(passage(TEXT), tokenizer=f"{blanks}/tokenizer.json", max_tokens=size - 1)[0]
    assert len(shorter["text"].split()) < size


@pytest.mark.slow
def test_texts_are_drawn_until_the_token_target_is_reached(blanks):
    rows = [passage(f"{TEXT}\n\nHive {number}.", number) for number in range(30)]
    every = {row["lineage"]["passage_id"]: row["text"] for row in run(*rows)[0]}
    target = sum(len(text.split()) for text in every.values()) // 3
    chosen = []
    for size in (30, 7, 1):
        kept, dropped = run(*rows, size=size, tokenizer=blanks, max_total_tokens=target)
        lengths = [len(row["text"].split()) for row in kept]
        assert target - 2 * max(lengths) < sum(lengths) <= target
        assert {row["reason"] for row in dropped} == {"over the token target"}
        assert all(every[row["lineage"]["passage_id"]] == row["text"] for row in [*kept, *dropped])
        chosen.append({row["id"] for row in kept})
    assert chosen[0] == chosen[1] == chosen[2]
    more = {row["id"] for row in run(*rows, tokenizer=blanks, max_total_tokens=2 * target)[0]}
    assert chosen[0] < more
    assert chosen[0] != {
        row["id"]
        for row in run(*rows, tokenizer=blanks, max_total_tokens=target, where=context("mine", seed=1))[0]
    }
    assert run(*rows, tokenizer=blanks, max_total_tokens=0)[0] == []
    with pytest.raises(ValueError, match="needs a tokenizer"):
        Options(max_total_tokens=1)


def test_the_account_counts_tokens_of_passages_and_texts(blanks):
    rows = [passage(TEXT), passage("one two three", 1)]
    table = table_of(TABLES["passages"], rows)
    first = FirstPass(Path(blanks) / "words.parquet")
    pq.write_table(pa.table({"language": ["en"], "word": ["colony"]}), first.words)
    for options, unit, length in (
        (Options(tokenizer=blanks), "tokens", lambda text: len(text.split())),
        (Options(), "characters", len),
    ):
        outcome = stage.apply(table, first, options, context("mine"))
        (text,) = outcome.kept["text"].to_pylist()
        assert outcome.figures == {
            f"passage_{unit}": length(TEXT) + length("one two three"),
            f"bound_{unit}": length(TEXT),
            f"text_{unit}": length(text),
        }


def test_a_missing_tokenizer_is_reported(tmp_path):
    with pytest.raises(UserError, match=r"tokenizer\.json"):
        run(passage(TEXT), tokenizer=str(tmp_path))


def test_structtuning_texts_start_with_their_position_and_no_title_is_asked_for():
    rows = [
        passage(f"{TEXT}\n\nHive {number}.", number, title="Bees", section=["Summer", f"Hive {number}"])
        for number in range(20)
    ]
    kept, _ = run(*rows, structure=True)
    assert len(kept) == 20
    for row in kept:
        before, _, after = row["text"].partition(TEXT)
        number = after.split("Hive ")[1].split(".")[0]
        assert f"─ Hive {number} ◀" in before
    assert not Options(structure=True).asked.count("title") and "title" in Options().asked


def test_structtuning_every_passage_can_have_a_text_with_its_position():
    rows = [passage(TEXT, 0, section=["Hives"]), passage("x ::= y", 1, section=["Grammar"])]
    kept, dropped = run(*rows, structure=True)
    assert [row["reason"] for row in dropped] == ["nothing to mine"]
    kept, dropped = run(*rows, structure=True, raw_without_exercises=True, domain="bees")
    assert len(kept) == 2 and not dropped
    (raw,) = (row for row in kept if "::=" in row["text"])
    assert "─ Grammar ◀" in raw["text"] and raw["text"].endswith("x ::= y")
    assert json.loads(raw["metadata"]) == {"domain": "bees", "exercises": []}
    _, dropped = run(rows[1], raw_without_exercises=True, max_chars=6)
    assert [row["reason"] for row in dropped] == ["too long"]


def test_limits_and_tasks_are_respected():
    facts = [
        f"The keeper of hive {name} must gather {name} kilograms of honey in May." for name in "ABCDEFGH"
    ]
    for per_task, per_text in ((1, 1), (2, 6), (5, 3)):
        options = Options(max_per_task=per_task, max_per_text=per_text)
        exercises, _ = exercises_of(passage(" ".join(facts)), ENGLISH, frozenset(), options, 0)
        tasks = [exercise.task for exercise in exercises]
        assert 0 < len(tasks) <= per_text and all(tasks.count(task) <= per_task for task in tasks)
    assert {e.task for e in mined(TEXT, ["definition"])} == {"definition"}


def test_templates_depend_on_the_seed_only():
    rows = [passage(TEXT, number) for number in range(3)]
    texts = [row["text"] for row in run(*rows)[0]]
    assert texts == [row["text"] for row in run(*rows)[0]]
    assert [texts[1]] == [row["text"] for row in run(rows[1])[0]]
    assert texts != [row["text"] for row in run(*rows, where=context("mine", seed=1))[0]]


@pytest.mark.parametrize(
    ("task", "text", "asked", "answer"),
    [
        (
            "cause",
            "Der Imker stellt die Beute an die Hecke, weil der Wind dort schwächer weht.",
            "Der Imker stellt die Beute an die Hecke.",
            "Weil der Wind dort schwächer weht.",
        ),
        (
            "consequence",
            "Wenn der Honigraum voll ist, muss der Imker eine zweite Zarge aufsetzen.",
            "der Honigraum voll ist",
            "Dann muss der Imker eine zweite Zarge aufsetzen.",
        ),
        (
            "term",
            "Ein Schwarm ist eine Gemeinschaft von Bienen, die mit ihrer Königin den Stock verlassen hat.",
            "eine Gemeinschaft von Bienen, die mit ihrer Königin den Stock verlassen hat",
            "Schwarm",
        ),
        (
            "keywords",
            "Arbeiterinnen sammeln Propolis und Blütenstaub in der Umgebung ihres Bienenstocks.",
            "",
            "",
        ),
    ],
)
def test_german_passages_use_the_german_file(task, text, asked, answer):
    domain = ["blütenstaub", "propolis", "bienenstocks"]
    (exercise,) = mined(text, [task], language=GERMAN, domain=domain)
    if task == "keywords":
        words = "Propolis, Blütenstaub, Bienenstocks"
        asked, answer = (words, text) if exercise.answer == text else (text, words)
    question = exercise.question.replace("Blütenstaub und", "Blütenstaub,")
    assert asked in question and exercise.answer == answer


def test_a_german_text_has_no_english_layout():
    text = "Der Imker stellt die Beute an die Hecke, weil der Wind dort schwächer weht."
    style = load("reading/layouts").fields
    english = [
        part.split("{")[0].strip(" :\n") for part in [*style["intros"], *style["layouts"], *style["sources"]]
    ]
    rows = [passage(text, number, title="Bienen") for number in range(40)]
    kept, _ = run(*rows, language="de")
    assert len(kept) == 40
    for row in kept:
        around = row["text"].replace(text, "")
        assert not any(word in around for word in english if len(word) > 5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pointing": "("}, "pointing"),
        ({"patterns": []}, "patterns"),
        ({"templates": {}}, "no templates for"),
        ({"templates": ENGLISH_FILE["templates"] | {"cause": [{"answer": "{x}", "asks": ["?"]}]}}, "use x"),
    ],
)
def test_an_invalid_language_file_is_reported(tmp_path, change, message):
    fields = load("mined/en").fields | change
    (tmp_path / "mined").mkdir()
    (tmp_path / "mined" / "xx.yaml").write_text(yaml.safe_dump(fields), encoding="utf-8")
    with pytest.raises(UserError, match=message):
        run(passage(TEXT), where=context("mine", prompts=str(tmp_path)), language="xx")


def test_a_language_without_a_file_is_reported():
    with pytest.raises(UserError, match="mined/tlh"):
        run(passage(TEXT), language="tlh")


def test_each_language_has_templates_for_all_tasks():
    tasks = set(Options().tasks)
    for language, least, per_task in ((ENGLISH, 250, 10), (GERMAN, 60, 5)):
        counts = {task: len(group) for task, group in language.templates.items()}
        assert counts.keys() == tasks and sum(counts.values()) >= least and min(counts.values()) >= per_task
        asks = [template.ask for group in language.templates.values() for template in group]
        assert len(set(asks)) == len(asks)
        fed = {feed["task"] for pattern in (*language.sentences, *language.pairs) for feed in pattern.feeds}
        assert tasks - fed == {
            "title",
            "writing",
            "heading",
            "keywords",
            "entry",
            "completion",
            "enumeration",
        }


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


@settings(max_examples=60, deadline=None)
@given(st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=30).map("".join)))
def test_answers_from_any_passage_are_complete(text):
    exercises, _ = exercises_of(
        passage(text, title="Bees in “June"), ENGLISH, frozenset(POLLEN), Options(), 0
    )
    for exercise in exercises:
        assert exercise.question.strip() and exercise.answer.strip()
        if exercise.task in ("completion", "definition", "effect", "cause", "paraphrase", "consequence"):
            assert exercise.answer.rstrip('"”’)').endswith((".", "!", "?", "…"))


ADAPTLLM = {
    "summary and title": {"title", "writing", "heading", "summary"},
    "word to text": {"keywords", "definition", "term", "entry"},
    "natural-language inference": {"inference", "relation"},
    "common-sense reasoning": {"cause", "effect", "condition", "consequence"},
    "paraphrase": {"paraphrase"},
    "completion": {"completion", "enumeration"},
}


def test_adaptllm_all_six_task_types_are_mined_from_a_suitable_text():
    assert set().union(*ADAPTLLM.values()) == set(Options().tasks)
    for name, tasks in ADAPTLLM.items():
        rows = [passage(TEXT, number, title="Bees", section=["Drones and bees"]) for number in range(5)]
        domain = frozenset(["beekeepers", "generations", "colouring"])
        language = ENGLISH.only(tasks)
        exercises = [exercises_of(row, language, domain, Options(tasks=tuple(tasks)), 0)[0] for row in rows]
        assert all(exercises), name


MINT, WARDEN = "The mint of Halden strikes copper coins.", "A warden of the gate reads the ledger at dawn."


@pytest.mark.parametrize(
    ("block", "number", "count"),
    [(0, 2, 0), (0, 3, 1), (1, 2, 1)],  # the next sentence; a later one; one of the next paragraph
)
def test_adjacent_sentences_are_not_called_unrelated(block, number, count):
    sentences = [Sentence(MINT, 0, 1, True), Sentence(WARDEN, block, number, True)]
    assert len(list(miners.unrelated(sentences, ENGLISH))) == count


@pytest.mark.parametrize(("second", "count"), [("attributes", 0), ("metaclass", 1)])
def test_forms_of_one_word_are_one_keyword(second, count):
    text = f"The value of an attribute depends on {second} of the class."
    domain = frozenset(["attribute", second])
    assert len(list(miners.keywords([Sentence(text, 0, 1, True)], ENGLISH, domain))) == count
