"""Leaks planted in every field, and boilerplate that is not a leak."""

import gzip
import json
import tempfile
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.errors import UserError
from datagen.schema import EXAMPLES, PASSAGES, table_of
from datagen.stage import Partitions
from datagen.stages.filter.decontaminate import passages, stage
from datagen.stages.filter.decontaminate.items import index
from datagen.stages.filter.decontaminate.search import find_leaks, find_runs
from datagen.stages.shared.similarity.vectors import encoder
from tests.support.rows import context, example, partitions, put_through

TEST = "Before any permit is issued the agency shall publish its reasons in the register and wait thirty days for comments from the public."
SHORT = "Which river flows through the old town of Bern?"  # nine words
TINY = "Who wrote Emma?"
FILLER = "This sentence was written for the purpose of standing around the other one and says little."


@pytest.fixture
def recipe(tmp_path):
    items = [{"id": "q7", "question": TEST, "choices": [SHORT, "yes"]}, {"question": TINY, "answer": "yes"}]
    (tmp_path / "test.jsonl").write_text("\n".join(map(json.dumps, items)) + "\n\n", encoding="utf-8")
    return {"file": tmp_path / "recipe.yaml"}


def leaks(rows, recipe, size=None, **options):
    _, dropped = put_through(stage, rows, size, recipe=recipe, **({"against": ["test.jsonl"]} | options))
    assert {row["reason"] for row in dropped} <= {"leaks evaluation data"}
    return {row["id"]: row["detail"] for row in dropped}


@pytest.mark.parametrize("name", ["question", "context", "answer", "rejected", "text"])
def test_a_leak_is_found_in_any_field_and_named(recipe, name):
    text = f"{FILLER} {TEST.upper().replace(' ', '  ')} {FILLER}"
    leaked = leaks(
        [
            example(**{"question": "What?", "answer": "Yes.", name: text}, id="a"),
            example(question="Else?", id="b"),
        ],
        recipe,
        size=1,
    )
    assert list(leaked) == ["a"]
    first = "before any permit is issued the agency shall publish its reasons in the"
    assert leaked["a"] == f"{name} shares with test.jsonl, item q7: {first}"


def test_thirteen_words_leak_and_twelve_do_not(recipe):
    cut = TEST.split()
    rows = [
        example(answer=" ".join(["So", *cut[5:18], "then"]), id="13"),
        example(answer=" ".join(["So", *cut[5:17], "then"]), id="12"),
    ]
    assert list(leaks(rows, recipe)) == ["13"]
    assert sorted(leaks(rows, recipe, words=12)) == ["12", "13"]


@given(st.lists(st.lists(st.sampled_from([TEST, TEST[30:], SHORT, TINY, FILLER]), max_size=3), max_size=6))
def test_the_rows_without_any_run_do_not_leak(rows):
    with tempfile.TemporaryDirectory() as folder:
        items_file = Path(folder) / "test.jsonl"
        items_file.write_text("".join(json.dumps({"question": text}) + "\n" for text in (TEST, SHORT, TINY)))
        options = stage.options(against=[{"path": "test.jsonl"}])
        items = index(options, Path(folder))
    table = table_of(EXAMPLES, [example(question=" ".join(row), id=str(n)) for n, row in enumerate(rows)])
    _, found = find_runs(table, items, table["id"])
    none = np.empty(0, np.int64)
    assert set(find_leaks(table, items, none, options.similar)) <= {*found.tolist()}
    searched = find_leaks(table.take(pa.array(found)), items, none, options.similar)
    assert {int(found[row]): leak for row, leak in searched.items()} == find_leaks(
        table, items, none, options.similar
    )


def test_runs_do_not_cross_fields(recipe):
    cut = TEST.split()
    assert not leaks([example(question=" ".join(cut[:10]), answer=" ".join(cut[10:20]))], recipe)


