"""Views of a pair in demanded formats."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from datagen.prompt import load
from datagen.schema import EXAMPLES, table_of
from datagen.stages.generate.format_control.demands import Demands
from datagen.stages.generate.format_control.rewrite import stage
from datagen.stages.shared.formats import FORMATS, read
from tests.support.asked import WHO, answers_to, ask
from tests.support.generators import HOSTILE_TEXT
from tests.support.pairs import ANSWER, LONG_ANSWER, QUESTION, RENEWAL, labels, parent
from tests.support.rows import context

PARTS = [
    "To renew a standard lease, the tenant files a notice with the registrar",
    "The registrar records the notice in the land register and sends a copy to the owner",
    "The owner may object within 30 days",
]


def formatted(name, names, count, parts=PARTS):
    """Write the long answer in a format, as a good generator would."""
    texts = [f"{part}." for part in parts]
    if name in ("json", "yaml"):
        value = dict(zip(names, [texts[0], " ".join(texts[1:])], strict=True))
        return json.dumps(value) if name == "json" else "\n".join(f'{k}: "{v}"' for k, v in value.items())
    if name in ("numbered_list", "bulleted_list"):
        items = [*texts[: count - 1], " ".join(texts[count - 1 :])] if count <= 3 else [*texts, "The notice."]
        marks = (f"{n}." if name == "numbered_list" else "-" for n in range(1, count + 1))
        return "\n".join(f"{mark} {item}" for mark, item in zip(marks, items, strict=True))
    if name == "one_line":
        return " ".join(texts)
    cells = [list(names), *(["notice", text] for text in texts)]
    if name == "csv":
        return "\n".join(f'{first},"{second}"' for first, second in cells)
    if name == "markdown_table":
        return "\n".join("| " + " | ".join(row) + " |" for row in [cells[0], ["---", "---"], *cells[1:]])
    if name == "html_table":
        rows = ("".join(f"<td>{cell}</td>" for cell in row) for row in cells)
        return "<table>" + "".join(f"<tr>{row}</tr>" for row in rows) + "</table>"
    return "\\begin{tabular}{ll}" + " \\\\ ".join(" & ".join(row) for row in cells) + "\\end{tabular}"


def demanded(request):
    """Find the names and the count in the demand of a request."""
    form = load("formats/demands").fields["formats"][request.about]
    asked = request.messages[-1]["content"].rpartition("~~~")[2]
    names = next((names for names in form.get("names", []) if ", ".join(names) in asked), [])
    count = next((count for count in form.get("counts", []) if f" {count} " in asked), 0)
    return names, count


def good(request):
    return formatted(request.about, *demanded(request))


def row(question=RENEWAL, **fields):
    return parent(question, LONG_ANSWER, **fields)


def only(name, model=good, rows=None, **options):
    return ask(stage, rows or [row()], model, **{"formats": [name], "one_shot": 0.0} | options)


@pytest.mark.parametrize("name", FORMATS)
def test_a_good_answer_in_each_format_is_kept_and_its_parser_accepts_it(name):
    (made,), dropped, (request,) = only(name)
    assert not dropped
    row_labels = labels(made)
    assert row_labels["operator"] == "formats" and row_labels["format"] == row_labels["view"] == name
    parsed = read(name, made["answer"])
    assert list(parsed.names) == row_labels["names"]
    assert not row_labels["count"] or len(parsed.rows) == row_labels["count"]
    assert (
        made["question"] == f"{RENEWAL}\n\n{row_labels['demand']}"
        and row_labels["demand"] in request.messages[-1]["content"]
    )
    assert made["prompt"][-1]["content"].endswith(made["question"])
    assert made["lineage"]["parents"] == [row()["id"]]


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "one_line"])
def test_the_plain_answer_is_not_in_a_format(name):
    _, (dropped,), _ = only(name, lambda request: LONG_ANSWER)
    assert dropped["reason"] == "not the demanded format"


def test_a_code_fence_around_the_answer_is_removed():
    (made,), _, _ = only("json", lambda request: f"```json\n{good(request)}\n```")
    assert made["answer"].startswith("{")
    assert only("json", lambda request: f"Sure:\n```json\n{good(request)}\n```")[1]


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("json", lambda text: text.replace('{"', '{"the '), "other names than demanded"),
        ("markdown_table", lambda text: text.replace("| ", "| The ", 1), "other names than demanded"),
        ("numbered_list", lambda text: f"{text}\n{len(text.splitlines()) + 1}. The owner", "another number of items"),
        ("bulleted_list", lambda text: text.rpartition("\n")[0], "another number of items"),
        ("json", lambda text: text.replace("30 days", "45 days"), "number not in passage"),
        ("csv", lambda text: "\n".join(text.splitlines()[:2]), "leaves out what the answer says"),
        ("one_line", lambda text: f"{text} Bananas ripen, parrots sing, rivers freeze, trains depart, bakers knead, sailors wait.",
         "adds to the answer"),
    ],
)  # fmt: skip
def test_a_subtly_wrong_answer_in_a_format_is_dropped(name, change, reason):
    kept, (dropped,), _ = only(name, lambda request: change(good(request)))
    assert not kept and dropped["reason"] == reason


FACTS = "The lease ends in autumn unless the owner objects. The tenant may not sublet the land within 30 days of it."


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda text: text, None),
        (lambda text: text.replace("30 days", "days"), "loses a number"),
        (lambda text: text.replace("may not", "may"), "loses a negation"),
        (lambda text: text.replace("unless", "if"), "loses a condition"),
        (lambda text: text.replace("ends", "never ends"), "adds a negation"),
        (lambda text: text.partition(". ")[0] + ".", "leaves out what the answer says"),
    ],
)
def test_a_view_that_lost_a_fact_is_dropped(change, reason):
    """The parser accepts all of them."""
    view = parent(
        RENEWAL, f"Certainly so. {FACTS}", context=None, evidence=None
    )  # of which a view may lack little
    kept, dropped, _ = only("one_line", lambda _: change(FACTS), [view], coverage=0.5)
    assert [row["reason"] for row in dropped] == ([reason] if reason else [])
    assert len(kept) == (reason is None)


@pytest.mark.parametrize("hostile", sorted(HOSTILE_TEXT.keys() - {"a thought", "another thought"}))
@pytest.mark.parametrize("name", ["json", "csv", "numbered_list"])
def test_hostile_text_never_enters_a_formatted_answer(name, hostile):
    def model(request):
        names, count = demanded(request)
        parts = [HOSTILE_TEXT[hostile](part) for part in PARTS]
        return formatted(
            name, names, count, parts if hostile in ("empty", "blank") else [*PARTS[:2], parts[2]]
        )

    assert not only(name, model)[0]


def test_the_scorecard_measures_kept_and_added_words():
    (made,), _, _ = only("one_line", lambda _: f"{LONG_ANSWER} Bananas.")
    scores = labels(made)["scores"]
    assert scores["formatting"] == 1 and scores["coverage"] == 1 and 0.9 < scores["grounding"] < 1
    without = LONG_ANSWER.replace("and sends a copy to the owner", "")
    (made,), _, _ = only("one_line", lambda _: without, coverage=0.5)
    assert labels(made)["scores"]["coverage"] < 1


def test_a_row_gets_the_requested_number_of_views_each_with_its_own_demand():
    kept, dropped, requests = ask(stage, [row()], good, views=4, one_shot=0.0)
    assert not dropped and len(kept) == len(requests) == 4
    assert len({labels(made)["view"] for made in kept}) == 4
    assert len({labels(made)["demand"] for made in kept}) == 4
    assert all(made["question"].startswith(RENEWAL) for made in kept)


def test_no_wording_demands_two_formats():
    fields = load("formats/demands").fields
    forms = {name: dict(form) for name, form in fields["formats"].items()}
    forms["csv"]["demands"] = forms["json"]["demands"]
    with pytest.raises(ValidationError, match="demands both json and csv"):
        Demands.model_validate(fields | {"formats": forms})


def test_weights_choose_the_formats_and_an_unknown_one_is_an_error():
    kept, _, _ = ask(stage, [row()], good, views=9, one_shot=0.0, formats={"json": 1, "yaml": 0})
    assert [labels(made)["view"] for made in kept] == ["json"]
    for formats in ({"toml": 1}, {}, {"json": 0}, {"json": -1}):
        with pytest.raises(ValidationError):
            stage.options(formats=formats)


def test_a_short_answer_is_not_written_as_a_table_or_a_list():
    for name in ("csv", "numbered_list"):
        _, (dropped,), requests = only(name, rows=[parent(QUESTION, "12 years")])
        assert not requests and dropped["reason"] == "no format for it"
    _, _, requests = ask(stage, [parent(QUESTION, ANSWER)], good, formats=["json"])
    assert len(requests) == 1


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Is this a duty, a right or neither? Answer with the class alone.", "duty"),
        ("Extract the lease as JSON with the keys term and end.", '{"term": "12 years", "end": "autumn"}'),
    ],
)
def test_a_question_that_demands_a_form_gets_no_other_demand(question, answer):
    kept, (dropped,), requests = ask(stage, [parent(question, answer)], good)
    assert not kept and not requests and dropped["reason"] == "no format for it"


def test_an_object_that_repeats_a_value_is_dropped():
    def repeated(request):
        names, _ = demanded(request)
        return json.dumps(dict.fromkeys(names, LONG_ANSWER))

    kept, (dropped,), _ = only("json", repeated)
    assert not kept and dropped["reason"] == "repeats a value"


def test_a_view_has_the_evidence_of_its_parent():
    assert only("json")[0][0]["evidence"] == ANSWER


def test_a_row_in_a_language_without_demands_is_dropped():
    other = row()
    other["lineage"] = other["lineage"] | {"language": "fr"}
    _, (dropped,), requests = only("json", rows=[other])
    assert not requests and dropped["reason"] == "no format for it"


def test_a_german_row_gets_a_german_demand_for_every_format():
    german = row()
    german["lineage"] = german["lineage"] | {"language": "de"}
    _, _, requests = ask(stage, [german], lambda _: "", views=len(FORMATS))
    assert {request.about for request in requests} == set(FORMATS)
    words = ("Antwort", "JSON zurück", "antworte")
    for request in requests:
        demand = request.messages[-1]["content"].rpartition("~~~")[2]
        assert any(word in demand for word in words), demand


def test_oifc_a_one_shot_row_has_another_question_with_an_answer_in_exactly_its_format():
    rows = [
        row(),
        row("What happens after a tenant files a notice?"),
        row("Who may object to a renewal, and when?"),
    ]
    kept, _, _ = only("json", rows=rows, one_shot=1.0)
    shown = [made for made in kept if labels(made)["shown"] == "example"]
    assert shown
    by_parent = {made["lineage"]["parents"][0]: made for made in kept}
    for made in shown:
        row_labels = labels(made)
        example = by_parent[row_labels["example"]]
        assert row_labels["example"] != made["lineage"]["parents"][0]
        assert made["lineage"]["parents"] == [made["lineage"]["parents"][0], row_labels["example"]]
        assert example["answer"] in made["question"] and labels(example)["names"] == row_labels["names"]
        own = next(one["question"] for one in rows if one["id"] == made["lineage"]["parents"][0])
        assert made["question"].endswith(f"\n\n{own}") and made["question"] != own
        assert "demand" not in row_labels


def test_every_answer_in_a_format_is_the_example_of_one_other_row():
    rows = [row(f"How does tenant {number} renew a standard lease?") for number in range(5)]
    kept, _, _ = only("one_line", rows=rows, one_shot=1.0)
    assert sorted(labels(made)["example"] for made in kept) == sorted(one["id"] for one in rows)


def test_the_demand_is_used_if_no_other_row_has_the_format():
    (made,), _, _ = only("json", one_shot=1.0)
    assert labels(made)["shown"] == "demand"


def test_figures_count_the_written_and_kept_answers_of_each_format():
    options = stage.options(formats=["json", "csv"], views=2)
    where, table = replace(context("formats", Path()), model=WHO), table_of(EXAMPLES, [row()])
    answers = answers_to(
        list(stage.ask(table, options, where)), lambda r: good(r) if r.about == "json" else LONG_ANSWER, WHO
    )
    figures = stage.read(table, answers, options, where).figures
    assert figures == {"written_json": 1, "kept_json": 1, "written_csv": 1}
