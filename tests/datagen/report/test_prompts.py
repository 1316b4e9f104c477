"""docs/prompts.md is up to date and complete."""

from pathlib import Path

import pytest

from datagen.engines import bundled
from datagen.recipe.profiles import BUILT_IN, read_profile
from datagen.recipe.registry import BUILT_IN as STAGES_BUILT_IN
from datagen.recipe.registry import find_stage
from datagen.report.family_prompts import STAGES as FAMILIES
from datagen.report.family_prompts import sections
from datagen.report.prompts import STAGES, chatml, markdown, requests_of
from datagen.stage import ModelStage

FOLDERS = ("operators", "format_control", "ensemble", "subjects", "recycle")
TASKS = {
    "across_passages": {"across_passages", "with_first", "with_second", "with_both"},
    "expand": {"expand", "answer"},
    "refine": {"refine", "answer"},
    "chain": {"fits", "output"},
    "describe_formats": {"describe", "reproduce"},
    "accept_answers": {"asked", "alone", "guessed", "unprompted"},
    "syllabus": {"complete", "syllabus"},
    "coursework": {"question", "answer"},
}


def test_the_prompts_in_docs_are_up_to_date():
    stored = (Path(__file__).parents[3] / "docs/prompts.md").read_text(encoding="utf-8")
    assert stored == markdown(), "run datagen prompts > docs/prompts.md"


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("profile", BUILT_IN)
def test_every_task_of_a_profile_is_shown_with_its_round_trip(profile, stage):
    _, requests = requests_of(profile, stage)
    assert {request.task for request in requests} == {
        *read_profile(profile).stages[stage]["tasks"],
        "round_trip",
    }


def test_every_request_of_a_family_is_shown():
    shown = {name: {request.task for request in requests} for name, _, requests in sections()}
    assert set(shown) == set(FAMILIES)
    assert {name: shown[name] for name in TASKS} == TASKS
    assert all(shown.values())
    stages = {stage.name for stage in STAGES_BUILT_IN if any(f".{name}." in stage.where for name in FOLDERS)}
    assert {name for name in stages if isinstance(find_stage(name), ModelStage)} <= set(FAMILIES)


@pytest.mark.slow
def test_the_chat_template_is_that_of_the_bundled_model():
    folder = bundled.folder_of("bundled-chat")
    if not folder.is_dir():
        pytest.skip("the bundled model is not prepared here")
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    for request in requests_of("bundled", "instruct")[1]:
        shown = tokenizer.apply_chat_template(request.messages, add_generation_prompt=True, tokenize=False)
        assert shown == f"{chatml(request)}\n"