def test_an_edited_item_leaks_by_similarity(recipe):
    cut = TEST.split()
    for place in (6, 14, 20):
        cut[place] = "other"
    edited = " ".join(cut)
    rows = [
        example("reading", text=f"{FILLER} {edited} {FILLER}", id="edited"),
        example("reading", text=f"{FILLER} {' '.join(cut[:10])} {FILLER}", id="a part"),
    ]
    leaked = leaks(rows, recipe)
    assert list(leaked) == ["edited"]
    assert leaked["edited"].startswith(
        "text has a ROUGE-L of 0.87 with test.jsonl, item q7: before any permit"
    )
    assert not leaks(rows, recipe, similar=0.9)


def test_passages_are_searched_before_generation(recipe):
    rows = [{"id": "a", "document_id": "d", "text": f"{FILLER} {TEST}"}, {"id": "b", "text": FILLER}]
    table = pa.Table.from_pylist(rows, schema=PASSAGES)
    options = passages.options.model_validate({"against": ["test.jsonl"]})
    with tempfile.TemporaryDirectory() as folder:
        stage_context = replace(context("decontaminate_passages", **recipe), output=Path(folder))
        [known] = passages.run(Partitions([lambda names: table]), options, stage_context)
        outcome = passages.apply(table, known, options, stage_context)
    assert outcome.dropped["id"].to_pylist() == ["a"] and outcome.kept["id"].to_pylist() == ["b"]


def test_a_short_item_leaks_as_a_whole(recipe):
    rows = [
        example("reading", text=f"{FILLER} {SHORT} {FILLER}", id="whole"),
        example("reading", text=f"{FILLER} {SHORT[:-6]} {FILLER}", id="part"),
    ]
    assert list(leaks(rows, recipe)) == ["whole"]


@pytest.mark.parametrize(("words", "leaked"), [(8, ["inside", "alone"]), (7, ["alone"])])
def test_an_item_inside_a_sentence_leaks_from_eight_words(tmp_path, recipe, words, leaked):
    item = " ".join(["Which", "river", "flows", "through", "old", "towns", "near", "Bern"][-words:])
    (tmp_path / "one.jsonl").write_text(json.dumps({"question": item}), encoding="utf-8")
    rows = [
        example("reading", text=f"They ask {item} when they meet.", id="inside"),
        example("reading", text=f"They meet. {item}?", id="alone"),
    ]
    assert list(leaks(rows, recipe, against=["one.jsonl"])) == leaked


def test_a_tiny_item_leaks_only_as_a_question(recipe):
    rows = [
        example(question="who wrote “Emma”?", answer="Jane Austen", id="question"),
        example(question="Do you know who wrote Emma?", answer="yes", id="inside"),
        example("reading", text=TINY, id="text"),
    ]
    assert list(leaks(rows, recipe)) == ["question"]


def test_a_set_phrase_of_many_documents_is_excused_and_reported(recipe, tmp_path):
    part = " ".join(TEST.split()[:14])  # of 22 words: 2 of 10 runs
    rows = [example("reading", document=f"d{number}", text=f"{part} {number}") for number in range(11)]
    assert not leaks(rows, recipe, size=4)
    assert len(leaks(rows[:10], recipe, size=4)) == 10
    assert len(leaks(rows, recipe, common=11)) == 11


@pytest.mark.parametrize(("items", "leaked"), [(2, 11), (3, 0)])
def test_words_of_three_items_are_a_set_phrase(tmp_path, recipe, items, leaked):
    phrase = " ".join(TEST.split()[:14])
    lines = [json.dumps({"question": f"{phrase} end{number} here."}) for number in range(items)]
    (tmp_path / "several.jsonl").write_text("\n".join(lines), encoding="utf-8")
    rows = [example("reading", document=f"d{number}", text=f"{phrase} {number}") for number in range(11)]
    assert len(leaks(rows, recipe, against=["several.jsonl"], similar=1)) == leaked


def test_a_whole_item_is_never_a_set_phrase(recipe):
    rows = [example("reading", document=f"d{number}", text=f"{TEST} {number}") for number in range(40)]
    assert len(leaks(rows, recipe, size=4)) == 40


