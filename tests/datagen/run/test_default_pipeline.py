"""The default pipeline, from documents to a loadable hand-off, with a scripted model."""

import json
from collections import Counter

import pytest

from datagen.recipe.load import load_recipe
from datagen.report.html import refusals
from datagen.run.runner import run
from tests.support import scribe
from tests.support.declared import undeclared
from tests.support.finished_run import load, rows
from tests.support.nulls import nulls_in
from tests.support.toys import SilentWatcher

pytestmark = pytest.mark.cluster

RECIPE = """
name: atlas
corpus: [{path: atlas}]
models: {generator: {engine: scripted, model: "tests.support.scribe:model"}}
cluster: {workers: 1, partition_mb: 0.002}
stages:
  ingest:
  chunk:
  mine:
  comprehend: {tasks: [extractive_question]}
  instruct: {tasks: [extractive_question, true_false]}
  probe:
  resolve_contradictions:
  unanswerable: {share: 1}
  refuse: {sure: 0.6}
  measure:
  score:
  consistency: {samples: 2, only_if: {p_true: [0.5, null]}}
  difficulty: {only_if: {p_true: [null, 0.5]}}
  curate:
  dedup:
  decontaminate: {against: [leaked.jsonl]}
  select:
  mix: {max_share: {refusal: 0.9}, validation: 0.2}
  handoff:
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("line")
    (folder / "atlas").mkdir()
    scribe.write_atlas(folder / "atlas")
    leaked = {"question": "In which town does the royal archive of Genovia stand?"}
    (folder / "leaked.jsonl").write_text(json.dumps(leaked) + "\n")
    (folder / "recipe.yaml").write_text(RECIPE)
    return run(load_recipe(folder / "recipe.yaml"), folder / "outputs", SilentWatcher())


def test_every_stage_declares_the_columns_that_it_adds(finished):
    assert not undeclared(finished, load_recipe(finished.folder.parents[2] / "recipe.yaml"))


def test_every_stage_accounts_for_its_rows(finished):
    records = finished.stage_records()
    assert [record["stage"] for record in records] == list(finished.manifest["stages"])
    for record in records:
        if record["takes"] == record["gives"]:
            assert record["rows_in"] == record["rows_out"] + sum(record["dropped"].values())


def test_every_product_has_rows_in_a_trainers_format(finished):
    reading = load(finished, "reading")
    assert any("royal archive" in row["text"] and row["task"] == "comprehension" for row in reading)
    pairs = load(finished, "instructions")
    assert {turn["role"] for row in pairs for turn in row["prompt"]} == {"user"}
    assert {turn["role"] for row in pairs for turn in row["completion"]} == {"assistant"}
    grounded = [row for row in pairs if row["task"] == "extractive_question"]
    assert grounded
    for row in grounded:
        country = next(name for name in scribe.CITIES if name in row["prompt"][0]["content"])
        assert row["completion"][-1]["content"] == scribe.CITIES[country]
    assert load(finished, "preferences")[0].keys() >= {"prompt", "chosen", "rejected"}
    assert load(finished, "refusals")


def test_refusals_cover_only_questions_unknown_to_the_target(finished):
    refused = {
        row["prompt"][0]["content"] for row in load(finished, "refusals") if row["task"] == "does_not_know"
    }
    assert refused
    assert not any(country in question for country in scribe.KNOWN for question in refused)
    answered = [row for row in load(finished, "instructions") if row["task"] == "known_question"]
    assert all(any(country in row["prompt"][0]["content"] for country in scribe.KNOWN) for row in answered)


def test_the_leaked_question_is_in_no_product(finished):
    assert {row["reason"] for row in rows(finished, "decontaminate", "dropped")} == {"leaks evaluation data"}
    for product in ("instructions", "refusals", "preferences"):
        assert "archive of Genovia stand?" not in json.dumps(load(finished, product))


def test_every_row_can_be_traced_to_its_document_and_requests(finished):
    documents = {row["id"]: row for row in rows(finished, "ingest")}
    for product in ("reading", "instructions", "refusals", "preferences"):
        for row in load(finished, product):
            lineage = row["lineage"]
            text = documents[lineage["document_id"]]["text"][lineage["start"] : lineage["end"]]
            assert text.strip(), row
            if row["task"] not in {"mined"}:
                stored = finished.completions.find(lineage["requests"])
                assert set(stored) == set(lineage["requests"]) != set()


def test_no_document_is_on_both_sides_of_the_split(finished):
    sides = {}
    for product in ("reading", "instructions", "refusals", "preferences"):
        for row in load(finished, product):
            sides.setdefault(row["lineage"]["document_id"], set()).add(row["split"])
    assert all(len(splits) == 1 for splits in sides.values())
    assert set.union(*sides.values()) == {"train", "validation"}


def test_scores_are_columns_and_only_undecided_rows_cost_requests(finished):
    scored = rows(finished, "difficulty")
    judged = [row for row in scored if row["p_true"] is not None]
    assert judged and {row["kind"] for row in judged} == {"instruction"}
    assert {row["bsdetector"] is None for row in judged} == {False}
    assert all(row["bsdetector"] is None for row in scored if row["kind"] != "instruction")
    assert all(row["ifd"] is None for row in scored)  # p_true decided all rows
    cost = {name: finished.stage_record(name)["cost"] for name in ("score", "consistency", "difficulty")}
    asked = finished.stage_record("consistency")["rows_in"]
    assert cost["score"]["rows"] == cost["consistency"]["rows"] == len(judged) <= asked
    assert cost["difficulty"] == dict.fromkeys(cost["difficulty"], 0)


def test_the_report_shows_rows_drops_and_the_cost_per_row(finished):
    page = (finished.folder / "report.html").read_text()
    assert "royal archive" in page
    assert "leaks evaluation data" in page
    answers, handed_off = (
        finished.stage_record("score")["cost"]["completions"],
        len(rows(finished, "handoff")),
    )
    assert f'<td class="n">{answers / handed_off:.2f}</td>' in page


def test_the_report_shows_refusals_by_kind_and_by_document(finished):
    refused = load(finished, "refusals")
    shown = refusals(finished)
    assert {task: count for task, count, _ in shown["kind"]} == Counter(row["task"] for row in refused)
    everything = Counter(row["lineage"]["source"] for row in [*refused, *load(finished, "instructions")])
    assert {total for _, _, total in shown["kind"]} == {everything.total()}
    of = Counter(row["lineage"]["source"] for row in refused)
    assert all(
        count == of[source] and total == everything[source] for source, count, total in shown["document"]
    )
    assert sorted(count for _, count, _ in shown["document"]) == sorted(of.values())[-10:]
    assert "<h3>Refusals</h3>" in (finished.folder / "report.html").read_text()


def test_kept_rows_have_no_null_that_their_type_forbids(finished):
    assert nulls_in(finished) == []
