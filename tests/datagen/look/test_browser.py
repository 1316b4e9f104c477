"""The pages in a real browser: they load without errors, fit the window, and work."""

import json
import re

import pytest

from datagen.report.html import write_report
from datagen.run.folder import open_run
from datagen.stages.confidence.labels import file
from datagen.stages.confidence.labels.session import label
from tests.support import chromium, finished

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("width", chromium.SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_fits_and_has_no_errors(browser, run, width, scheme):
    page = chromium.Page(browser, width, scheme)
    page.page.goto(write_report(open_run(run)).as_uri())
    assert page.overflow() <= 0 and not page.complaints
    text, paper = (
        page.page.evaluate(f"getComputedStyle(document.body).{name}") for name in ("color", "backgroundColor")
    )
    brightness = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in (text, paper)]
    assert (brightness[0] < brightness[1]) == (scheme == "light")
    bars = page.page.locator("figure svg [aria-roledescription=bar]")
    assert bars.count() > 20 and bars.first.evaluate("bar => getComputedStyle(bar).fill") not in (
        "none",
        "rgb(0, 0, 0)",
    )


def test_the_report_prints(browser, run):
    page = chromium.Page(browser)
    page.page.goto(write_report(open_run(run)).as_uri())
    page.page.emulate_media(media="print")
    assert page.page.locator("nav").is_hidden() and page.page.locator("figure svg").first.is_visible()
    closed = page.page.locator("details:not([open]) table")
    assert closed.count() and all(table.is_visible() for table in closed.all())
    assert page.page.pdf()[:4] == b"%PDF"


@pytest.mark.parametrize("width", chromium.SIZES)
def test_rows_are_filtered_and_opened(browser, address, width):
    page = chromium.Page(browser, width)
    page.page.goto(address)
    assert "token" not in page.page.url
    page.page.locator("#list button").first.wait_for()
    assert page.page.locator("#total").inner_text() == "43 rows"
    page.page.select_option("#filters [name=stage]", "dropped")
    page.page.locator("#total").get_by_text("5 rows", exact=True).wait_for()
    page.page.fill("#filters [name=text]", '"ferry 1 leave"')
    page.page.locator("#total").get_by_text("1 row", exact=True).wait_for()
    page.page.locator("#list button").click()
    detail = page.page.locator("#detail")
    detail.locator("mark").wait_for()
    assert " ".join(detail.locator("mark").inner_text().split()) == finished.EVIDENCE
    text = detail.inner_text()
    assert (
        "near duplicate" in text
        and "ferry 1 leave" in text
        and "repeats" in text
        and "<script>alert(1)" in text
    )
    assert page.overflow() <= 0 and not page.complaints


def test_another_value_of_a_filter_is_chosen_without_clearing_it(browser, address):
    page = chromium.Page(browser)
    page.page.goto(address)
    page.page.locator("#list button").first.wait_for()
    total = page.page.locator("#total")
    page.page.select_option("#filters [name=stage]", "dedup")
    total.get_by_text("2 rows", exact=True).wait_for()
    page.page.select_option("#filters [name=stage]", "write")
    total.get_by_text("3 rows", exact=True).wait_for()
    page.page.select_option("#filters [name=reason]", f"not a question{finished.EVIL}")
    page.page.select_option("#filters [name=stage]", "dropped")
    total.get_by_text("3 rows", exact=True).wait_for()
    assert not page.complaints


def test_a_hit_beyond_the_first_lines_is_shown_and_marked(browser, address):
    page = chromium.Page(browser, 400)
    page.page.goto(address)
    page.page.fill("#filters [name=text]", "ferry 0 harbour opens")
    page.page.locator("#total").get_by_text("5 rows", exact=True).wait_for()
    excerpt = page.page.locator("#list .excerpt").first
    assert excerpt.inner_text().startswith("passage: the harbour opens at six.")
    hits = "[...CSS.highlights.get('hit')].filter(range => range.startContainer.parentElement.closest('.excerpt'))"
    assert "harbour" in page.page.evaluate(f"{hits}.map(range => range.toString())")
    assert page.overflow() <= 0 and not page.complaints


def test_prompt_and_raw_answer_are_shown(browser, address):
    page = chromium.Page(browser)
    page.page.goto(address)
    page.page.fill("#filters [name=text]", '"ferry 0 leave"')
    page.page.locator("#total").get_by_text("1 row", exact=True).wait_for()
    page.page.locator("#list button").click()
    page.page.locator("#detail details[open]").wait_for()
    text = page.page.locator("#detail details").inner_text()
    assert "Write about:" in text and "raw </script>" in text and not page.complaints