@pytest.mark.parametrize("item", ["Which gas do plants absorb from the air during photosynthesis?", TEST])
def test_an_edited_item_of_many_documents_is_never_a_set_phrase(recipe, tmp_path, item):
    (tmp_path / "one.jsonl").write_text(json.dumps({"question": item}), encoding="utf-8")
    cut = item.split()
    cut[len(cut) // 2] = "toward"
    if len(cut) > 12:
        cut[4], cut[16] = "toward", "toward"
    edited = " ".join(cut)
    rows = [example("reading", document=f"d{number}", text=f"{edited} {number}") for number in range(40)]
    assert len(leaks(rows, recipe, size=4, against=["one.jsonl"])) == 40


def test_many_rows_of_one_document_do_not_make_boilerplate(recipe):
    rows = [example(question=f"Question {number}?", context=TEST, answer="Yes.") for number in range(50)]
    assert len(leaks(rows, recipe, size=7)) == 50


@pytest.mark.parametrize(
    "item",
    [
        "在颁发任何许可证之前，该机构应在登记册中公布其理由，并等待三十天。",
        "قبل إصدار أي تصريح يجب على الوكالة أن تنشر أسبابها في السجل وأن تنتظر ثلاثين يوما لتعليقات الجمهور.",
    ],
)
def test_other_scripts(tmp_path, recipe, item):
    (tmp_path / "test.jsonl").write_text(json.dumps({"q": item}), encoding="utf-8")
    rows = [example("reading", text=f"( {item} )", id="a"), example("reading", text=item[::-1], id="b")]
    assert list(leaks(rows, recipe)) == ["a"]


def test_fields_files_and_folders(tmp_path, recipe):
    folder = tmp_path / "sets"
    folder.mkdir()
    pq.write_table(pa.table({"q": [FILLER], "passage": [TEST]}), folder / "one.parquet")
    with gzip.open(folder / "two.jsonl.gz", "wt") as file:
        file.write(json.dumps({"q": [{"deep": SHORT}], "passage": ""}))
    datasets.Dataset.from_dict({"q": [TINY]}).save_to_disk(folder / "three")
    rows = [
        example("reading", text=TEST, id="passage"),
        example("reading", text=FILLER, id="q"),
        example("reading", text=SHORT, id="deep"),
        example(question=TINY, id="tiny"),
    ]
    assert sorted(leaks(rows, recipe, against=["sets"])) == ["deep", "passage", "q", "tiny"]
    assert sorted(leaks(rows, recipe, against=[{"path": "sets", "fields": ["q"]}])) == ["deep", "q", "tiny"]


def test_a_partition_without_rows(recipe):
    table = pa.Table.from_pylist([], schema=PASSAGES)
    options = passages.options.model_validate({"against": ["test.jsonl"]})
    with tempfile.TemporaryDirectory() as folder:
        stage_context = replace(context("decontaminate_passages", **recipe), output=Path(folder))
        [known] = passages.run(Partitions([lambda names: table]), options, stage_context)
        assert not len(passages.apply(table, known, options, stage_context).kept)


def test_without_test_sets_every_row_is_kept(recipe):
    rows = [example("reading", text=TEST)]
    assert not leaks(rows, recipe, against=[])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("absent.jsonl", "absent.jsonl does not exist"),
        ("notes.txt", "notes.txt is not a .jsonl"),
        ("empty", "empty holds no .jsonl"),
        ("hollow.jsonl", "hollow.jsonl contains no text"),
        ("broken.jsonl", "broken.jsonl cannot be read"),
        ({"path": "test.jsonl", "fields": ["prompt"]}, "has no field 'prompt'; it has id, question, choices"),
    ],
)
def test_user_errors_are_reported(tmp_path, recipe, given, message):
    (tmp_path / "notes.txt").write_text(TEST)
    (tmp_path / "empty").mkdir()
    (tmp_path / "hollow.jsonl").write_text('{"n": 1}\n')
    (tmp_path / "broken.jsonl").write_text('{"q": \n')
    with pytest.raises(UserError, match="against") as error:
        leaks([example("reading", text=TEST)], recipe, against=[given])
    assert message in str(error.value)


LEASE = (
    "The keeper of the lighthouse writes the height of the tide into a book at every change of the watch. "
    "When did the keeper note that the lamp had gone out?"
)
# Two sentences of fewer than 13 words, so that neither alone is the item.
STATED, ASKED = (
    "The porter writes each guest into a red book at night.",
    "When did the porter see that one page was torn?",
)
MIDDLE = "How often must the keeper wind the clock each season?"  # ten words
PROMPT = "Where does the keeper store the oil?"  # seven words


