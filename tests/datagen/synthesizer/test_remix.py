"""Labelled paragraphs become rows that the stages' tasks accept, and held-out ones are never trained on."""

import json

import pytest
import yaml
from typer.testing import CliRunner

from datagen.cli import app
from datagen.errors import UserError
from datagen.recipe.errors import RecipeError
from datagen.schema import EXAMPLES, table_of
from datagen.stages.shared.chat_records import example
from datagen.stages.shared.language.rules import language_of
from datagen.store.parquet import part_name, write_table
from datagen.synthesizer import mined
from datagen.synthesizer.drafts import TEMPLATES
from datagen.synthesizer.recipe import TASKS, load_recipe
from datagen.synthesizer.remix import account, as_decoded, remix
from datagen.synthesizer.sets import load, sentence_at


@pytest.fixture
def words():
    return language_of("en")


def test_bonito_labelled_sets_become_rows_of_own_pairs(written, tmp_path):
    recipe, target = load_recipe(written()), tmp_path / "rows.jsonl"
    result = CliRunner().invoke(app, ["remix", str(recipe.file), str(target)])
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
    rows = {row.id: row for row in remix(recipe, load(recipe)) if not row.reason and not row.held_out}
    assert [line["id"] for line in lines] == list(rows)
    paragraphs = {p.id: p for p in load(recipe)}
    for line in lines:
        row, pair = rows[line["id"]], example(line)
        assert paragraphs[row.paragraph].text in pair["prompt"][-1]["content"]
        assert not paragraphs[row.paragraph].held_out
        assert (pair["answer"], line["task"], line["licence"]) == (row.response, row.task, "none")
    assert {line["task"] for line in lines} == set(TASKS)
    assert all(f"{task}: " in result.output for task in TASKS)


def test_sets_give_paragraphs_with_located_answers(written):
    paragraphs = load(load_recipe(written()))
    assert {p.set for p in paragraphs} == {"towns", "trials"}
    for p in paragraphs:
        for question in p.questions:
            assert not question.answer or p.text.startswith(question.answer, question.start)
            assert p.text.endswith(question.conclusion)
    assert 0 < sum(p.held_out for p in paragraphs) < len(paragraphs)


def test_the_confirmed_pairs_of_a_run_are_a_set(written, tmp_path):
    text = "The crew eats at noon. The ferry to Skarholm leaves at noon. It carries eight cars."
    pairs = [
        ("marked_question", "When does the ferry to Skarholm leave?", "At noon."),
        ("yes_no", "Is it so?", "Yes."),
    ]
    rows = [
        {"id": task, "kind": "instruction", "task": task, "question": question, "answer": answer, "context": text,
         "evidence": "The ferry to Skarholm leaves at noon.",
         "lineage": {"title": "Ferries", "document_id": "d", "source": "s", "stage": "instruct", "prompt": "p"}}
        for task, question, answer in pairs
    ]  # fmt: skip
    folder = tmp_path / "outputs/ferries/latest/stages/instruct"
    write_table(table_of(EXAMPLES, rows), folder / part_name(0))
    run = {"path": "outputs/ferries/latest", "format": "run", "licence": "ours", "holdout": 0.0}
    [paragraph] = load(load_recipe(written(sets=[run])))
    assert (paragraph.set, paragraph.title, paragraph.text) == ("ferries", "Ferries", text)
    [question] = paragraph.questions
    assert (question.text, question.answer) == (pairs[0][1], "at noon")  # as in the text
    assert question.start == text.rindex("at noon")  # in the sentence that the question is about
    label = {"question": pairs[0][1], "answer": pairs[0][2], "verdict": "wrong"}
    (tmp_path / "labels.jsonl").write_text(json.dumps(label))
    with pytest.raises(UserError, match="no pair"):
        load(load_recipe(written(sets=[run | {"labels": "labels.jsonl"}])))
    with pytest.raises(UserError, match="cannot read the labels"):
        load(load_recipe(written(sets=[run | {"labels": "others.jsonl"}])))
    with pytest.raises(UserError, match="finished run"):
        load(load_recipe(written(sets=[run | {"path": "outputs/none/latest"}])))