def test_a_threshold_moves(browser, address):
    page = chromium.Page(browser)
    page.page.goto(address)
    page.page.click("#tab-threshold")
    page.page.select_option("#limits [name=score]", "grounding")
    page.page.locator("#effect").get_by_text("38 rows at or above, 0 below.").wait_for()
    page.page.locator('#effect svg[aria-label="Histogram of grounding"]').wait_for()
    page.page.focus("#limits [name=value]")
    move = "s => { s.value = 0.5; s.dispatchEvent(new Event('input', {bubbles: true})) }"
    page.page.locator("#limits [name=value]").evaluate(move)
    page.page.locator("#effect").get_by_text("20 rows at or above, 18 below.").wait_for()
    assert page.page.locator("#effect svg .below").count() > 5 and not page.complaints


def test_verdicts_are_given_by_keys_and_written_to_the_file(browser, address, tmp_path):
    page = chromium.Page(browser)
    page.page.goto(address)
    page.page.click("#tab-judge")
    for number, key in enumerate("rw"):
        page.page.locator("#where").get_by_text(f"{number} of 12 judged").wait_for()
        page.page.locator("#detail [data-verdict]").first.wait_for()
        page.page.keyboard.press(key)
    page.page.locator("#where").get_by_text("2 of 12 judged").wait_for()
    page.page.keyboard.press("b")
    page.page.locator("#detail [data-verdict=wrong][aria-pressed=true]").wait_for()
    labels = file.read(tmp_path / "labels.jsonl")
    assert [line["verdict"] for line in labels] == ["right", "wrong"] and not page.complaints


@pytest.mark.parametrize("width", chromium.SIZES)
def test_the_page_without_a_server_shows_judges_and_saves(browser, run, tmp_path, width):
    label(open_run(run), tmp_path / "none.jsonl", 12, tmp_path / "judge.html")
    page = chromium.Page(browser, width)
    page.page.goto((tmp_path / "judge.html").as_uri())
    assert page.page.locator("#where").inner_text().startswith("1 of 12")
    tops = [
        page.page.locator(f"h2:text-is('{name}')").bounding_box()["y"]
        for name in ("question", "answer", "evidence")
    ]
    assert tops == sorted(tops)
    for key in "rws":
        page.page.keyboard.press(key)
    assert "3 judged" in page.page.locator("#where").inner_text()
    with page.page.expect_download() as saved:
        page.page.click("#save")
    lines = saved.value.path().read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["verdict"] for line in lines] == ["right", "wrong", "skip"]
    assert page.overflow() <= 0 and not page.complaints


@pytest.mark.parametrize("width", chromium.SIZES)
def test_a_row_is_edited_and_the_edit_is_written_and_withdrawn(browser, address, tmp_path, width):
    page = chromium.Page(browser, width)
    page.page.goto(address)
    page.page.click("#tab-judge")
    page.page.locator("#where").get_by_text("0 of 12 judged").wait_for()
    page.page.locator("#detail #edit").wait_for()
    page.page.keyboard.press("e")
    answer = page.page.locator("textarea[data-edit=answer]")
    assert answer.input_value() == "at noon"
    answer.fill("at rws noon <b>sharp</b>")  # keys of verdicts are text here
    assert page.overflow() <= 0
    page.page.keyboard.press("Control+Enter")
    page.page.locator("#where").get_by_text("1 of 12 judged").wait_for()
    [label] = file.read(tmp_path / "labels.jsonl")
    assert (label["verdict"], label["edit"]) == ("wrong", {"answer": "at rws noon <b>sharp</b>"})
    page.page.click("#tab-rows")
    page.page.click("#more summary")
    page.page.select_option("#filters [name=edit]", "edited")
    page.page.locator("#total").get_by_text("1 row", exact=True).wait_for()
    page.page.locator("#list button").get_by_text("edit pending").wait_for()
    page.page.locator("#list button").click()
    pending = page.page.locator("#detail .pending")
    assert "at rws noon <b>sharp</b>" in pending.inner_text()
    page.page.click("#edit")
    page.page.keyboard.press("Escape")
    page.page.locator("#detail #edit").wait_for()
    page.page.click("#withdraw")
    page.page.locator("#total").get_by_text("0 rows", exact=True).wait_for()
    [label] = file.read(tmp_path / "labels.jsonl")
    assert label["edit"] == {} and "verdict" not in label and not page.complaints


def test_an_edit_that_cannot_be_saved_shows_the_reason_and_keeps_the_text(browser, address, tmp_path):
    page = chromium.Page(browser)
    page.page.goto(address)
    page.page.locator("#list button").first.click()
    page.page.locator("#detail #edit").click()
    page.page.fill("textarea[data-edit=answer]", "   ")
    page.page.click("#save")
    page.page.locator("#problem").get_by_text("the new answer is blank").wait_for()
    assert page.page.locator("textarea[data-edit=answer]").input_value() == "   "
    assert not (tmp_path / "labels.jsonl").exists()