@pytest.fixture
def sets(tmp_path):
    items = [{"question": question} for question in (LEASE, MIDDLE, PROMPT, f"{STATED} {ASKED}")]
    (tmp_path / "set.json").write_text(json.dumps({"version": "1", "data": items}), encoding="utf-8")
    return {"file": tmp_path / "recipe.yaml"}


@pytest.mark.parametrize(
    "row",
    [
        {"context": LEASE.split(". ")[0] + ".", "question": LEASE.split(". ")[1], "answer": "At six."},
        {"text": f"{FILLER} {LEASE.split('. ')[1]} {LEASE.split('. ')[0]}. {FILLER}", "kind": "reading"},
        {"context": STATED, "question": ASKED, "answer": "At six."},
        {"text": f"{FILLER} {ASKED} {STATED} {FILLER}", "kind": "reading"},
        {"question": MIDDLE.replace("wind", "set")},
        {"text": f"{FILLER} {MIDDLE.replace('wind', 'set')} {FILLER}", "kind": "reading"},
        {"question": f"Answer in one word. {PROMPT}"},
        {"text": f"{FILLER}\n\nQuestion: {PROMPT}\nReply: in the tower", "kind": "reading"},
        {"question": f"**{MIDDLE}**".replace("o", "о")},  # Cyrillic
    ],
)
def test_items_in_disguise(sets, row):
    kind = row.get("kind", "instruction")
    rows = [example(kind, **{name: text for name, text in row.items() if name != "kind"}, id="a")]
    assert list(leaks(rows, sets, against=["set.json"])) == ["a"]
    words = ["What", "is", "kept", "in", "the", "house", "of", "the", "keeper?"]
    assert not leaks(
        [example(question=" ".join(words), answer="Oil.", context=FILLER)], sets, against=["set.json"]
    )


FIRST_WORDS = [
    ("Which tower does the keeper climb with oil each night?", "Which", "What"),
    ("Describe the storm that broke the lamp and the bell.", "Describe", "Explain"),
    ("Can the keeper climb the tower with oil at night?", "Can", "Could"),
    ("Welcher Wächter steigt bei Sturm mit der Lampe hinauf?", "Welcher", "Welchen"),
    ("¿Cuándo sube el guarda con aceite a la torre grande?", "Cuándo", "Cómo"),
]
OTHER_FIRST_WORDS = [
    ("Paris burned how many lamps each night of that year?", "Paris", "London"),
    ("Paris burned how many lamps each night of that year?", "Paris", "Which"),
    ("Which lamps burned at the gate on every night then?", "Which", "Hamburg"),
    ("Two lamps burned at the gate on every night then.", "Two", "Six"),
]


@pytest.mark.parametrize("around", ["{}", f"{FILLER} {{}} {FILLER}", "Question: {}", "Task 3 {}"])
@pytest.mark.parametrize(
    ("item", "old", "new", "leaked"),
    [*[(*words, True) for words in FIRST_WORDS], *[(*words, False) for words in OTHER_FIRST_WORDS]],
)
def test_a_changed_first_word_hides_an_item_only_if_it_is_a_name(
    recipe, tmp_path, item, old, new, leaked, around
):
    (tmp_path / "one.jsonl").write_text(json.dumps({"question": item}), encoding="utf-8")
    rows = [example("reading", text=around.format(item.replace(old, new)), id="a")]
    assert bool(leaks(rows, recipe, against=["one.jsonl"])) is leaked


