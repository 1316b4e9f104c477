"""A plan as printed."""

from datagen.operate.estimates import Plan, Stage
from datagen.recipe.sections import Price
from datagen.report.plan import show


def stage(name, model="", requests=0.0, stored=0.0):
    return Stage(name, model, 100, 50, requests, stored, 10 * requests, 2 * requests, requests)


def test_requests_and_tokens_are_summed_by_model(capsys):
    stages = [
        stage("ingest"),
        stage("instruct", "a", 1000, 500),
        stage("probe", "b", 20),
        stage("ask", "a", 7),
    ]
    plan = Plan("laws", "2026", "pilot p", 10, 100, "f", 5, stages, {"reading": (1204.4, 1100, 1300)})
    plan.taken_over = {"ingest": "r1", "instruct": "", "probe": "", "ask": ""}
    for priced in stages:
        priced.charge(Price(prompt=1, completion=2, stated="2026-11-29"))
    plan.currency, plan.terms = "EUR", "all: EUR 1/2 (as of 2026-11-29)"
    show(plan.as_json())
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "ingest 100 50 r1" in lines
    assert "instruct 100 50 1,000 500 10,000 2,000 0.28 0.00700 new" in lines
    assert "reading 1,204 1,100 to 1,300" in lines
    assert "a: 1,007 requests, 10,070 tokens in, 2,014 tokens out" in lines
    assert "b: 20 requests, 200 tokens in, 40 tokens out" in lines
    assert lines[-2].startswith(
        "5 documents, 100 passages (10 in the basis); 527 of 1,027 requests to send; "
    )
    assert lines[-1] == ("cost EUR 0.00738 (all: EUR 1/2 (as of 2026-11-29))")


def test_a_plan_names_the_stages_whose_cost_is_unknown(capsys):
    stages = [stage("instruct", "a", 1000), stage("probe", "b", 20), stage("ask", "b", 20, 20)]
    for priced, price in zip(stages, [Price(prompt=1), None, None], strict=True):
        priced.charge(price)
    plan = Plan("laws", "2026", "r", 1, 1, "f", 1, stages, {}, currency="USD", terms="generator: USD 1/0")
    show(plan.as_json())
    assert "cost unknown: no price or no hours for probe (generator: USD 1/0)" in capsys.readouterr().out
    plan.currency = ""
    show(plan.as_json())
    assert "no cost: the recipe states no `prices`" in capsys.readouterr().out


def test_a_plan_of_another_recipe_recommends_a_pilot(capsys):
    show(Plan("laws", "2026", "r1", 1, 1, "f", 1, [], {}, current=False).as_json())
    assert "Run a new pilot with --pilot" in capsys.readouterr().out
