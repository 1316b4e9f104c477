"""Plans: estimates from a pilot, and their comparison with the run."""

import random
import statistics

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.errors import UserError
from datagen.operate.estimates import Stage, interval, share_correction
from datagen.operate.pilot import pilot_of, run_pilot
from datagen.operate.plan import plan
from datagen.recipe.load import load_recipe
from datagen.recipe.prices import for_all, read_price
from datagen.recipe.sections import Price
from datagen.report.planned import compare_with_plan, lines
from datagen.run import runner
from datagen.run.folder import earlier_runs
from tests.support import toys


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30))
def test_the_estimate_from_all_passages_is_exact(counts):
    rows = [count for count in counts if count]
    total = sum(counts)
    assert interval(rows, len(counts), len(counts)) == (total, total, total)


@settings(max_examples=50)
@given(st.lists(st.integers(1, 5), max_size=20), st.integers(20, 40), st.integers(41, 10_000))
def test_an_interval_contains_its_estimate_and_the_sample(counts, sampled, passages):
    rows, low, high = interval(counts, sampled, passages)
    assert sum(counts) <= low <= rows <= high or not counts
    assert not counts or rows == pytest.approx(sum(counts) * passages / sampled)
    assert counts or (rows == low == 0 and high > 0)


@pytest.mark.slow
@pytest.mark.parametrize("sampled", [200, 1200])
def test_intervals_have_their_nominal_coverage(sampled):
    draw = random.Random(0)
    held = []
    for _ in range(400):
        passages = [draw.choice([0, 0, 1, 1, 2, 5]) for _ in range(2000)]
        sample = draw.sample(passages, sampled)
        _, low, high = interval([count for count in sample if count], sampled, 2000)
        held.append(low <= sum(passages) <= high)
    assert 0.92 <= statistics.mean(held) <= 0.98


def test_a_large_sample_without_rows_leaves_room_only_for_the_rest():
    assert interval([], 200, 2000) == pytest.approx((0, 0, 27))  # 3 of the sampled 200, in the other 1,800
    assert interval([], 1800, 2000) == pytest.approx((0, 0, 1 / 3))


def test_requests_of_a_share_are_corrected_for_chance():
    assert share_correction(200, 49, 0.3) * 49 == pytest.approx(60)
    assert share_correction(200, 66, 0.3) * 66 == pytest.approx(60)


@pytest.mark.parametrize(
    ("rows", "drawn", "share"), [(200, 10, 0.3), (200, 0, 0.001), (200, 150, 1.0), (0, 0, 0.5)]
)
def test_a_share_that_chance_does_not_explain_is_not_corrected(rows, drawn, share):
    assert share_correction(rows, drawn, share) == 1


def test_a_price_is_parsed_with_its_date():
    dated = Price(prompt=0.15, completion=0.6, hour=2.5, stated="2026-11-29")
    assert read_price("0.15/0.60", 2.5, "2026-11-29") == dated
    assert read_price("", 0, "") is None
    for wrong in (("cheap", 0, ""), ("1", 0, ""), ("1/2", 0, "today"), ("-1/2", 0, ""), ("nan/1", 0, "")):
        with pytest.raises(UserError, match="--price"):
            read_price(*wrong)
    with pytest.raises(UserError, match="--stated is the date of a price"):
        read_price("", 0, "2026-11-29")


def test_only_unanswered_requests_cost_money():
    stage = Stage("instruct", "m", 10, 10, 100, 25, 4e6, 2e6, seconds=1800, cached_tokens=1e6)
    stage.charge(Price(prompt=1, completion=3))
    assert stage.cost == pytest.approx(0.75 * (4 + 2 * 3))
    stage.charge(Price(prompt=1, cached=0.5, completion=3))
    assert stage.cost == pytest.approx(0.75 * (3 + 0.5 + 2 * 3))
    stage.charge(Price(hour=4))
    assert stage.cost == pytest.approx(2), "seconds are those of the unanswered requests"
    stage.seconds = None
    stage.charge(Price(hour=4, prompt=1))
    assert stage.cost is None
    stage.charge(None)
    assert stage.cost is None
    stage.stored = 100
    stage.charge(None)
    assert stage.cost == 0, "answers that are stored cost nothing, whatever the price"


@pytest.fixture
def on_client(on_workers):
    with on_workers():
        yield


