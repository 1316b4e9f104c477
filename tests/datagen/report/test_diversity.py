"""The report shows the openings of each task's questions and the diversity of their words."""

import pytest

from datagen.report import diversity as module
from datagen.report.diversity import diversity, measure
from datagen.report.html import write_report
from datagen.run.folder import open_run
from tests.support import finished
from tests.support.runs import row, write_run


def test_a_task_is_measured_by_its_openings_and_words():
    result = measure("task", ["How long is it?", "How long was it?", "Who is it?", "Explain it."])
    assert (result.questions, result.openings) == (4, 3)
    assert (result.commonest, result.share) == ("how long", 0.5)
    assert result.distinct_1 == 7 / 13 and result.distinct_2 == 7 / 9
    same = measure("task", ["How long is it?"] * 10)
    assert (same.openings, same.share, same.distinct_1, same.distinct_2) == (1, 1.0, 4 / 40, 3 / 30)


@pytest.mark.parametrize("question", ["租约多长?", "कितना लंबा है?", "?", ""])
def test_any_script_is_measured(question):
    result = measure("task", [question, question])
    assert result.openings == 1 and result.share == 1.0 and result.distinct_1 <= 0.5


def test_characters_of_scripts_without_spaces_are_words():
    assert measure("task", ["租约多长?"]).commonest == "租 约"


def test_a_mark_stays_with_its_letter():
    assert measure("task", ["ที่นี่คือ?"]).commonest == "ที่ นี่"
    assert measure("task", ["ខ្មែរ"]).commonest == "ខ្មែ រ"


def test_the_report_lists_the_least_diverse_task_first(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "FEWEST", 2)
    dull = [row("d", "How long is it?", str(number), task="dull") for number in range(4)]
    varied = [
        row("d", f"Word{number} other{number} third{number}?", "a", task="varied") for number in range(4)
    ]
    few = [row("d", "Alone?", "a", task="few")]
    texts = [row("d", None, None, kind="reading", text=f"Text {number}.", task="text") for number in range(3)]
    run = write_run(tmp_path / "run", {"d": "Text."}, [*varied, *dull, *few, *texts])
    assert [task.task for task in diversity(run)] == ["dull", "varied"]
    monkeypatch.setattr(module, "QUESTIONS", 3)
    assert [task.questions for task in diversity(run)] == [3, 3]


@pytest.mark.usefixtures("no_charts")
def test_the_report_shows_the_table(tmp_path):
    page = write_report(open_run(finished.write(tmp_path / "run"))).read_text()
    assert "Diversity of questions" in page and "<td>when does</td>" in page


def test_rows_without_questions_have_no_diversity(tmp_path):
    texts = [row("d", None, None, kind="reading", text="A text.", task="text")]
    assert diversity(write_run(tmp_path / "run", {"d": "Text."}, texts)) == []
