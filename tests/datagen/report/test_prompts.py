"""docs/prompts.md says what each profile asks."""

from pathlib import Path

import pytest

from datagen.engines import bundled
from datagen.recipe.profiles import BUILT_IN, read_profile
from datagen.recipe.registry import BUILT_IN as STAGES_BUILT_IN
from datagen.recipe.registry import find_stage
from datagen.report import family_prompts
from datagen.report.chatml import chatml
from datagen.report.prompts import ASKED, STAGES, TEXT, markdown, requests_of
from datagen.stage import ModelStage


def test_the_prompts_in_docs_are_those_that_are_asked():
    written = (Path(__file__).parents[3] / "docs/prompts.md").read_text(encoding="utf-8")
    assert written == markdown(), "write it again: datagen prompts > docs/prompts.md"


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("profile", BUILT_IN)
def test_every_task_of_a_profile_is_shown_with_its_round_trip(profile, stage):
    _, requests = requests_of(profile, stage)
    assert {one.task for one in requests} == {*read_profile(profile).stages[stage]["tasks"], "round_trip"}


def test_the_chat_template_is_the_bundled_models_own():
    folder = bundled.folder_of("bundled-chat")
    if not folder.is_dir():
        pytest.skip("the bundled model is not prepared here")
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    for request in requests_of("bundled", "instruct")[1]:
        shown = tokenizer.apply_chat_template(request.messages, add_generation_prompt=True, tokenize=False)
        assert shown == f"{chatml(request)}\n"


FAMILIES = ("operators", "format_control", "ensemble", "subjects", "recycle")


def test_every_stage_of_the_families_that_asks_a_model_is_shown():
    stages = {one.name for one in STAGES_BUILT_IN if any(f".{family}." in one.where for family in FAMILIES)}
    assert {name for name in stages if isinstance(find_stage(name), ModelStage)} == set(family_prompts.STAGES)


@pytest.mark.parametrize(
    ("stage", "tasks"),
    [
        ("expand", {"expand", "answer"}),
        ("refine", {"refine", "answer"}),
        ("chain", {"fits", "output"}),
        ("describe_formats", {"describe", "reproduce"}),
        ("accept_answers", {"asked", "alone", "guessed", "unprompted"}),
        ("syllabus", {"complete", "syllabus"}),
        ("coursework", {"question", "answer"}),
    ],
)
def test_requests_that_follow_others_are_shown(stage, tasks):
    assert {request.task for request in family_prompts.requests_of(stage, TEXT, ASKED)} == tasks