QUALIFIED = [
    ("What is the maximum load that the old stone bridge carries?", "maximum", "greatest", True),
    ("How large is the field behind the mill of the monks?", "large", "extensive", True),
    ("Which lamp includes a wick that the keeper trims by hand?", "includes", "included", True),
    ("Welches frühere Lager der Mönche liegt hinter der alten Mühle?", "frühere", "damalige", True),
    ("Which alleged owner of the mill was heard by the monks?", "alleged", "allegedly", True),
    ("When is a lease of the mill void under the old rule?", "void", "voidable", False),
    ("What does the lender of the mill owe under the rule?", "lender", "lend", False),
    ("What is the maximum load that the old stone bridge carries?", "maximum", "minimum", False),
    ("What is the maximum load that the old stone bridge carries?", "maximum ", "", False),
    ("How large is the field behind the mill of the monks?", "large", "small", False),
    ("Why does the iron gate feel colder than the wooden one?", "colder", "hotter", False),
    ("Does the valve of the pump turn clockwise when it shuts?", "clockwise", "anticlockwise", False),
    ("Which lamp may not be lit before the bell is rung?", "not", "then", False),
    ("Which lamp may not be lit before the bell is rung?", "before", "after", False),
    ("How many mg of the powder does the keeper take daily?", "mg", "spoons", False),
]


@pytest.mark.parametrize(("item", "old", "new", "leaked"), QUALIFIED)
def test_a_reworded_qualifier_hides_no_item_but_another_one_makes_another_item(
    recipe, tmp_path, item, old, new, leaked
):
    (tmp_path / "one.jsonl").write_text(json.dumps({"question": item}), encoding="utf-8")
    rows = [example(question=item.replace(old, new), answer="-", id="a")]
    assert bool(leaks(rows, recipe, against=["one.jsonl"])) is leaked


@pytest.mark.parametrize(
    "question",
    [
        MIDDLE.replace("wind", "never"),  # a significant word
        MIDDLE.replace("keeper", "Warden"),  # a name
        MIDDLE.replace("season", "2 days"),
        "We asked where does the keeper store the oil and the lamp",  # not a separate sentence
    ],
)
def test_a_different_question_is_not_an_item(sets, question):
    assert not leaks([example(question=question, answer="-")], sets, against=["set.json"])


CLAUSE = "The agency shall publish a notice of the hearing in the daily gazette."
NOTICE = "This work is licensed under a Creative Commons Attribution 4.0 licence and may be shared by all."


@pytest.mark.parametrize(
    "item",
    [
        {"choices": [CLAUSE, "It may refuse to do so."]},
        {"options": {"A": CLAUSE, "B": "no"}},
        {"A": CLAUSE, "B": "no"},
        {"option_1": CLAUSE},
        {"answer": CLAUSE[:60]},
        {"choices": {"text": [CLAUSE], "label": ["A"]}},
        {"answer": f"{CLAUSE} {CLAUSE}", "choices": [f"{CLAUSE} {CLAUSE}"]},
    ],
)
def test_answer_options_are_not_items(tmp_path, recipe, item):
    (tmp_path / "options.jsonl").write_text(json.dumps({"question": LEASE, **item}), encoding="utf-8")
    rows = [
        example("reading", text=f"{FILLER} {CLAUSE} {FILLER}", id="clause"),
        example(question=LEASE, id="item"),
    ]
    assert list(leaks(rows, recipe, against=["options.jsonl"])) == ["item"]


def test_shared_licence_lines_and_instructions_are_not_items(tmp_path, recipe):
    task = "Read the following passage with care and answer the question that comes behind it in one word."
    items = [{"task": task, "notice": NOTICE, "question": f"{LEASE} {number}"} for number in range(6)]
    (tmp_path / "all.json").write_text(json.dumps(items), encoding="utf-8")
    rows = [
        example("reading", text=f"{FILLER} {NOTICE}", id="licence"),
        example("reading", text=f"{FILLER} {task}", id="instruction"),
        example("reading", text=f"{FILLER} {LEASE}", id="item"),
    ]
    assert list(leaks(rows, recipe, against=["all.json"])) == ["item"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("list.json", json.dumps([{"q": LEASE}])),
        ("strings.json", json.dumps([LEASE])),
        ("columns.json", json.dumps({"q": [LEASE, "x"], "n": [1, 2]})),
        ("by_id.json", json.dumps({"a": {"q": LEASE}, "b": {"q": "x"}})),
        ("single.json", json.dumps({"q": LEASE, "n": 1})),
        ("squad.json", json.dumps({"data": [{"paragraphs": [{"context": LEASE, "qas": []}]}]})),
        ("set.csv", f'number,q\n1,"{LEASE}"\n'),
        ("semicolons.csv", f'number;q\n1;"{LEASE}, or so"\n'),
        ("set.tsv", f"number\tq\n1\t{LEASE}, or so\n"),
        ("tokens.jsonl", json.dumps({"tokens": LEASE.split()})),
    ],
)
def test_formats_of_test_sets(tmp_path, recipe, name, content):
    (tmp_path / name).write_text(content, encoding="utf-8")
    rows = [example("reading", text=f"{FILLER} {LEASE}", id="a"), example("reading", text=FILLER, id="b")]
    assert list(leaks(rows, recipe, against=[name])) == ["a"]


