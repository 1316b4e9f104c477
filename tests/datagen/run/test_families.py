"""Seeds, search, pairs of passages, formats and code in one run, with a scripted model, up to a hand-off."""

import json
import re
from io import StringIO

import pytest
from rich.console import Console

from datagen.look.explain import explain
from datagen.look.trail import Trails
from datagen.recipe.model import load_recipe
from datagen.run.runner import run
from tests.support.finished_run import load, rows
from tests.support.nulls import nulls_in
from tests.support.toys import Silent

pytestmark = pytest.mark.cluster

RECIPE = """
name: families
corpus: [{path: docs}]
models: {generator: {engine: scripted, model: "tests.datagen.run.test_families:model"}}
cluster: {workers: 1}
stages:
  ingest:
  functions:
  chunk: {min_chars: 40}
  seeds: {path: [seeds.jsonl], language: en}
  own_pairs: {path: [seeds.jsonl], language: en}
  paragraph_pairs:
  across_passages:
  from_seeds: {prompts: 1, shown: 2}
  from_search: {prompts: 1, shown: 1}
  novelty:
  retrieve:
  answer_questions:
  open_questions:
  refuse:
  measure:
  curate:
  dedup:
  mix: {validation: 0.2, max_share: {refusal: 0.9}}
  handoff:
"""
DOCUMENTS = {
    "bridge.md": "The Halvorsen bridge was built in 1871 by Anna Weidlich. It spans the river Tann near the old mill.",
    "anna.md": "Anna Weidlich was born in the village of Corby. She founded a school of engineers in that place.",
    "ferry.md": "The ferry to the island leaves from pier two at noon. In winter the harbour master closes the pier.",
    "area.py": "def area(width, height):\n    return width * height\n",
}
SEEDS = [
    {
        "id": "one",
        "instruction": "When does the ferry to the island leave?",
        "output": "It leaves at noon from pier two.",
    },
    {"id": "two", "instruction": "Who closes the pier in winter?", "output": "The harbour master closes it."},
]
NEW = {
    "from_seeds": [
        "Explain from which pier the ferry to the island leaves.",
        "Who closes the pier in the winter?",
    ],
    "from_search": [
        "Which village was Anna Weidlich born in?",
        "How much does a balloon trip over the island cost?",
    ],
}
ANSWERS = {
    "pier": ("The ferry to the island leaves from pier two at noon.", "The ferry leaves from pier two."),
    "Weidlich": ("Anna Weidlich was born in the village of Corby.", "Anna Weidlich was born in Corby."),
}
HOP = {
    "first": DOCUMENTS["bridge.md"].partition(". ")[0] + ".",
    "second": DOCUMENTS["anna.md"].partition(". ")[0] + ".",
    "question": "In which village was the builder of the Halvorsen bridge born?",
    "answer": "Corby",
}


def model(request):
    """Answer each task as a good generator would."""
    message = request.messages[-1]["content"]
    if request.schema and "new" in request.schema["properties"]:
        return json.dumps({"new": [{"text": text} for text in NEW[request.task]]})
    if request.schema and "summary" in request.schema["properties"]:
        return json.dumps({"summary": "Returns the area of a shape from its width and its height."})
    if request.task == "across_passages":
        first = message.index("Halvorsen") < message.index("Corby")
        turned = HOP if first else HOP | {"first": HOP["second"], "second": HOP["first"]}
        return json.dumps(turned)
    if request.schema and "evidence" in request.schema["properties"]:
        asked = re.search(r"Request: (.*)", message)[1]
        evidence, answer = ANSWERS["Weidlich" if "Weidlich" in asked else "pier"]
        return json.dumps({"evidence": evidence, "answer": answer})
    if request.task == "with_both":
        return "Corby"
    return "The text does not say."


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("families")
    (folder / "docs").mkdir()
    for name, text in DOCUMENTS.items():
        (folder / "docs" / name).write_text(text)
    (folder / "seeds.jsonl").write_text("".join(f"{json.dumps(seed)}\n" for seed in SEEDS))
    (folder / "recipe.yaml").write_text(RECIPE)
    return run(load_recipe(folder / "recipe.yaml"), folder / "outputs", Silent())


def test_each_family_hands_off_rows(finished):
    tasks = {row["task"] for row in load(finished, "instructions")}
    assert {"function", "keywords", "across_passages", "from_seeds", "from_search", "own_pairs"} <= tasks
    assert {row["task"] for row in load(finished, "reading")} == {"paragraph"}
    (refusal,) = load(finished, "refusals")
    assert "balloon" in refusal["prompt"][0]["content"] and refusal["task"] == "not_in_context"


def test_a_question_similar_to_a_seed_is_dropped(finished):
    near = [row for row in rows(finished, "novelty", "dropped") if "winter" in row["question"]]
    assert near and all("seed" in row["detail"] for row in near)
    kept = [row["question"] for row in rows(finished, "novelty")]
    assert len(kept) == len(set(kept)) == 3


def test_a_row_is_traceable_to_its_seeds(finished):
    seeds = {row["id"] for row in rows(finished, "seeds")}
    questions = {row["id"]: row for row in rows(finished, "novelty")}
    made = [row for row in rows(finished, "answer_questions") if row["task"] == "from_seeds"]
    assert made
    for row in made:
        (parent,) = row["lineage"]["parents"]
        assert set(questions[parent]["lineage"]["parents"]) == seeds
        assert set(json.loads(row["metadata"])["seeds"]) == seeds


def test_a_row_its_question_and_its_seeds_can_be_explained(finished):
    (row, *_) = [row for row in rows(finished, "answer_questions") if row["task"] == "from_seeds"]
    trails = Trails(finished)
    related = trails.follow(row["id"]).related
    assert ("made from", row["lineage"]["parents"][0], "from_seeds", row["question"]) in related
    question = trails.follow(row["lineage"]["parents"][0])
    assert {stage for relation, _, stage, _ in question.related if relation == "made from"} == {"seeds"}
    assert [step.stage for step in question.steps] == ["from_seeds", "novelty", "retrieve"]
    for id_ in (row["id"], question.row["id"]):
        out = Console(file=StringIO(), width=200)
        explain(finished, id_, as_json=False, out=out)
        assert "from_seeds" in out.file.getvalue()


def test_a_question_without_passages_is_not_answered(finished):
    unanswered = [
        row for row in rows(finished, "answer_questions", "dropped") if "balloon" in row["question"]
    ]
    assert {row["reason"] for row in unanswered} == {"no passage found"}
    assert not [row for row in rows(finished, "answer_questions") if "balloon" in row["question"]]


def test_kept_rows_have_a_value_wherever_their_type_has_no_none(finished):
    assert nulls_in(finished) == []
