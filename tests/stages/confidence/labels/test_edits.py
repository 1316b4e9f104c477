"""Edits of rows: what can be applied, what an edited row has, and which text a verdict is about."""

import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.errors import UserError
from datagen.schema import EXAMPLES, ORIGINAL, chat
from datagen.stages.confidence.labels import edits, file
from tests.support.rows import example

ROW = example(question="When?", context="It leaves at noon.", answer="at noon", logprob=-0.5)
READING = example("reading", text="The ferry leaves at noon.")
PREFERENCE = example("preference", question="When?", answer="at noon", rejected="at one")


def edit(row=ROW, **label):
    return edits.problem(row, {"id": row["id"], **label})


@pytest.mark.parametrize(
    ("row", "label", "problem"),
    [
        (ROW, {"edit": {"answer": "at 12"}}, ""),
        (ROW, {"edit": {"answer": "at 12"}, "original": {"answer": "at noon"}}, ""),
        (
            ROW,
            {"edit": {"answer": "at 12"}, "original": {"answer": "at one"}},
            "answer of the row has changed",
        ),
        (ROW, {"edit": {"answer": "at noon"}}, "already has this text"),
        (ROW, {"edit": {"answer": " \n\u200b"}}, "the new answer is blank"),
        (ROW, {"edit": {"answer": "\ud800"}}, "blank|not valid Unicode"),
        (ROW, {"edit": {"answer": "x\ud800"}}, "not valid Unicode"),
        (ROW, {"edit": {"text": "x"}}, "the row has no text"),
        (ROW, {"edit": {"rejected": "x"}}, "the row has no rejected"),
        (ROW | {"prompt": chat("Other?")}, {"edit": {"question": "x"}}, "not in the prompt"),
        (ROW | {"kind": None}, {"edit": {"answer": "x"}}, "the row has no answer"),
        (READING, {"edit": {"text": "The ferry left."}}, ""),
        (READING, {"edit": {"answer": "x"}}, "the row has no answer"),
        (PREFERENCE, {"edit": {"rejected": "at two"}}, ""),
    ],
)
def test_which_edits_can_be_applied(row, label, problem):
    found = edit(row, **label)
    assert (found == "") == (problem == "")
    assert any(part in found for part in problem.split("|"))


def test_an_edited_row_keeps_its_identity_and_records_its_former_text():
    row = ROW | {"grounding": 0.3, "note": "old"}
    after = edits.edited(row, {"question": "At what time?", "answer": "at 12"}, "apply_edits")
    assert (after["id"], after["context"], after["evidence"]) == (row["id"], row["context"], None)
    assert (after["question"], after["answer"]) == ("At what time?", "at 12")
    assert after["prompt"] == chat("At what time?", row["context"])
    assert (after["logprob"], after["grounding"], after["note"]) == (None, None, None)
    assert after["lineage"] == row["lineage"] | {"stage": "apply_edits"}
    assert json.loads(after[ORIGINAL]) == {"question": "When?", "answer": "at noon"}
    assert {name: edits.restored(after)[name] for name in ("question", "answer", "prompt")} == {
        name: row[name] for name in ("question", "answer", "prompt")
    }


def test_only_the_last_question_of_a_conversation_changes():
    turns = [{"role": "system", "content": "When?"}, *chat("When?", "When? At noon.")]
    after = edits.edited(ROW | {"prompt": turns}, {"question": "Why?"}, "s")
    assert after["prompt"] == [turns[0], {"role": "user", "content": "When? At noon.\n\nWhy?"}]
    inside = [{"role": "user", "content": "Answer in a word. When? As JSON."}]
    assert edits.edited(ROW | {"prompt": inside}, {"question": "Why?"}, "s")["prompt"][0]["content"] == (
        "Answer in a word. Why? As JSON."
    )
    twice = ROW | {"prompt": [{"role": "user", "content": "When? When? Now."}]}
    assert edit(twice, edit={"question": "Why?"}) == "the question is not in the prompt"


def test_a_verdict_is_about_the_text_that_the_label_repeats():
    new = {"id": "1", "verdict": "right", "edit": {"answer": "at 12"}}
    assert edits.is_on_original(new)  # nothing is repeated: the text as generated
    assert edits.is_on_original(new | {"question": "When?", "answer": "at noon"})
    assert not edits.is_on_original(new | {"question": "When?", "answer": "at 12"})
    assert not edits.is_on_original({"id": "1", "verdict": "right", "edit": {}})
    assert not edits.is_on_original({"id": "1", "verdict": "right"})