def test_verdicts_cannot_be_given_while_a_row_is_edited(browser, address, tmp_path):
    page = chromium.Page(browser)
    page.page.goto(address)
    page.page.click("#tab-judge")
    page.page.locator("#detail #edit").wait_for()
    page.page.keyboard.press("e")
    page.page.locator("textarea").first.wait_for()
    assert page.page.locator("#detail [data-verdict]").first.is_hidden()
    page.page.locator("#detail").focus()
    page.page.keyboard.press("w")
    page.page.keyboard.press("e")
    page.page.wait_for_timeout(300)
    assert page.page.locator("textarea[data-edit=answer]").input_value() == "at noon"
    assert not (tmp_path / "labels.jsonl").exists() and not page.complaints


def test_the_lowest_threshold_keeps_every_row(browser, address):
    page = chromium.Page(browser)
    page.page.goto(address)
    page.page.click("#tab-threshold")
    for name in ("confidence", "logprob", "words"):
        page.page.select_option("#limits [name=score]", name)
        page.page.locator(f'#effect svg[aria-label="Histogram of {name}"]').wait_for()
        page.page.locator("#effect").get_by_text("38 rows at or above, 0 below.").wait_for()
    assert page.page.locator("#effect .ends").inner_text().split() == ["3", "40"]


def is_in_window(part):
    box = part.bounding_box()
    return box["y"] >= 0 and box["y"] + box["height"] <= 900


def edit_first(page):
    page.page.locator("#list button").first.click()
    page.page.locator("#detail #edit").click()
    return page.page.locator("textarea[data-edit=answer]")


def test_typed_text_is_discarded_only_on_consent(browser, address):
    page = chromium.Page(browser)
    page.consents = False
    page.page.goto(address)
    text = edit_first(page)
    text.fill("at nine")
    page.page.locator("#list button").nth(1).click()
    page.page.click("#tab-judge")
    page.page.locator("#tab-rows[aria-selected=true]").wait_for()
    page.page.click("#cancel")
    assert len(page.questions) == 3 and text.input_value() == "at nine"
    page = chromium.Page(browser)
    page.consents = True
    page.page.goto(address)
    text = edit_first(page)
    text.fill("at nine")
    page.page.locator("#list button").nth(1).click()
    page.page.locator("#detail #edit").wait_for()
    assert len(page.questions) == 1 and text.count() == 0
    page.page.click("#edit")
    page.page.locator("#list button").nth(2).click()  # nothing typed
    page.page.locator("#detail #edit").wait_for()
    assert len(page.questions) == 1


def test_two_windows_do_not_overwrite_the_edits_of_each_other(browser, address, tmp_path):
    pages = [chromium.Page(browser), chromium.Page(browser)]
    for page in pages:
        page.page.goto(address)
    texts = [edit_first(page) for page in pages]
    texts[0].fill("at nine")
    texts[1].fill("at ten")
    pages[0].page.click("#save")
    pages[0].page.locator("#detail #edit").wait_for()
    pages[1].page.click("#save")
    pages[1].page.locator("#problem").get_by_text("has changed since it was opened").wait_for()
    assert texts[1].input_value() == "at ten"
    [label] = file.read(tmp_path / "labels.jsonl")
    assert label["edit"] == {"answer": "at nine"}


def test_a_narrow_window_shows_the_start_of_each_row_and_its_verdicts(browser, address):
    page = chromium.Page(browser, 400)
    page.page.goto(address)
    page.page.click("#tab-judge")
    for number in range(3):
        page.page.locator("#where").get_by_text(f"{number} of 12 judged").wait_for()
        verdict = page.page.locator("#detail [data-verdict=right]")
        assert is_in_window(verdict) and is_in_window(page.page.locator("#name-question"))
        page.page.evaluate("scrollTo(0, document.body.scrollHeight)")
        assert is_in_window(verdict)
        verdict.click()
    assert page.page.locator("header .path").inner_text().endswith("labels.jsonl")
    assert page.overflow() <= 0


def test_judging_continues_after_a_failed_write(browser, address, tmp_path):
    page = chromium.Page(browser)
    page.page.goto(address)
    page.page.click("#tab-judge")
    page.page.locator("#where").get_by_text("0 of 12 judged").wait_for()
    page.page.locator("#detail [data-verdict=right]").wait_for()
    page.page.route("**/api/label", lambda route: route.fulfill(status=500, body="500: broken"))
    page.page.keyboard.press("r")
    page.page.locator("#problem").get_by_text("500: broken").wait_for()
    page.page.unroute("**/api/label")
    page.page.keyboard.press("w")
    page.page.locator("#where").get_by_text("1 of 12 judged").wait_for()
    assert [line["verdict"] for line in file.read(tmp_path / "labels.jsonl")] == ["wrong"]
    assert page.page.locator("#problem").inner_text() == ""
