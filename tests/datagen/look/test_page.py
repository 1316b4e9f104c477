"""The page of `datagen browse` in use: addresses, empty and odd content, edits, keys, and lost servers."""

import pyarrow as pa
import pytest

from datagen.run.folder import open_run
from datagen.stages.confidence.labels import file
from datagen.store.parquet import parts, read_part, write_table
from tests.support import chromium, finished
from tests.support.browsing import browsing

pytestmark = pytest.mark.browser

LONG = "word " * 20_000 + "end"
ODD = {
    4: {"question": "", "answer": None},
    5: {"answer": LONG},
    6: {
        "question": "\u0645\u062a\u0649 \u062a\u063a\u0627\u062f\u0631\u061f",
        "answer": "\u4e2d\u5348" * 500,
    },
    7: {"answer": "x" * 3000},
}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A run with odd rows, equal scores, and a file of labels with edits; only read by the tests."""
    folder = tmp_path_factory.mktemp("odd")
    run = open_run(finished.write(folder / "run"))
    odd = {finished.row(number)["id"]: fields for number, fields in ODD.items()}
    for path in parts(run.stage_folder("calibrate")):
        table = read_part(path)
        rows = [row | odd.get(row["id"], {}) for row in table.to_pylist()]
        table = pa.Table.from_pylist(rows, table.schema)
        table = table.append_column("equal", pa.array([0.5] * len(table)))
        table = table.append_column("never", pa.nulls(len(table), pa.float64()))
        write_table(table.append_column("thirds", pa.array([row["words"] / 3e3 for row in rows])), path)
    edit = {"edit": {"answer": "at two"}}
    labels = [{"id": finished.row(9)["id"], **edit}, {"id": "gone", "source": "pier.md", **edit}]
    labels.append({"id": finished.row(10)["id"], "original": {"answer": "at ten"}, **edit})
    file.write(labels, folder / "labels.jsonl")
    with browsing(run.folder, folder / "labels.jsonl") as (address, _):
        page = address.partition("?")
        yield page


@pytest.fixture
def opened(browser, served):
    """Open the page at a width and a state of its address."""
    pages = []

    def open_at(width=1100, state=""):
        page = chromium.Page(browser, width)
        page.page.goto("".join(served))
        page.page.locator("#list button").first.wait_for()
        if state:
            page.page.goto(served[0] + "#" + state)
            page.page.reload()
        pages.append(page)
        return page

    yield open_at
    for page in pages:
        assert not page.complaints
        page.page.close()


def total(page, text):
    page.page.locator("#total").get_by_text(text, exact=True).wait_for()


def test_the_address_keeps_filters_and_row_for_reload_and_back(opened):
    page = opened()
    page.page.fill("#filters [name=text]", "ferry \u0022noon\u0022 &#")
    total(page, "0 rows")
    page.page.fill("#filters [name=text]", "noon")
    near = page.page.locator("#filters [name=reason] option").get_by_text("near duplicate")
    near.wait_for(state="attached")  # the search without a result had no reasons
    page.page.select_option("#filters [name=reason]", label=near.inner_text())
    total(page, "2 rows")
    for place in (0, 1):
        page.page.locator("#list button").nth(place).click()
        page.page.locator(f"#list li:nth-child({place + 1}) [aria-current=true]").wait_for()
    page.page.reload()
    total(page, "2 rows")
    page.page.locator("#list li:nth-child(2) [aria-current=true]").wait_for()
    assert page.page.input_value("#filters [name=text]") == "noon"
    page.page.go_back()
    page.page.locator("#list li:nth-child(1) [aria-current=true]").wait_for()
    page.page.click("#tab-threshold")
    page.page.locator("#effect svg").wait_for()
    page.page.go_back()
    page.page.locator("#tab-rows[aria-selected=true]").wait_for()
    total(page, "2 rows")


def test_an_empty_list_has_a_message_and_filters_are_cleared(opened):
    page = opened(state="text=zzz&page=7&stage=nothing&view=odd")
    total(page, "0 rows")
    assert page.page.locator("#list").inner_text() == "No row matches."
    page.page.click("#clear")
    total(page, "43 rows")
    assert page.page.locator("#clear").is_hidden()
    page = opened(state="page=99")  # beyond the last page
    page.page.locator("#list button").first.wait_for()


def test_limits_of_a_score_need_a_score(opened):
    page = opened()
    page.page.click("#more summary")
    assert page.page.locator("#filters [name=min]").is_disabled()
    page.page.select_option("#filters [name=score]", "words")
    page.page.fill("#filters [name=min]", "39")
    total(page, "2 rows")
    page.page.select_option("#filters [name=order]", "high")
    page.page.locator("#list li:first-child").get_by_text("\u00b7 40 \u00b7").wait_for()
    page.page.select_option("#filters [name=score]", "")  # its limits no longer apply
    total(page, "43 rows")


@pytest.mark.parametrize("width", chromium.SIZES)
def test_odd_rows_fit_the_window(opened, width):
    page = opened(width)
    for number, fields in ODD.items():
        name = finished.row(number)["id"]
        page.page.goto(page.page.url.partition("#")[0] + f"#row={name}")
        page.page.locator("#detail").get_by_text(name).wait_for()
        assert page.overflow() <= 0
        answer = page.page.locator("#detail [data-field=answer]")
        assert answer.inner_text() == (fields.get("answer", "at noon") or "empty")
        assert answer.bounding_box()["height"] <= 0.56 * 900
    arabic = page.page.locator("#detail [data-field=question]")
    assert arabic.evaluate("node => getComputedStyle(node).unicodeBidi") == "plaintext"


def test_edits_are_listed_with_what_became_of_them(opened):
    page = opened(state="view=edits")
    page.page.locator("#edits [role=status]").get_by_text("1 pending, 2 refused", exact=True).wait_for()
    text = page.page.locator("#edits").inner_text()
    assert "this run has no row with this id" in text and "pier.md" in text
    assert page.page.locator("#edits button:disabled").count() == 1
    page.page.locator("#edits button").get_by_text(finished.row(10)["id"]).click()
    refused = page.page.locator("#detail")
    refused.get_by_text("The edit is refused: the answer of the row has changed.").wait_for()
    assert refused.locator(".edit.refused").count() == 1 and refused.locator(".pending").count() == 0
    page.page.click("#tab-rows")
    page.page.click("#more summary")
    page.page.select_option("#filters [name=edit]", "refused")
    total(page, "1 row")


def test_a_threshold_is_typed_and_equal_scores_need_none(opened):
    page = opened(state="view=threshold")
    effect = page.page.locator("#effect")
    page.page.select_option("#limits [name=score]", "words")
    effect.get_by_text("38 rows at or above, 0 below.").wait_for()
    page.page.fill("#limits [name=exact]", "40")  # the highest score: a tie with the limit counts as above
    effect.get_by_text("1 row at or above, 37 below.").wait_for()
    page.page.fill("#limits [name=exact]", "-")
    page.page.fill("#limits [name=exact]", "1e3")
    effect.get_by_text("0 rows at or above, 38 below.").wait_for()
    page.page.locator("#limits [name=value]").evaluate(
        "s => { s.value = s.max; s.dispatchEvent(new Event('input', {bubbles: true})) }"
    )
    effect.get_by_text("1 row at or above, 37 below.").wait_for()
    page.page.select_option("#limits [name=score]", "equal")
    effect.get_by_text("All rows have the same score, 0.5.").wait_for()
    effect.get_by_text("38 rows at or above, 0 below.").wait_for()
    assert page.page.locator("#limits [name=value]").is_disabled()


def test_the_threshold_moves_by_keys_in_steps_of_few_digits(opened):
    page = opened(state="view=threshold")
    field, effect = page.page.locator("#limits [name=exact]"), page.page.locator("#effect")
    page.page.select_option("#limits [name=score]", "thirds")  # 0.001 to 0.0133, of 17 digits each
    page.page.focus("#limits [name=value]:enabled")  # disabled until the span of the score is known
    for _ in range(5):
        page.page.keyboard.press("ArrowRight")
    effect.get_by_text("36 rows at or above, 2 below.").wait_for()
    assert field.input_value() == "0.0015"
    page.page.keyboard.press("End")
    effect.get_by_text("0 rows at or above, 38 below.").wait_for()
    assert len(field.input_value()) <= 7
    page.page.keyboard.press("Home")
    effect.get_by_text("38 rows at or above, 0 below.").wait_for()


def test_a_score_that_no_row_has_is_not_offered(opened):
    page = opened()
    for form in ("filters", "limits"):
        offered = page.page.locator(f"#{form} [name=score] option").all_text_contents()
        assert "thirds" in offered and "never" not in offered


def test_hits_are_marked_and_letters_typed_into_a_field_are_no_keys(opened):
    page = opened()
    page.page.focus("#filters [name=text]")
    page.page.keyboard.type('"ferry 3 leave" noon e')
    total(page, "1 row")
    page.page.locator("#list button").click()
    page.page.locator("#detail .answer").first.wait_for()
    marked = "[...CSS.highlights.get('hit')].map(range => range.toString())"
    assert {"ferry 3 leave", "noon"} <= set(page.page.evaluate(marked))
    assert page.page.locator("textarea").count() == 0
    page.page.fill("#filters [name=text]", "ferry a-b [ \\\\ (?")  # not a pattern
    total(page, "0 rows")
    assert page.page.locator("#problem").inner_text() == ""


def test_a_lost_server_and_a_lost_token_are_explained(browser, run, tmp_path):
    with browsing(run, tmp_path / "labels.jsonl") as (address, process):
        page = chromium.Page(browser)
        page.page.goto(address)
        page.page.locator("#list button").first.click()
        page.page.locator("#detail #edit").click()
        page.page.fill("textarea[data-edit=answer]", "at nine")
        page.page.context.clear_cookies()
        page.page.click("#save")
        page.page.locator("#problem").get_by_text(
            "has no access. Open the address that datagen browse printed"
        ).wait_for()
        process.terminate()
        process.wait()
        page.page.click("#save")
        page.page.locator("#problem").get_by_text("does not respond. Start datagen browse again").wait_for()
        assert page.page.input_value("textarea[data-edit=answer]") == "at nine"
    assert not (tmp_path / "labels.jsonl").exists()