def test_columns_separated_by_semicolons_are_separate_texts(tmp_path, recipe):
    (tmp_path / "short.csv").write_text("number;q\n1;Who keeps the ledger of Borduria?\n", encoding="utf-8")
    rows = [example(question="Who keeps the ledger of Borduria?", answer="Ann", id="a")]
    assert list(leaks(rows, recipe, against=["short.csv"])) == ["a"]


@pytest.mark.parametrize("role", ["system", "user"])
def test_an_item_in_an_earlier_turn_leaks(recipe, role):
    turns = [{"role": role, "content": TEST}, {"role": "assistant", "content": "So it is."}]
    last = {"role": "user", "content": "And now?"}
    rows = [
        example(question="And now?", answer="No.", prompt=[*turns, last], id="a"),
        example(question="And now?", answer="No.", prompt=[last], id="b"),
        example(question="And now?", answer="No.", reasoning=TEST, id="c"),
    ]
    found = leaks(rows, recipe)
    assert list(found) == ["a", "c"] and found["a"].startswith("prompt shares with")


def test_excused_runs_are_reported(recipe, tmp_path):
    part = " ".join(TEST.split()[:14])
    rows = [example("reading", document=f"d{number}", text=f"{part} {number}") for number in range(12)]
    options = stage.options.model_validate({"against": ["test.jsonl"]})
    stage_context = replace(context("decontaminate", **recipe), output=tmp_path)
    [*stage.run(partitions(rows), options, stage_context)]
    report = json.loads((tmp_path / "report.json").read_text())
    assert {
        "words": " ".join(part.lower().split()[:13]),
        "documents": 12,
        "item": "test.jsonl, item q7",
    } in report["excused"]


REWORDED = {
    "reworded": 0.5,
    "model": "",
    "similar": 1,
}  # vectors of words and letters: the same in another order


@pytest.mark.parametrize(
    ("wording", "leaked"),
    [
        ("Through the old town of Bern, which is the river that flows?", True),
        ("Through the old town of Basel, which is the river that flows?", False),  # another town
        ("Through the old town of Bern, which is the river that never flows?", False),
        ("Which herons nest on the island of the lake when the ice breaks in Bern?", False),
    ],
)
def test_a_reworded_item_leaks_if_anchor_terms_match(recipe, wording, leaked):
    rows = [
        example(question=wording, answer="-", id="question"),
        example("reading", text=f"{FILLER}\n\nPrompt: {wording}\nReply: none", id="line"),
        example(question="What do herons eat in winter on the island?", answer="Fish.", id="other"),
    ]
    assert not leaks(rows, recipe, similar=1)
    details = leaks(rows, recipe, size=2, **REWORDED)
    assert set(details) == ({"question", "line"} if leaked else set())
    for detail in details.values():
        assert detail.startswith("rewords test.jsonl, item q7 (cosine 0.") and wording in detail


@pytest.mark.slow
@pytest.mark.skipif(find_spec(encoder.PACKAGE) is None, reason="the extra encoder is not installed")
def test_the_encoder_finds_reworded_items(tmp_path, recipe):
    pytest.importorskip("torch")
    item = "Which documents are needed to register a car with the county?"
    (tmp_path / "asked.jsonl").write_text(json.dumps({"q": item}), encoding="utf-8")
    rows = [
        example(
            question="What paperwork is required for registering a car with the county?",
            answer="-",
            id="same",
        ),
        example(
            question="Which documents are needed to sell a boat in the next county?", answer="-", id="other"
        ),
    ]
    assert list(leaks(rows, recipe, against=["asked.jsonl"], reworded=0.85)) == ["same"]
