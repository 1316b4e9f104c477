"""The example with all ten families and own pairs, over a share of its real articles, with a scripted model."""

import json
from collections import Counter
from io import StringIO
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from rich.console import Console

from datagen.look.explain import explain
from datagen.look.trail import Trails
from datagen.recipe.load import load_recipe
from datagen.store.parquet import parts
from tests.support.declared import undeclared
from tests.support.finished_run import load, rows
from tests.support.nulls import nulls_in
from tests.support.sentence_writer import ARTICLES
from tests.support.toys import SilentWatcher

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(1800),
]  # 51 stages of up to 50 partitions on one worker

EXAMPLE = Path(__file__).parents[3] / "examples" / "families.yaml"
WRITER = {"engine": "scripted", "model": "tests.support.sentence_writer:model", "licence": "Apache-2.0"}
OPERATORS = ("expand", "refine", "expand_pairs", "chain", "formats")
MODELS = ("generator", "second", "third")


CODE = Path(__file__).parents[3] / "stages" / "shared" / "similarity"


@pytest.fixture(scope="module")
def finished(tmp_path_factory, run_on_workers):
    models = {role: WRITER | {"revision": str(number)} for number, role in enumerate(MODELS)}
    corpus = tmp_path_factory.mktemp("corpus")  # one folder: each source would be a partition of every stage
    for name, text in ARTICLES.items():
        (corpus / f"{name}.txt").write_text(text, encoding="utf-8")
    for name in ("minhash.py", "rouge.py"):
        (corpus / name).write_text((CODE / name).read_text(encoding="utf-8"), encoding="utf-8")
    shares = {f"stages.{stage}.share": 1.0 for stage in ("instruct", "across_passages")}  # of fewer passages
    overrides = {
        "models": models,
        "corpus": [{"path": str(corpus)}],
        "cluster": {"workers": 1},
    } | shares
    return run_on_workers(
        load_recipe(EXAMPLE, overrides), tmp_path_factory.mktemp("families"), SilentWatcher()
    )


@pytest.fixture(scope="module")
def released(finished):
    """The rows of the mixture, which are those of the hand-off with all their columns."""
    return rows(finished, "mix")


def labels(row):
    return json.loads(row["metadata"] or "{}")


def made_by(released, *stages):
    return [row for row in released if row["lineage"]["stage"] in stages]


def test_every_stage_of_a_family_gives_rows(finished):
    for stage in (*finished.manifest["stages"],):
        assert rows(finished, stage), stage


def test_every_stage_declares_the_columns_that_it_adds(finished):
    assert not undeclared(finished, load_recipe(EXAMPLE))


def test_every_row_of_every_stage_is_accounted_for(finished):
    for record in finished.stage_records():
        written = [
            sum(
                pq.read_metadata(path).num_rows
                for path in parts(finished.stage_folder(record["stage"]) / table)
            )
            for table in ("", "dropped")
        ]
        passed_by = record["passed_by"]  # rows of kinds that the stage does not process
        dropped = sum(record["dropped"].values())
        assert written == [record["rows_out"] + passed_by, dropped], record["stage"]
        if record["takes"] == record["gives"]:
            assert record["rows_in"] == record["rows_out"] + dropped, record["stage"]
        elif record["takes"]:
            assert record["rows_in"] <= sum(written) and record["rows_in"] > 0, record["stage"]


def test_the_partitions_of_examples_do_not_multiply_with_the_tables(finished):
    """Two partitions of documents became 71 of examples, most of them nearly empty."""
    counts = {True: [0], False: [0]}  # whether the stage reads examples or candidates -> partitions
    for record in finished.stage_records():
        joins = record["takes"] in ("examples", "candidates")
        counts[joins].append(len(parts(finished.stage_folder(record["stage"]))))
    assert len(counts[True]) > 10 and max(counts[True]) <= max(counts[False])


def test_each_family_hands_off_rows(finished):
    tasks = {row["task"] for row in load(finished, "instructions")}
    passages = {"extractive_question", "comparison", "how_to", "classification", "extraction"}
    assert passages <= tasks  # from passages
    assert {"function", "keywords"} <= tasks  # documents to formats
    assert {"across_passages", "from_seeds", "from_search", "coursework", "own_pairs"} <= tasks
    assert "chain_of_instructions" in tasks
    assert {row["task"] for row in load(finished, "reading")} == {"paragraph"}
    refusals = load(finished, "refusals")
    assert refusals and {row["task"] for row in refusals} == {"not_in_context"}
    assert any("balloon" in row["prompt"][0]["content"] for row in refusals)
    assert (finished.folder / "handoff").is_dir()


def test_operators_formats_and_recycling_hand_off_rows(released, finished):
    operators = {labels(row).get("operator") for row in released}
    assert {None, "coursework", *OPERATORS} <= operators
    assert {row.get("question_decision") for row in released} >= {"rewritten", "kept"}
    assert "rewritten" in {row.get("answer_decision") for row in released}
    shown = {labels(row)["shown"] for row in rows(finished, "describe_formats") if "shown" in labels(row)}
    assert {"instruction", "example"} <= shown
    views = Counter(row["lineage"]["parents"][0] for row in rows(finished, "formats"))
    assert set(views.values()) <= {1, 2} and 2 in views.values()
    assert len({labels(row)["format"] for row in rows(finished, "formats")}) >= 6