def test_rules_ask_about_answers_in_a_corpus(written, tmp_path):
    folder = tmp_path / "manual"
    folder.mkdir()
    prose = (
        "When the ferry reaches Skarholm, the eight cars are driven to the market square of the island. "
        "The harbour office collects the toll of every passenger who travels on a working day. "
        "Some basic facts can be supplied by annotations of the harbour office in the town of Skarholm. "
        "All bicycles may be carried without a ticket on every crossing between May and September. "
    )
    (folder / "ferry.md").write_text(f"# Ferries\n\n{prose}")
    (folder / "walls.html").write_text("<html><body><p>It is so. See below.</p></body></html>")
    (folder / "plan.bin").write_bytes(b"\0\1")
    corpus = {"path": "manual", "format": "corpus", "licence": "ours", "holdout": 0.0}
    [paragraph] = load(load_recipe(written(sets=[corpus])))
    assert (paragraph.set, paragraph.title) == ("manual", "Ferries")
    asked = {question.text: question.answer for question in paragraph.questions}
    assert asked["What happens when the ferry reaches Skarholm?"] == (
        "the eight cars are driven to the market square of the island"
    )
    assert (
        asked["What may be carried without a ticket on every crossing between May and September?"]
        == "All bicycles"
    )
    assert "Some basic facts" not in asked.values()  # an answer that the task drops
    for question in paragraph.questions:
        assert paragraph.text.startswith(question.answer, question.start)


def test_a_set_is_read_up_to_its_maximum_of_questions(written, tmp_path):
    path = written()
    recipe = yaml.safe_load(path.read_text())
    recipe["sets"] = [recipe["sets"][0] | {"most": 5}]  # two questions per paragraph
    path.write_text(yaml.safe_dump(recipe))
    assert sum(len(paragraph.questions) for paragraph in load(load_recipe(path))) == 6


def test_a_paragraph_of_two_sets_is_held_out_in_both(written, tmp_path):
    path = written()
    recipe = yaml.safe_load(path.read_text())
    recipe["sets"] = [recipe["sets"][0] | {"holdout": 0.0}, recipe["sets"][0] | {"holdout": 0.9}]
    path.write_text(yaml.safe_dump(recipe))
    paragraphs = load(load_recipe(path))
    held_out = {p.text for p in paragraphs if p.held_out}
    assert len(held_out) and not any(p.text in held_out for p in paragraphs if not p.held_out)


def test_an_answer_loses_only_the_full_stop_of_its_sentence(written, tmp_path):
    path = written()
    data = json.loads((tmp_path / "towns.json").read_text())
    text = "The firm moved to the U.S. in May. It sold two."
    qas = [
        {"id": str(n), "question": "What?", "answers": [{"text": answer, "answer_start": text.index(answer)}]}
        for n, answer in enumerate(("U.S.", "two.", "May."))
    ]
    data["data"] = [{"title": "Firm", "paragraphs": [{"context": text, "qas": qas}]}]
    (tmp_path / "towns.json").write_text(json.dumps(data))
    (paragraph,) = (p for p in load(load_recipe(path)) if p.title == "Firm")
    assert [question.answer for question in paragraph.questions] == ["U.S.", "two", "May"]
    assert sentence_at(text, text.index("two")) == "It sold two."


def test_every_task_gives_rows_and_none_trains_on_the_holdout(written):
    recipe = load_recipe(written())
    paragraphs = load(recipe)
    rows = remix(recipe, paragraphs)
    held_out = {p.text for p in paragraphs if p.held_out}
    assert {row.task for row in rows if not row.reason} == set(TEMPLATES)
    for row in rows:
        user = row.messages[-1]["content"]
        assert row.held_out is any(f"~~~\n{text}\n~~~" in user for text in held_out)
    trained = " ".join(row.messages[-1]["content"] + row.response for row in rows if not row.held_out)
    for p in paragraphs:
        if p.held_out:
            assert not any(question.text in trained for question in p.questions)


def test_every_task_can_be_in_a_recipe():
    assert tuple(TEMPLATES) == TASKS


def test_excluded_rows_have_a_reason_and_no_row_is_lost(written):
    path = written()
    everything = remix(load_recipe(path), load(load_recipe(path)))
    recipe = load_recipe(written(tasks=dict.fromkeys(TEMPLATES, 3)))
    rows = remix(recipe, load(recipe))
    assert len(rows) == len(everything)
    counts = account(rows)
    assert sum(sum(of_task.values()) for of_task in counts.values()) == len(rows)
    assert all(of_task["trained on"] <= 3 for of_task in counts.values())
    assert all(row.detail for row in rows if row.reason)


