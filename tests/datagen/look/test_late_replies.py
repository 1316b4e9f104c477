"""The page of `datagen browse` when replies are late: what a person did since is kept."""

import pytest

from datagen.stages.confidence.labels import file
from tests.support import chromium

pytestmark = pytest.mark.browser

MOVED = "38 rows at or above, 0 below."


@pytest.fixture
def page(browser, address):
    page = chromium.Page(browser)
    page.page.goto(address)
    page.page.locator("#list button").first.wait_for()
    yield page
    page.page.close()


def rows(page):
    return page.page.locator("#list button")


def is_shown(page, place):
    page.page.locator(f"#list li:nth-child({place + 1}) [aria-current=true]").wait_for()


def settle(page):
    """Give a late reply time to do harm."""
    page.page.wait_for_timeout(200)


def judge(page):
    page.page.click("#tab-judge")
    page.page.locator("#where").get_by_text("0 of 12 judged").wait_for()
    page.page.locator("#detail [data-verdict=right]").wait_for()


def edit_first(page):
    rows(page).first.click()
    page.page.locator("#detail #edit").click()
    return page.page.locator("textarea[data-edit=answer]")


def test_a_late_row_does_not_replace_a_later_one(page):
    ids = [rows(page).nth(place).get_attribute("data-id") for place in range(2)]
    held = page.hold(f"**/api/row/{ids[0]}")
    rows(page).nth(0).click()
    held.wait()
    rows(page).nth(1).click()
    page.page.locator("#detail").get_by_text(ids[1]).wait_for()
    held.release()
    settle(page)
    assert ids[1] in page.page.locator("#detail").inner_text() and not page.complaints


def test_a_late_row_does_not_replace_typed_text(page):
    page.consents = False
    text = edit_first(page)
    held = page.hold("**/api/row/*")
    rows(page).nth(1).click()  # nothing is typed yet
    held.wait()
    text.fill("at nine")
    with page.page.expect_response("**/api/row/*"):
        held.release()
    settle(page)
    assert len(page.questions) == 1 and text.input_value() == "at nine"
    is_shown(page, 0)


def test_each_key_moves_by_a_row_also_before_the_row_is_shown(page):
    held = page.hold("**/api/row/*")
    page.page.keyboard.press("j")
    page.page.keyboard.press("j")
    page.page.keyboard.press("j")
    page.page.keyboard.press("k")
    held.release()
    is_shown(page, 1)
    assert not page.complaints


def test_going_back_twice_shows_the_row_of_the_address(page):
    for place in range(3):
        rows(page).nth(place).click()
        is_shown(page, place)
    name = rows(page).nth(0).get_attribute("data-id")
    held = page.hold("**/api/rows*")
    page.page.evaluate("history.back()")
    held.wait()
    page.page.evaluate("history.back()")
    held.wait(2)
    held.release()
    is_shown(page, 0)
    settle(page)
    is_shown(page, 0)
    assert page.page.url.endswith(f"row={name}") and not page.complaints


def test_a_search_typed_before_another_view_is_opened_does_not_stop_that_view(page):
    held = page.hold("**/api/threshold*")
    with page.page.expect_request("**/api/rows?text=noon*"):
        page.page.fill("#filters [name=text]", "noon")
        page.page.click("#tab-threshold")
    held.release()
    page.page.locator("#effect").get_by_text(MOVED).wait_for()
    assert page.page.locator("#limits [name=exact]").is_enabled()


def test_a_score_chosen_right_after_the_threshold_moved_is_shown(page):
    page.page.click("#tab-threshold")
    page.page.locator("#effect").get_by_text(MOVED).wait_for()
    held = page.hold("**/api/threshold*")
    page.page.evaluate("""() => {
        const {value, score} = document.getElementById("limits").elements;
        const changed = field => field.dispatchEvent(new Event("input", {bubbles: true}));
        value.value = value.max; changed(value);
        score.value = "words"; changed(score);
    }""")
    exact = page.page.locator("#limits [name=exact]")
    assert exact.is_disabled()
    settle(page)
    held.release()
    page.page.locator('#effect svg[aria-label="Histogram of words"]').wait_for()
    page.page.locator("#effect").get_by_text(MOVED).wait_for()
    assert exact.input_value() == "3"


