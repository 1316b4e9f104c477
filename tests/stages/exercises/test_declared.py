"""Declared tasks: inline in a recipe or in a file; mistakes are reported before any request is sent."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from datagen.errors import UserError
from datagen.recipe.load import load_recipe
from datagen.stages.exercises.declared import Declaration, declared
from datagen.stages.exercises.named_checks import CHECKS, parse_check
from datagen.stages.generate.instruct import Options, stage
from tests.support.asked import WHO, ask
from tests.support.generators import STANDARD, TEXT
from tests.support.written import passage

RECIPE = """
name: own
corpus: [{path: docs}]
models: {generator: {engine: scripted, model: "a:b"}}
stages:
  ingest:
  chunk:
  instruct:
    tasks:
      duty:
        prompt: Name one duty that the text describes, and who has it.
        output: {question: question, holder: phrase, reason: text}
        answer: "{holder}. {reason}"
        checks: [about 0.5, numbers, words 3-60]
        weight: 2
"""
DUTY = {"prompt": "Name one duty.", "output": {"question": "question", "answer": "text"}}
GOOD = {"question": "Who must pay the rent of a lease?", "answer": "The tenant must pay the rent."}


def through(task, reply, **fields):
    text = reply if isinstance(reply, str) else json.dumps(reply)
    kept, dropped, requests = ask(stage, [passage(TEXT)], lambda _: text, tasks={"duty": task | fields})
    assert len(kept) + len(dropped) == len(requests) == 1
    return (kept or [dropped[0]["reason"]])[0], requests[0]


def test_a_task_declared_in_a_recipe_writes_requests_and_checks_answers(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text(RECIPE)
    options = load_recipe(path).step("instruct")[1]
    reply = {
        "question": GOOD["question"],
        "holder": "The tenant",
        "reason": "The rent is due on the first day.",
    }
    kept, _, requests = ask(stage, [passage(TEXT)], lambda _: json.dumps(reply), **options.model_dump())
    assert kept[0]["answer"] == "The tenant. The rent is due on the first day."
    prompt = requests[0].messages[-1]["content"]
    assert TEXT.strip() in prompt and "Name one duty" in prompt
    assert prompt.endswith('{"question": "a question", "holder": "a few words", "reason": "a text"}')
    assert list(requests[0].schema["properties"]) == ["question", "holder", "reason"]


def test_a_changed_task_is_rebuilt_alone():
    def keys(prompt):
        tasks = {
            "duty": {"prompt": prompt, "output": {"question": "question", "answer": "text"}},
            "right": {"prompt": "Name one right.", "output": {"question": "question", "answer": "text"}},
        }
        _, _, requests = ask(stage, [passage(TEXT)], lambda _: "{}", tasks=tasks | {"comparison": 1.0})
        return {request.task: request.key(WHO) for request in requests}

    before, after = keys("Name one duty."), keys("Name one duty of the tenant.")
    assert {task for task in before if before[task] != after[task]} == {"duty"}
    assert before.keys() == {"duty", "right", "comparison"}


def test_a_task_can_be_declared_in_a_file_next_to_the_recipe(tmp_path):
    (tmp_path / "duty.yaml").write_text(
        "prompt: Name one duty.\noutput: {question: question, answer: text}\n"
    )
    task = Options(tasks=["./duty.yaml"]).task("./duty.yaml", tmp_path)
    assert task.name == "duty"
    with pytest.raises(UserError, match="cannot be read"):
        Options(tasks=["./gone.yaml"]).task("./gone.yaml", tmp_path)
    (tmp_path / "bad.yaml").write_text("output: {a: novel}\n")
    with pytest.raises(UserError, match="no kind 'novel'"):
        Options(tasks=["./bad.yaml"]).task("./bad.yaml", tmp_path)


def test_a_prompt_can_be_two_templates_and_the_passage_can_be_hidden():
    row, request = through(
        DUTY, GOOD, prompt={"system": "Be brief.", "user": "Read: {{ passage }}"}, shown=False
    )
    assert [message["content"] for message in request.messages] == ["Be brief.", f"Read: {TEXT}".strip()]
    assert row["context"] is None and row["prompt"][-1]["content"] == GOOD["question"]


@pytest.mark.parametrize(
    ("checks", "change", "reason"),
    [
        (["about 0.5"], {"answer": "Bananas ripen under warm yellow lamps."}, "not about the passage"),
        (["numbers"], {"answer": "The tenant must pay 40 crowns."}, "number not in passage"),
        (["words 3-6"], {"answer": "The tenant must pay the rent on the first day."}, "too long"),
        (["words 9-20"], {}, "too short"),
        (["copied"], {"answer": "The tenant pays rent."}, "answer not in passage"),
        (["finished"], {"answer": "The tenant must pay the"}, "unfinished sentence"),
        (["stands_alone"], {"answer": "As the text says, the tenant."}, "refers to the passage"),
        (["asks_alone"], {"question": "Who must pay this?"}, "refers to the passage"),
        (["withholds"], {"question": "Must the tenant pay the rent of a lease?"}, "answer repeats the question"),
        (["original 0.3"], {"answer": "The tenant must pay the rent on the first day of each month."}, "copies the passage"),
        (["particular"], {"question": "Who pays?"}, "asks for nothing in particular"),
        (["of_a_kind"], {"question": "How many tenants must pay the rent?"}, "answer of another kind"),
        (["supported"], {"answer": "The registrar must paint the wooden fence."}, "not supported by the passage"),
        ([], {"question": "The tenant pays."}, "not a question"),
        ([], {"answer": ""}, "empty"),
        ([], {"answer": "Der Pächter muss den Zins an jedem ersten Tag des Monats bezahlen."}, "another language"),
    ],
)  # fmt: skip
def test_each_named_check_drops_with_its_reason(checks, change, reason):
    assert through(DUTY, GOOD | change, checks=checks)[0] == reason
    assert isinstance(through(DUTY, GOOD)[0], dict)


def test_a_quote_is_a_sentence_of_the_passage_and_becomes_the_evidence():
    task = {"prompt": "Ask.", "output": {"evidence": "quote", "question": "question", "answer": "text"}}
    row, request = through(task, GOOD | {"evidence": STANDARD})
    assert row["evidence"] == STANDARD
    assert STANDARD in request.schema["properties"]["evidence"]["enum"]
    assert through(task, GOOD | {"evidence": "Rent is theft."})[0] == "evidence not in passage"


def test_labels_and_list_lengths_are_enforced():
    task = {
        "prompt": "Ask.",
        "output": {"verdict": "one of yes, no", "reasons": "list of 2-3 phrases"},
        "question": "Is the rent due on the first day of each month?",
        "answer": "{verdict}:\n{reasons}",
    }
    row, _ = through(task, {"verdict": "yes", "reasons": ["the lease", "the rent"]})
    assert row["answer"] == "yes:\n- the lease\n- the rent"
    assert through(task, {"verdict": "maybe", "reasons": ["the lease", "the rent"]})[0] == "unparsable"
    assert through(task, {"verdict": "yes", "reasons": ["the lease"]})[0] == "unparsable"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"output": {}}, "at least one field"),
        ({"output": {"answer": "novel"}}, "there is no kind 'novel'"),
        ({"output": {"quoted": "quote"}}, "named evidence"),
        ({"output": {"model_config": "text"}}, "cannot name a field"),
        ({"checks": ["abuot 0.5"]}, "there is no check"),
        ({"checks": ["about 5-6"]}, "takes a share"),
        ({"checks": ["finished 3"]}, "takes no number"),
        ({"answer": "{replies}"}, "cannot be filled"),
        ({"answer": "{answer"}, "cannot be filled"),
        ({"weight": -1}, "greater than or equal"),
        ({"sampling": 1}, "Extra inputs"),
    ],
)  # fmt: skip
def test_an_invalid_declaration_is_reported_before_any_request(change, message):
    with pytest.raises(ValidationError, match=message):
        Options(tasks={"duty": DUTY | change})


@pytest.mark.parametrize("name", ["summary", "round_trip", "a b"])
def test_a_declared_task_cannot_use_a_reserved_name(name):
    with pytest.raises(ValidationError, match="give it another name"):
        Options(tasks={name: DUTY})


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["./extraction.yaml"], "cannot be named 'extraction'"),
        (["extraction", "own/extraction.yaml"], "cannot be named 'extraction'"),
        (["a/risk.yaml", "b/risk.yaml"], "two tasks are named 'risk'"),
        (["./risk.yaml", "risk"], "two tasks are named 'risk'"),
    ],
)
def test_tasks_in_files_cannot_share_a_name(names, message):
    """The answers of one were read as those of the other."""
    tasks = {name: DUTY if name == "risk" else 1 for name in names}
    with pytest.raises(ValidationError, match=message):
        Options.model_validate({"tasks": tasks})


def test_every_check_can_be_named_without_numbers():
    for name in CHECKS:
        assert parse_check(name) == (name, [])


@given(st.text())
def test_any_text_is_parsed_as_a_check_or_reported(text):
    try:
        name, _ = parse_check(text)
    except ValueError:
        return
    assert name in CHECKS


@pytest.mark.slow
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
    )
)
def test_any_other_json_from_a_model_is_dropped_with_a_reason(value):
    row, _ = through(DUTY, json.dumps(value))
    assert isinstance(row, str)


def test_equal_declarations_share_one_task():
    first, second = Declaration.model_validate(DUTY), Declaration.model_validate(DUTY)
    assert declared("duty", first) is declared("duty", second)


SCHEMA = {
    "prompt": "Copy the kind and the term of a lease, and say whether it can be renewed.",
    "output": {"kind": "phrase", "term": "phrase", "renewable": "one of yes, no"},
    "question": "Extract the lease as JSON with the keys kind, term and renewable.",
    "answer": "{json}",
}
LEASE = {"kind": "standard lease", "term": "12 years", "renewable": "yes"}


def test_fields_become_a_json_object_of_the_declared_schema():
    row, _ = through(SCHEMA, LEASE)
    assert json.loads(row["answer"]) == LEASE and list(json.loads(row["answer"])) == list(LEASE)
    assert through(SCHEMA, LEASE | {"renewable": "perhaps"})[0] == "unparsable"
    with_question = SCHEMA | {"output": {"question": "question", "kind": "phrase"}, "question": "{question}"}
    row, _ = through(with_question, {"question": "Which lease lasts 12 years?", "kind": "standard lease"})
    assert json.loads(row["answer"]) == {"kind": "standard lease"}


def test_neither_the_quote_nor_the_reasoning_is_part_of_the_object():
    output = {"evidence": "quote", "reasoning": "text", "kind": "phrase"}
    made = {"evidence": STANDARD, "reasoning": "The lease has a term of 12 years.", "kind": "standard lease"}
    row, _ = through(SCHEMA | {"output": output}, made)
    assert json.loads(row["answer"]) == {"kind": "standard lease"} and row["reasoning"] == made["reasoning"]
    other = "Bananas grow best in warm valleys. The lease has a term of 12 years."
    assert through(SCHEMA | {"output": output}, made | {"reasoning": other})[0] == "not about the passage"


def test_extracted_fields_are_in_the_passage():
    two = {key: SCHEMA["output"][key] for key in ("kind", "term")}
    strict = SCHEMA | {"output": two, "checks": ["fields"]}
    assert isinstance(through(strict, {"kind": "standard lease", "term": "12 years"})[0], dict)
    assert through(strict, {"kind": "standard lease", "term": "15 years"})[0] == "value not in passage"
    assert through(DUTY | {"checks": ["fields"]}, GOOD)[0] == "not the demanded format"
    many = {
        "output": {"terms": "list of 2-3 phrases"},
        "question": "Which terms are there?",
        "answer": "{json}",
    }
    output = {"terms": ["12 years", "6 months"]}
    assert isinstance(through(SCHEMA | many | {"checks": ["fields"]}, output)[0], dict)
    output = {"terms": ["12 years", "7 months"]}
    assert through(SCHEMA | many | {"checks": ["fields"]}, output)[0] == "value not in passage"


def test_no_field_is_named_as_the_object_of_all():
    with pytest.raises(ValidationError, match="none of them json"):
        Declaration.model_validate(SCHEMA | {"output": {"json": "text"}})


def test_classification_by_declared_labels():
    task = {
        "prompt": "Copy a sentence and say whether it is a duty, a right or neither.",
        "output": {"evidence": "quote", "label": "one of duty, right, neither"},
        "question": "Does the text state a duty, a right or neither in this sentence? {evidence}",
        "answer": "{label}",
    }
    row, _ = through(task, {"evidence": STANDARD, "label": "neither"})
    assert row["answer"] == "neither" and row["evidence"] == STANDARD
    assert through(task, {"evidence": STANDARD, "label": "maybe"})[0] == "unparsable"