def test_no_question_is_trained_on_that_the_task_would_drop(written, tmp_path):
    recipe = load_recipe(written())
    data = json.loads((tmp_path / "towns.json").read_text())
    wrong = {
        "When was the bridge of Harwick destroyed?": "question is not true",
        "What was built in 1911 by local miners?": "",
        "When was it built?": "refers to the passage",
    }
    answers = {"What was built in 1911 by local miners?": "The bridge of Harwick"}
    paragraph = data["data"][0]["paragraphs"][0]
    paragraph["qas"] = [
        {
            "id": question,
            "question": question,
            "answers": [{"text": (answer := answers.get(question, "1911")),
                         "answer_start": paragraph["context"].index(answer)}],
        }
        for question in wrong
    ]  # fmt: skip
    (tmp_path / "towns.json").write_text(json.dumps(data))
    rows = remix(recipe, load(recipe))
    found = {
        row.response: row.reason for row in rows if row.task == "marked_question" and row.response in wrong
    }
    assert found == wrong


def test_json_rows_have_the_decoders_format(written):
    recipe = load_recipe(written())
    for row in remix(recipe, load(recipe)):
        if row.response.startswith("{") and not row.reason:
            assert row.response == as_decoded(json.loads(row.response))
            assert '":"' in row.response and '": "' not in row.response
    assert as_decoded({"a": "é", "b": "c"}) == '{"a":"é","b":"c"}'


@pytest.mark.slow
def test_the_decoder_can_write_the_rows(written):
    xgrammar = pytest.importorskip("xgrammar")
    testing = pytest.importorskip("xgrammar.testing")
    from datagen.stages.exercises.task import find_task

    recipe = load_recipe(written(tasks={"extractive_question": 2, "closed_book_question": 2}))
    rows = [row for row in remix(recipe, load(recipe)) if not row.reason]
    for row in rows:
        schema = json.dumps(find_task(row.task).schema.model_json_schema())
        grammar = xgrammar.Grammar.from_json_schema(schema, any_whitespace=False, separators=(",", ":"))
        assert testing._is_grammar_accept_string(grammar, row.response)
    assert rows


def test_an_unanswerable_questions_answer_is_not_in_the_passage(written):
    recipe = load_recipe(written())
    paragraphs = {p.id: p for p in load(recipe)}
    answer_of = {question.text: question.answer for p in paragraphs.values() for question in p.questions}
    rows = [row for row in remix(recipe, list(paragraphs.values())) if row.task == "unanswerable"]
    assert rows
    for row in rows:
        text = paragraphs[row.paragraph].text
        question = row.messages[-1]["content"].split("Question: ")[1].split("\n")[0]
        assert answer_of[question].casefold() not in text.casefold()
        assert row.response == "The text does not say."


def test_definitions_falsehoods_and_questions_by_rule(words):
    assert mined.term("A steam turbine is a machine that turns.", words) == "steam turbine"
    assert mined.term("He said it is a machine.", words) == ""
    false = list(mined.falsified("The limit is 40 and is always checked.", words))
    assert any("never checked" in statement for statement in false)
    assert all("40" not in statement for statement in false[:1])
    assert mined.inverted("The list is empty.", "", words) == "Is the list empty?"
    assert mined.inverted("Adults were tested.", "Some adults came.", words) == "Were adults tested?"
    assert (
        mined.inverted("Tesla was born in Smiljan.", "It is said that Tesla lived.", words)
        == "Was Tesla born in Smiljan?"
    )
    assert mined.inverted("Gizmos are sold.", "Nothing tells.", words) == ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tasks": {"riddles": 3}}, "there is no task 'riddles'"),
        (
            {"sets": [{"path": "x.json", "format": "records", "licence": "none"}]},
            "mapping: is required with format: records",
        ),
        ({"training": {"batch_size": 7}}, "multiple of together"),
        ({"trainin": {}}, "did you mean training?"),
    ],
)
def test_recipe_errors_are_reported_with_their_line(written, change, message):
    path = written(**change)
    with pytest.raises(RecipeError, match=message) as error:
        load_recipe(path)
    assert str(error.value).startswith(f"{path}:")


def test_a_file_of_another_format_is_named(written, tmp_path):
    from datagen.errors import UserError

    path = written()
    (tmp_path / "towns.json").write_text('[{"question": "?"}]')
    with pytest.raises(UserError, match=r"towns\.json is not in the format squad"):
        load(load_recipe(path))