def test_an_edit_of_an_edited_row_replaces_the_text_as_generated():
    first = edits.edited(ROW, {"answer": "at 12", "question": "Well, when?"}, "s")
    label = edits.new_label(first, {"answer": "at 12:00"}, {"grounding": 1.0})
    assert label["edit"] == {"answer": "at 12:00", "question": "Well, when?"}
    assert label["original"] == {"answer": "at noon", "question": "When?"}
    assert "scores" not in label  # those of the row as generated are recorded with the first edit
    assert edits.problem(ROW, label) == ""
    back = edits.new_label(first, {"answer": "at noon"}, {})
    assert back["edit"] == {"question": "Well, when?"}
    with pytest.raises(UserError, match="already has this text"):
        edits.new_label(ROW, {"answer": "at noon"}, {})


TEXTS = st.text(max_size=20)
EDITS = st.dictionaries(st.sampled_from(file.EDITABLE), TEXTS, max_size=4)
ROWS = st.sampled_from([ROW, READING, PREFERENCE])


@given(ROWS, EDITS, EDITS)
def test_any_edit_is_applied_exactly_or_has_a_reason(row, new, original):
    label = {"id": row["id"], "edit": new, "original": original}
    if edits.problem(row, label):
        return
    schema = pa.schema([*EXAMPLES, (ORIGINAL, pa.string())])
    after = pa.Table.from_pylist([edits.edited(row, new, "s")], schema).to_pylist()[0]
    assert all(after[name] == text for name, text in new.items())
    before = edits.restored(after)
    assert all(before[name] == row.get(name) for name in (*file.EDITABLE, "id", "kind", "prompt"))


LINES = st.fixed_dictionaries(
    {"id": st.sampled_from(["a", "b", ""]) | st.integers()},
    optional={
        "verdict": st.sampled_from([*file.VERDICTS, "perhaps", None]),
        "edit": EDITS | st.none() | st.text() | st.dictionaries(TEXTS, st.integers() | TEXTS),
        "original": EDITS | st.lists(st.integers()),
        "scores": st.dictionaries(TEXTS, st.floats() | st.integers() | TEXTS | st.just(10**400)),
        "question": TEXTS | st.none(),
    },
)


@given(st.lists(LINES, max_size=5))
def test_any_file_is_read_into_valid_labels_or_refused_with_its_line(tmp_path_factory, lines):
    path = tmp_path_factory.mktemp("labels") / "labels.jsonl"
    file.write(lines, path)
    try:
        labels = file.labels_in([path])
    except UserError as error:
        assert f"{path}:" in str(error)
        return
    for label in labels.values():
        assert label.get("verdict", file.SKIP) in file.VERDICTS
        for name in ("edit", "original"):
            assert all(isinstance(text, str) for text in label.get(name, {}).values())
        if "edit" in label:
            assert edits.problem(ROW, label) or label["edit"]
        [float(score) for score in label.get("scores", {}).values()]
    assert set(file.verdicts_among(labels)) <= set(labels)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"question": "q", "answer": "a", "edit": {"answer": "b"}}', 'needs the "id"'),
        ('{"id": "a", "edit": "b"}', '"edit" should be an object of texts'),
        ('{"id": "a", "edit": {"answer": 5}}', '"edit" should be an object of texts'),
        ('{"id": "a", "edit": {"evidence": "b"}}', "'evidence'; it may have question, answer"),
        ('{"id": "a", "edit": {}, "original": []}', '"original" should be an object of texts'),
        ('{"id": "a", "edit": {}, "scores": {"p": "1"}}', '"scores" should be an object of numbers'),
        ('{"id": "a", "edit": {}, "scores": {"p": NaN}}', '"scores" should be an object of numbers'),
        ('{"id": "a", "edit": {"answer": "b"}, "verdict": "fixed"}', "one of right, wrong, skip"),
        ('{"id": "a"}', "one of right, wrong, skip"),
    ],
)
def test_an_invalid_edit_is_reported_with_its_line(tmp_path, line, message):
    (tmp_path / "labels.jsonl").write_text(f'{{"id": "z", "verdict": "right"}}\n{line}\n')
    with pytest.raises(UserError, match=f"labels.jsonl:2: .*{message}"):
        file.read(tmp_path / "labels.jsonl")


def test_a_later_verdict_keeps_the_edit_and_an_empty_edit_withdraws_it(tmp_path):
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    file.write([{"id": "1", "edit": {"answer": "x"}}, {"id": "2", "edit": {"answer": "x"}}], first)
    file.write([{"id": "1", "verdict": "right"}, {"id": "2", "edit": {}}], second)
    labels = file.labels_in([first, second])
    assert labels["1"] == {"id": "1", "edit": {"answer": "x"}, "verdict": "right"}
    assert labels["2"]["edit"] == {} and file.verdicts_among(labels) == {"1": "right"}
