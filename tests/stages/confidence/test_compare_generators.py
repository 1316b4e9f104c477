"""Coverage, diversity, false positives and cost of two generators with the same prompts."""

import json

import pyarrow as pa
import pytest

from datagen.errors import UserError
from datagen.report.html import generators
from datagen.run.folder import Run
from datagen.schema import EXAMPLES, table_of
from datagen.stages.confidence.compare_generators import stage
from datagen.store.parquet import write_json, write_table
from tests.support.rows import context, example, partitions
from tests.support.runs import record_files

SCORES = {"p_true": pa.float64()}
BILLIONS = {"strong": 6, "weak": 2}


def pair(made_by, passage, number=0, score=0.9, task="qa", requests=("r",)):
    """Make a pair about a passage."""
    row = example(task=task, question=f"Q{number} on {passage}?", answer=f"A{number}.", document=made_by)
    row["lineage"] |= {"stage": made_by, "passage_id": passage, "requests": list(requests)}
    return row | {"p_true": score}


def write_stage(folder, name, kept, dropped=(), samples=1, **cost):
    """Write the folder of a stage that wrote pairs."""
    home = folder / "stages" / name
    write_table(table_of(EXAMPLES, kept), home / "part-00000.parquet")
    write_table(table_of(EXAMPLES, list(dropped)), home / "dropped" / "part-00000.parquet")
    record = {
        "stage": name,
        "gives": "examples",
        "model": {"name": f"{name}-model"},
        "options": {"samples": samples},
    }
    files = {"part-00000.parquet": "", "dropped/part-00000.parquet": ""}
    tokens = {"prompt_tokens": 100, "cached_tokens": 0, "completion_tokens": 100} | cost
    write_json(record | {"cost": tokens, "files": files}, home / "stage.json")


def compared(folder, rows, size=2, **options):
    """Run the stage over rows; return the figures by stage, and the notices."""
    where = context("compare_generators", folder, **options.pop("recipe", {}))
    output = folder / "stages" / "compare_generators"
    output.mkdir(parents=True, exist_ok=True)
    where = type(where)(**{**vars(where), "run_folder": folder, "output": output})
    given = stage.options.model_validate({"billions": BILLIONS} | options)
    read = partitions(rows, size, **SCORES)
    verdicts = list(stage.run(read, given, where))
    assert len(verdicts) == len(read)
    kept = [row for table in read for row in stage.apply(table, None, given, where).kept.to_pylist()]
    assert [row["id"] for row in kept] == [row["id"] for row in rows]
    notices = output / "notices.json"
    figures = json.loads((output / "generators.json").read_text())["compared"]
    return {made["stage"]: made for made in figures}, json.loads(
        notices.read_text()
    ) if notices.exists() else []


@pytest.fixture
def run_folder(tmp_path):
    """Two stages with prompts about p1 to p4; the strong one once each, the weak one three times."""
    strong = [pair("strong", "p1"), pair("strong", "p2")]
    failed = [pair("strong", "p3", score=None), pair("strong", "p4", score=None)]
    weak = [
        pair("weak", passage, number, 0.2 if number == 2 else 0.8)
        for passage in ("p1", "p2", "p3")
        for number in (0, 1, 2)
    ]
    write_stage(tmp_path, "strong", strong, failed)
    write_stage(
        tmp_path, "weak", weak, [pair("weak", "p4")], samples=3, prompt_tokens=300, completion_tokens=300
    )
    return tmp_path, [*strong, *weak]


def test_coverage_diversity_and_false_positives_are_over_the_prompts(run_folder):
    figures, _ = compared(*run_folder)
    strong, weak = figures["strong"], figures["weak"]
    assert (strong["prompts"], strong["coverage"], strong["pairs"], strong["diversity"]) == (4, 0.5, 2, 0.5)
    assert (weak["prompts"], weak["coverage"], weak["pairs"], weak["diversity"]) == (4, 0.75, 9, 2.25)
    assert (strong["audited"], strong["false_positives"]) == (2, 0)
    assert (weak["audited"], weak["false_positives"]) == (9, pytest.approx(1 / 3))
    assert strong["model"] == "strong-model" and weak["samples"] == 3


def test_costs_are_matched_if_samples_make_up_for_parameters(run_folder):
    figures, notices = compared(*run_folder)
    assert figures["strong"]["flops"] == figures["weak"]["flops"] == 2 * 6e9 * 200
    assert not notices


def test_unmatched_costs_are_named_with_the_samples_that_match_them(run_folder):
    folder, rows = run_folder
    write_stage(folder, "weak", rows[2:], samples=2, prompt_tokens=200, completion_tokens=200)
    _, notices = compared(folder, rows)
    assert notices == ["weak cost 67% of strong: samples: 3 would match it"]


def test_cached_tokens_cost_nothing(run_folder):
    folder, rows = run_folder
    write_stage(folder, "strong", rows[:2], prompt_tokens=100, cached_tokens=90)
    figures, _ = compared(folder, rows)
    assert figures["strong"]["flops"] == 2 * 6e9 * 110


def test_repeated_pairs_count_once(run_folder):
    folder, rows = run_folder
    again = [pair("weak", "p1", 0) | {"id": f"copy {n}", "answer": "a0!"} for n in range(3)]
    write_stage(folder, "weak", [*rows[2:], *again])
    assert compared(folder, rows)[0]["weak"]["pairs"] == 9


def test_only_common_prompts_are_compared(run_folder):
    folder, rows = run_folder
    more = [pair("weak", "p9"), pair("weak", "p1", task="other")]
    unasked = [pair("strong", "p9", requests=()), pair("strong", "p1", task="other", requests=())]
    write_stage(folder, "weak", [*rows[2:], *more], [pair("weak", "p4")])
    write_stage(folder, "strong", rows[:2], [pair("strong", "p3"), pair("strong", "p4"), *unasked])
    figures, _ = compared(folder, [*rows, *more])
    assert figures["weak"]["prompts"] == figures["strong"]["prompts"] == 4
    assert figures["weak"]["pairs"] == figures["weak"]["audited"] == 9


def test_pairs_without_a_score_are_not_audited(run_folder):
    folder, rows = run_folder
    figures, _ = compared(folder, [row | {"p_true": None} for row in rows])
    assert figures["weak"]["audited"] == 0 and figures["weak"]["false_positives"] is None


def test_the_threshold_of_the_audit_is_an_option(run_folder):
    assert compared(*run_folder, least=0.85)[0]["weak"]["false_positives"] == 1


def test_mistakes_are_explained(run_folder):
    folder, rows = run_folder
    with pytest.raises(UserError, match="no stage none before"):
        compared(folder, rows, billions={"strong": 1, "none": 2})
    with pytest.raises(UserError, match="no score 'consistency'"):
        compared(folder, rows, score="consistency")
    write_stage(folder, "weak", [pair("weak", "p9")])
    with pytest.raises(UserError, match="strong and weak sent no prompt in common"):
        compared(folder, rows)
    write_json({"stage": "weak", "gives": "examples", "files": {}}, folder / "stages" / "weak" / "stage.json")
    with pytest.raises(UserError, match="weak does not write pairs with a model"):
        compared(folder, rows)


def test_the_report_reads_the_comparison(run_folder):
    compared(*run_folder)
    record_files(run_folder[0] / "stages" / "compare_generators")
    read = generators(Run(run_folder[0], {"stages": ["strong", "compare_generators"]}))
    assert [made["stage"] for made in read["compare_generators"]["compared"]] == ["strong", "weak"]
