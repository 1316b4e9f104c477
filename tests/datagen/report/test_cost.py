"""Cost per row handed off, in tokens and in money."""

import html
import json

import pytest

from datagen.errors import UserError
from datagen.recipe.load import load_recipe
from datagen.recipe.prices import money
from datagen.report.cost import cost_chart, costs
from datagen.report.html import write_report
from datagen.run.folder import open_run
from datagen.run.lifecycle import fingerprint
from tests.support import finished

PRICE = {"prompt": 0.0, "completion": 0.0, "cached": None, "hour": 0.0, "currency": "EUR", "stated": ""}


def record(stage="write", role="generator", pace=None, **cost):
    spent = {"rows": 10, "completions": 20, "prompt_tokens": 4_000, "cached_tokens": 1_000}
    spent |= {"completion_tokens": 2_000} | cost
    kept = {"stage": stage, "model": {"role": role}, "cost": spent, "seconds": 5.0, "rows_out": 8}
    return kept | ({"pace": pace} if pace else {})


def of(records, models=None, **prices):
    stated = {role: PRICE | price for role, price in prices.items()}
    return costs({"recipe": {"prices": stated, "models": models or {}}}, records)


def test_tokens_and_hours_have_a_price():
    [stage] = of([record()], generator={"prompt": 2.0, "completion": 10.0}).stages
    assert stage.money == pytest.approx((4_000 * 2 + 2_000 * 10) / 1e6)
    [stage] = of([record()], generator={"prompt": 2.0, "cached": 0.5, "completion": 10.0}).stages
    assert stage.money == pytest.approx((3_000 * 2 + 1_000 * 0.5 + 2_000 * 10) / 1e6)
    [stage] = of([record(pace=4.0)], generator={"hour": 36.0}).stages
    assert stage.money == pytest.approx(20 / 4 / 3600 * 36)
    [stage] = of([record()], generator={"hour": 36.0}).stages
    assert stage.money is None  # no answer was timed


def test_costs_are_per_row_handed_off_and_a_sum_needs_every_price():
    both = of([record(), record("score", "judge")], generator={"completion": 8.0}, judge={"completion": 4.0})
    assert both.money == pytest.approx((2_000 * 8 + 2_000 * 4) / 1e6)
    assert both.per_row(both.money) == "0.00300" and both.kept == 8
    partly = of([record(), record("score", "judge")], generator={"completion": 8.0})
    assert partly.money is None and partly.per_row(partly.stages[1].money) == ""
    assert partly.terms == "generator: EUR 0/8 per million input/output tokens"


def test_the_chart_shows_tokens_per_row_handed_off():
    free, last = record("curate", completion_tokens=0), record("score") | {"rows_out": 4}
    assert cost_chart([record() | {"rows_out": 10}, free, last]).rows == [["write", 500.0], ["score", 500.0]]
    assert cost_chart([record(), last | {"rows_out": 0}]) is None and cost_chart([free]) is None


def test_a_role_that_names_another_has_its_price():
    models = {"generator": {"engine": "vllm"}, "target": "generator", "judge": "target"}
    [stage] = of([record(role="judge")], models, generator={"completion": 8.0}).stages
    assert stage.money == pytest.approx(0.016)
    [stage] = of([record(role="judge")], models, target={"completion": 4.0}).stages
    assert stage.money == pytest.approx(0.008)
    [stage] = of([record(role="judge")], {"judge": "target", "target": "judge"}, x={"prompt": 1.0}).stages
    assert stage.money is None


@pytest.mark.parametrize(
    ("amount", "shown"),
    [(0, "0.00"), (12.3456, "12.35"), (1234.5, "1,234.50"), (0.00123456, "0.00123"), (3.2e-7, "0.000000320")],
)
def test_small_amounts_are_not_shown_as_powers_of_ten(amount, shown):
    assert money(amount) == shown


@pytest.mark.usefixtures("no_charts")
def test_the_report_shows_tokens_and_money_per_row_by_stage(tmp_path):
    folder = finished.write(tmp_path / "run")
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    text = html.unescape(write_report(open_run(folder)).read_text())
    assert "State <code>prices</code> in the recipe" in text
    manifest["recipe"]["prices"] = {
        "generator": PRICE | {"prompt": 1.0, "completion": 3.8, "stated": "2026-11-29"}
    }
    path.write_text(json.dumps(manifest))
    text = html.unescape(write_report(open_run(folder)).read_text())
    total = (4000 * 1.0 + 800 * 3.8) / 1e6
    assert f"EUR {money(total)}: EUR <b>{money(total / 38)}</b> per row handed off" in text
    assert "EUR 1/3.8 per million input/output tokens (as of 2026-11-29)" in text
    assert f'<td class="n">{money(total / 38)}</td>' in text and "State <code>prices" not in text
    assert f'<td class="n">{4000 / 38:.2f}</td>' in text and f'<td class="n">{800 / 38:.2f}</td>' in text


def recipe(folder, prices):
    (folder / "recipe.yaml").write_text(
        f"name: priced\ncorpus: [{{python: 'pydoc_data.topics:topics'}}]\n{prices}"
    )
    return load_recipe(folder / "recipe.yaml")


def test_a_price_does_not_affect_the_run(tmp_path):
    plain = fingerprint(recipe(tmp_path, ""), {})
    priced = recipe(tmp_path, "prices: {generator: {prompt: 0.15, completion: 0.6, stated: '2026-11-29'}}")
    assert fingerprint(priced, {}) == plain and priced.prices["generator"].completion == 0.6


@pytest.mark.parametrize(
    ("prices", "message"),
    [
        ("prices: {writer: {prompt: 1}}", "there is no such role"),
        ("prices: {generator: {prompt: -1}}", "prices.generator.prompt"),
        ("prices: {generator: {prompt: .inf}}", "prices.generator.prompt"),
        ("prices: {generator: {currency: EUR}, judge: {currency: USD}}", "in one currency"),
        ("prices: {generator: {stated: soon}}", "prices.generator.stated"),
        ("prices: {generator: {stated: '2026-13-01'}}", "prices.generator.stated.*month"),
        ("prices: {generator: {stated: 2026-11-29}}", "prices.generator.stated.*quotes"),
        ("prices: 5", "prices"),
    ],
)
def test_an_invalid_price_is_explained(tmp_path, prices, message):
    with pytest.raises(UserError, match=message):
        recipe(tmp_path, prices)