@pytest.mark.cluster
def test_a_run_reuses_the_pilots_answers_and_is_compared_with_the_plan(tmp_path, on_client, monkeypatch):
    recipe, outputs = load_recipe(toys.write_recipe(tmp_path)), tmp_path / "outputs"
    with pytest.raises(UserError, match="--pilot"):
        plan(recipe, outputs)
    run_pilot(recipe, outputs, 6, toys.SilentWatcher())
    assert not (outputs / "toy").exists(), "a pilot is not a run of the recipe"
    asks = {"asking": (recipe.stages["asking"] or {}) | {"role": "judge"}}
    with_judge = {"stages": recipe.stages | asks, "prices": {"judge": Price(completion=1e6)}}
    judged = plan(recipe.model_copy(update=with_judge), outputs)
    assert judged.total()["cost"] == pytest.approx(judged.total()["completion_tokens"]), "a role given since"
    planned = plan(recipe, outputs, for_all(Price(prompt=1e6, stated="2026-11-29"), recipe.models))
    asking = next(stage for stage in planned.stages if stage.stage == "asking")
    assert (planned.documents, planned.passages, planned.sampled, planned.current) == (12, 12, 6, True)
    assert (asking.requests, asking.stored) == (24, 12)
    assert planned.taken_over["source"] and not planned.taken_over["asking"]
    total = planned.total()
    assert (total["requests"], total["to_ask"]) == (24, 12)
    assert total["cost"] == pytest.approx(total["prompt_tokens"]) and total["hours"] > 0
    assert planned.terms.endswith(": USD 1e+06/0 per million input/output tokens (as of 2026-11-29)")
    assert plan(recipe, outputs).total()["cost"] is None, "the recipe states no price"
    priced = recipe.model_copy(update={"prices": {"generator": Price(completion=1e6, currency="EUR")}})
    of_recipe = plan(priced, outputs)
    assert of_recipe.currency == "EUR" and of_recipe.current
    assert of_recipe.total()["cost"] == pytest.approx(of_recipe.total()["completion_tokens"])
    other_role = recipe.model_copy(update={"prices": {"judge": Price(completion=1e6)}})
    assert plan(other_role, outputs).total()["cost"] is None, "the generator has no price"
    done = runner.run(recipe, outputs, toys.SilentWatcher())
    assert done.stage_record("source")["taken_over"]
    assert done.stage_record("asking")["requests"]["completions"] == 12
    compared = compare_with_plan(done)
    assert compared["amounts"]["requests"] == [24, 24]
    for tokens in ("prompt_tokens", "completion_tokens"):
        expected, actual = compared["amounts"][tokens]
        assert expected == pytest.approx(actual, rel=0.2)  # half of the passages were sampled
    rows, low, high, actual = compared["rows"]["instructions"]
    assert low <= actual <= high and actual == 16 and rows > 0
    assert "24 (+0.0% of the plan)" in lines(compared)[0]
    with monkeypatch.context() as patch:
        patch.setattr("datagen.operate.plan.Completions.missing", lambda _, keys: pa.repeat(True, len(keys)))
        reused = plan(recipe, outputs)
    assert reused.total()["to_ask"] == 0, (
        "a stage that is reused sends nothing, whatever the sample's requests"
    )
    again = plan(recipe, outputs)
    assert again.total()["to_ask"] == 0 and all(again.taken_over.values())
    with monkeypatch.context() as patch:
        patch.setattr("datagen.operate.plan.foresee", lambda *_: dict.fromkeys(recipe.stages, ""))
        assert not plan(recipe, outputs).current, "the corpus has changed"
    models = recipe.models.model_copy(
        update={"generator": recipe.models.generator.model_copy(update={"revision": "2"})}
    )
    changed = plan(recipe.model_copy(update={"models": models}), outputs).total()
    assert (changed["to_ask"], changed["hours"]) == (24, None), "another model has answered nothing"
    asks = {"asking": (recipe.stages["asking"] or {}) | {"samples": 1}}
    with_samples = recipe.model_copy(update={"stages": recipe.stages | asks})
    assert plan(with_samples, outputs).total()["to_ask"] == 24, "its requests may have changed"
    prompts = tmp_path / "prompts"
    prompts.mkdir()
    (prompts / "toy.yaml").write_text("user: Another prompt")
    with_prompts = recipe.model_copy(update={"prompts": "prompts"})
    assert plan(with_prompts, outputs).total()["to_ask"] == 24, "its prompt may have changed"
    other = recipe.model_copy(update={"seed": 1})
    assert plan(other, outputs).total()["to_ask"] == 24
    assert not plan(other, outputs).current
    assert compare_with_plan(done) is None, "the plan is now that of another recipe"
    assert [run.folder for run in earlier_runs(outputs / "toy")] == [done.folder]
    newer = recipe.model_copy(update={"models": models})
    run_pilot(newer, outputs, 6, toys.SilentWatcher())
    assert plan(newer, outputs).total()["to_ask"] == 12, "the pilot's answers count, although no run has them"


@pytest.mark.cluster
def test_a_pilot_has_no_hand_off_and_samples_before_any_row_is_generated(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("name: r\ncorpus: [{path: .}]\nmin_rows: {reading: 5}\n")
    stages = list(pilot_of(load_recipe(path), 10).stages)
    assert stages.index("pilot") == stages.index("mine") - 1 and "handoff" not in stages
    path.write_text("name: r\ncorpus: [{path: .}]\nstages: {ingest: , chunk: }\n")
    with pytest.raises(UserError, match="produces something from passages"):
        pilot_of(load_recipe(path), 10)