def test_a_limit_is_not_typed_before_the_span_of_its_score_is_known(page):
    page.page.click("#tab-threshold")
    page.page.locator("#effect").get_by_text(MOVED).wait_for()
    held = page.hold("**/api/threshold*")
    page.page.select_option("#limits [name=score]", "words")
    exact = page.page.locator("#limits [name=exact]")
    assert exact.is_disabled()
    held.release()
    exact.fill("40")
    page.page.locator("#effect").get_by_text("1 row at or above, 37 below.").wait_for()
    page.page.click("#tab-rows")
    page.page.click("#tab-threshold")  # as it was left
    page.page.locator("#effect").get_by_text("1 row at or above, 37 below.").wait_for()
    assert exact.input_value() == "40"


def test_a_row_opened_while_another_is_saved_is_shown_after_it(page, tmp_path):
    edit_first(page).fill("at nine")
    held = page.hold("**/api/edit")
    page.page.click("#save")
    held.wait()
    rows(page).nth(1).click()
    settle(page)
    held.release()
    is_shown(page, 1)
    settle(page)
    is_shown(page, 1)
    [label] = file.read(tmp_path / "labels.jsonl")
    assert label["edit"] == {"answer": "at nine"} and not page.questions and not page.complaints


def test_a_row_on_its_way_is_shown_although_the_one_before_is_judged(page, tmp_path):
    judged = next(place for place in range(20) if can_be_judged(page, place))
    other = judged + 1
    ids = [button.get_attribute("data-id") for button in rows(page).all()]
    rows(page).nth(judged).click()
    is_shown(page, judged)
    held = page.hold(f"**/api/row/{ids[other]}")
    rows(page).nth(other).click()
    held.wait()
    page.page.locator("#detail").focus()
    page.page.keyboard.press("r")
    page.page.locator(f"#list li:nth-child({judged + 1})").get_by_text("right").wait_for()
    held.release()
    is_shown(page, other)
    assert [label["id"] for label in file.read(tmp_path / "labels.jsonl")] == [ids[judged]]


def can_be_judged(page, place):
    rows(page).nth(place).click()
    is_shown(page, place)
    return page.page.locator("#verdicts").count() == 1


def test_the_way_back_is_not_undone_by_the_next_row(page):
    judge(page)
    held = page.hold("**/api/queue")
    page.page.keyboard.press("r")
    held.wait()
    page.page.keyboard.press("b")
    pressed = page.page.locator("#detail [data-verdict=right][aria-pressed=true]")
    pressed.wait_for()
    held.release()
    page.page.locator("#where").get_by_text("1 of 12 judged").wait_for()
    settle(page)
    assert pressed.is_visible()


def test_a_view_left_and_opened_again_while_a_verdict_is_saved_shows_the_next_row(page):
    judge(page)
    held = page.hold("**/api/label")
    page.page.keyboard.press("r")
    held.wait()
    page.page.click("#tab-rows")
    page.page.click("#tab-judge")
    held.release()
    page.page.locator("#where").get_by_text("1 of 12 judged").wait_for()
    settle(page)
    assert page.page.locator("#detail [data-verdict=right][aria-pressed=false]").is_visible()


def test_a_late_first_list_leaves_the_row_to_judge(browser, address):
    page = chromium.Page(browser)
    held = page.hold("**/api/rows*")
    page.page.goto(address)
    held.wait()
    judge(page)
    held.release()
    page.page.locator("#total").get_by_text("rows").wait_for(state="attached")
    settle(page)
    assert page.page.locator("#detail [data-verdict=right]").is_visible()


def test_a_problem_stays_when_an_older_request_succeeds(page):
    text = edit_first(page)
    held = page.hold("**/api/rows*")
    page.page.fill("#filters [name=text]", "noon")
    held.wait()
    text.fill("   ")
    page.page.click("#save")
    problem = page.page.locator("#problem").get_by_text("the new answer is blank")
    problem.wait_for()
    with page.page.expect_response("**/api/rows*"):
        held.release()
    settle(page)
    assert problem.is_visible()
    text.fill("at nine")
    page.page.click("#save")
    page.page.locator("#detail .pending").wait_for()
    assert page.page.locator("#problem").inner_text() == ""