def test_parents_are_kept_and_the_row_records_the_replaced_pair(finished):
    final = {row["id"]: row for row in rows(finished, "accept_answers")}
    agreed = rows(finished, "consensus")
    assert agreed
    for row in agreed:
        after = final[row["id"]]
        assert (after["question_before"] or after["question"]) == row["question"]
        assert (after["answer_before"] or after["answer"]) == row["answer"]
    assert any(final[row["id"]]["question_before"] for row in agreed)


def test_children_name_their_parents(finished, released):
    stages = (
        "consensus",
        "answer_questions",
        "across_passages",
        "own_pairs",
        "describe_formats",
        "coursework",
    )
    known = {row["id"] for stage in (*stages, *OPERATORS) for row in rows(finished, stage)}
    children = [row for row in released if labels(row).get("operator") in OPERATORS]
    assert children
    for row in children:
        assert known.intersection(row["lineage"]["parents"])
    own = {row["id"] for row in rows(finished, "own_pairs")}
    assert any(own.intersection(row["lineage"]["parents"]) for row in rows(finished, "assess"))


def test_coursework_names_its_node(released):
    coursework = [row for row in released if labels(row).get("operator") == "coursework"]
    assert coursework
    for row in coursework:
        assert row["lineage"]["node"] == labels(row)["node"] and row["lineage"]["node"][0] == "Computing"
        assert len(row["lineage"]["node"]) == 4


def test_lineage_has_every_model_and_its_licence(finished, released):
    for row in released:
        models = row["lineage"]["models"]
        assert {model["licence"] for model in models} <= {"Apache-2.0"}
        assert bool(models) == (row["lineage"]["stage"] not in ("own_pairs", "paragraph_pairs"))
    revisions = {model["revision"] for row in released for model in row["lineage"]["models"]}
    assert "0" in revisions
    models = finished.manifest["models"]
    assert {role: models[role]["licence"] for role in MODELS} == dict.fromkeys(MODELS, "Apache-2.0")


def test_the_ensemble_asked_every_model(finished):
    for row in rows(finished, "consensus"):
        assert [output["revision"] for output in row["outputs"]] == ["1", "2"]
        won = row["lineage"]["revision"]
        assert (row["original_answer"] is None) == (won == "0")
    assert {row["lineage"]["revision"] for row in rows(finished, "consensus")} == {"0", "1"}


def test_balance_reaches_its_targets_about_other_passages(finished):
    targets = finished.manifest["recipe"]["stages"]["balance"]["targets"]
    first, added = rows(finished, "instruct"), rows(finished, "balance")
    written = Counter(row["task"] for row in [*first, *added])
    asked = {
        (row["task"], row["lineage"]["passage_id"])
        for row in (*first, *rows(finished, "instruct", "dropped"))
    }
    assert {row["task"] for row in added} <= targets.keys()
    for task in targets:
        assert written[task] > Counter(row["task"] for row in first)[task]
    assert not asked.intersection((row["task"], row["lineage"]["passage_id"]) for row in added)


def test_a_question_similar_to_a_seed_is_dropped(finished):
    near = [row for row in rows(finished, "novelty", "dropped") if "exactly" in row["question"]]
    assert near and all("seed" in row["detail"] for row in near)
    kept = [row["question"] for row in rows(finished, "novelty")]
    assert len(kept) == len(set(kept)) and not any("exactly" in question for question in kept)


def test_a_row_is_traceable_to_its_seeds(finished):
    seeds = {row["id"] for row in rows(finished, "seeds")}
    questions = {row["id"]: row for row in rows(finished, "novelty")}
    for task, shown in (("from_seeds", 3), ("from_search", 2)):
        made = [row for row in rows(finished, "answer_questions") if row["task"] == task]
        assert made
        for row in made:
            (parent,) = row["lineage"]["parents"]
            parents = questions[parent]["lineage"]["parents"]
            assert len(parents) == shown and seeds.issuperset(parents)
            assert labels(row)["seeds"] == list(labels(questions[parent])["seeds"])
            assert set(labels(row)["seeds"]) == set(parents)
            assert row["lineage"]["passage_id"] in labels(row)["passages"]


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
    assert unanswered and {row["reason"] for row in unanswered} == {"no passage found"}
    assert not [row for row in rows(finished, "answer_questions") if "balloon" in row["question"]]


def test_rows_across_passages_quote_both(finished):
    passages = {row["id"]: row for row in rows(finished, "dedup_passages")}
    made = rows(finished, "across_passages")
    assert made
    for row in made:
        spans = labels(row)["spans"]
        assert [span["passage_id"] for span in spans] == row["lineage"]["parents"]
        for span in spans:
            passage = passages[span["passage_id"]]
            quote = passage["text"][span["start"] - passage["start"] : span["end"] - passage["start"]]
            assert quote == span["quote"]


def test_every_top_level_function_gives_one_row(finished):
    made = [*rows(finished, "functions"), *rows(finished, "functions", "dropped")]
    code = Counter((row["lineage"]["source"], row["answer"]) for row in made if row["answer"])
    assert code and set(code.values()) == {1}


def test_kept_rows_have_no_null_that_their_type_forbids(finished):
    assert nulls_in(finished) == []
