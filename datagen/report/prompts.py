"""docs/prompts.md: every request of every profile for one passage, as the model receives it."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from datagen.json_types import JsonObject
from datagen.recipe.model import Recipe
from datagen.recipe.profiles import BUILT_IN, read_profile
from datagen.report import family_prompts
from datagen.request import Answer, Completion, Request
from datagen.schema import TABLES, content_id, table_of
from datagen.stage import ModelStage

STAGES = ("instruct", "comprehend")
TEXT = """\
A lease is a contract that gives a tenant the use of land for a fixed term. A tenant who has not paid the
rent may not sublet the land. A standard lease lasts 12 years and ends in autumn. To renew it, the tenant
files a notice with the registrar, who records it in the land register. A notice bears a date. It must name
the tenant of the land."""
ASKED = "How long does a standard lease last?"  # the answer to the first marked question, for its round trip

INTRODUCTION = """\
# Prompts

Written by `datagen prompts`; do not edit. A profile (`prompts/profiles/`) chooses the tasks of `instruct`
and `comprehend`, how long answers may be and how they are sampled. It is inferred from the size of the
role's model, or set as `profile:` of the model; options of a stage in the recipe override it.
`datagen doctor RECIPE` shows the choice, and `datagen preview RECIPE` the requests about your own passages
with the answers to them.

Each request is shown through ChatML, the chat template of the bundled model and of Qwen's; other models have
their own marks around the same messages. The JSON schema is sent with the prompt and enforced by the
decoder, by vLLM and by servers that support structured output.
"""


def markdown() -> str:
    """Generate the page."""
    lines = [INTRODUCTION]
    lines += ["| profile | parameters from | what for |", "|---|---|---|"]
    for name in BUILT_IN:
        profile = read_profile(name)
        minimum = f"{profile.least_billions:g} billion" if profile.least_billions else "any"
        lines.append(f"| `{name}` | {minimum} | {profile.summary} |")
    for name in BUILT_IN:
        lines += ["", f"## {name}", "", *_profile(name)]
    lines += ["", "## Families", "", "Stages that are off by default ([families](families.md))."]
    for name, summary, requests in family_prompts.sections():
        lines += ["", f"### {name}", "", f"{summary[0].upper()}{summary[1:]}."]
        for request in requests:
            lines += ["", f"#### {name}: {request.task}", *_shown(request)]
    return "\n".join(lines).rstrip() + "\n"


def _profile(name: str) -> Iterator[str]:
    requests: dict[str, Request] = {}
    weights: dict[str, dict[str, str]] = {}
    for stage in STAGES:
        options, stage_requests = requests_of(name, stage)
        requests |= {request.task: request for request in stage_requests if request.task not in requests}
        for task, weight in options["tasks"].items():
            weights.setdefault(task, {})[stage] = f"{weight:g}"
        yield (
            f"`{stage}`: {options['per_passage'] or 'all'} tasks of a passage, answers of at most "
            f"{options['max_tokens']} tokens, temperature {options['temperature']:g}, "
            f"top_p {options['top_p']:g}."
        )
        yield ""
    if unsuited := read_profile(name).unsuited:
        yield f"Off, since such models write them badly: {', '.join(f'`{stage}`' for stage in unsuited)}."
        yield ""
    yield f"| task | {' | '.join(STAGES)} |"
    yield f"|---|{'---|' * len(STAGES)}"
    for task, by_stage in sorted(weights.items()):
        yield f"| `{task}` | {' | '.join(by_stage.get(stage, '') for stage in STAGES)} |"
    for task, request in sorted(requests.items()):
        yield from ("", f"### {name}: {task}", *_shown(request))


def _shown(request: Request) -> Iterator[str]:
    yield from ("", "````text", chatml(request), "````", "")
    sampling = request.sampling
    stop = f", stop at {json.dumps(sampling.stop)}" if sampling.stop else ""
    if request.choices:
        yield f"The probabilities of {' and '.join(request.choices)} are read."
    elif request.given:
        yield f"The probability of this answer is read: `{request.given}`"
    else:
        yield f"At most {sampling.max_tokens} tokens, temperature {sampling.temperature:g}{stop}."
    if request.schema is not None:
        schema = json.dumps(request.schema, ensure_ascii=False)
        yield from ("", "Schema:", "", "````json", schema, "````")


def requests_of(profile: str, stage_name: str) -> tuple[JsonObject, list[Request]]:
    """
    Return a stage's requests for the passage with a profile, including round trips.

    Returns
    -------
    options, requests
        The stage's options, and one request per task.
    """
    model = {"engine": "scripted", "model": "datagen:none", "profile": profile}
    recipe = Recipe.model_validate(
        {
            "name": "prompts",
            "corpus": [{"path": "docs"}],
            "models": {"generator": model},
            "stages": {stage_name: {}},
        }
    )
    stage, options = recipe.step(stage_name)
    assert isinstance(stage, ModelStage)
    context = recipe.context(stage_name, Path())
    every = options.model_copy(update={"per_passage": 0})
    passages = _passages()

    def answer(requests: Sequence[Request]) -> list[Answer]:
        return [Answer(request, Completion("", ASKED, "stop", "", "")) for request in requests]

    first: dict[str, Request] = {}
    for answered in stage.converse(passages, every, context, answer):
        first.setdefault(answered.request.task, answered.request)
    return options.model_dump(), list(first.values())


def chatml(request: Request) -> str:
    """Render the messages of a request with the bundled model's chat template."""
    turns = [f"<|im_start|>{turn['role']}\n{turn['content']}<|im_end|>\n" for turn in request.messages]
    return "".join(turns) + "<|im_start|>assistant"


def _passages() -> pa.Table:
    row = {
        "id": content_id(TEXT),
        "document_id": content_id("prompts"),
        "source": "leases.md",
        "title": "Land leases",
        "section": ["Terms"],
        "text": TEXT,
        "start": 0,
        "end": len(TEXT),
        "index": 0,
        "language": "en",
    }
    return table_of(TABLES["passages"], [row])
