"""
Solved examples from a file, shown before requests: the seeds of LLMiner and Bonito's few-shot use.

Each line of the file is a JSON object: the ``task``, a ``passage`` (with an optional ``title``), and the
``answer`` as the task's output. Seeds are read as a model's answers would be, and must pass the same checks.
Requests of structured tasks show seeds of their task, drawn by the hash of the passage.

Source: LLMiner ("Self-enhancement via Knowledge Mining and Digest"), which learns from 600 seeds; here they
are few-shot examples. To train on them instead, see `datagen.synthesizer`.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from datagen.errors import UserError
from datagen.json_types import JsonObject
from datagen.outside_json import parse
from datagen.paths import expanded, regular
from datagen.request import Answer, Completion, Reject, Request
from datagen.schema import content_id
from datagen.stage import Context
from datagen.stages.exercises import few_shot
from datagen.stages.exercises.pool import Pool, find_tasks, prompt_for
from datagen.stages.exercises.task import StructuredTask
from datagen.stages.shared.language.detect import detect_language
from datagen.stages.shared.language.rules import Languages
from datagen.stages.shared.passage import Passage

Seeds: TypeAlias = Mapping[str, list[Answer]]  # task -> solved examples


class Seed(BaseModel):
    """A line of the file."""

    model_config = ConfigDict(extra="forbid")

    task: str
    passage: str = Field(min_length=1)
    title: str = ""
    answer: JsonObject


def read_seeds(options: Pool, context: Context) -> Seeds:
    """
    Read the seeds of a stage; none if its options name no file.

    Raises
    ------
    UserError
        If the file cannot be read, a line is invalid, or a seed is too long or fails the checks of its task.
    """
    if not options.seeds:
        return {}
    path = context.folder / expanded(options.seeds)
    try:
        lines = regular(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{context.stage}.seeds: {path} cannot be read as UTF-8 text: {error}") from error
    tasks = {
        name: task
        for name, task in find_tasks(options, context.folder).items()
        if isinstance(task, StructuredTask)
    }
    seeds: dict[str, list[Answer]] = defaultdict(list)
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                seed = _seed(line)
                if seed.task in tasks:
                    seeds[seed.task].append(_answer(seed, tasks[seed.task], options, context))
            except (ValueError, Reject) as error:
                raise UserError(f"{context.stage}.seeds: line {number} of {path}: {error}") from error
    if not seeds:
        raise UserError(f"{context.stage}.seeds: {path} has no seed of its tasks: {', '.join(sorted(tasks))}")
    return seeds


def _seed(line: str) -> Seed:
    try:
        return Seed.model_validate(parse(line))
    except ValidationError as error:
        wrong = error.errors(include_url=False)[0]
        raise ValueError(f"{'.'.join(map(str, wrong['loc'])) or 'line'}: {wrong['msg']}") from error


def _answer(seed: Seed, task: StructuredTask, options: Pool, context: Context) -> Answer:
    """Return a seed as an answer to its task's request, after the task's checks."""
    row = {"id": content_id(seed.passage), "title": seed.title, "section": [], "text": seed.passage}
    passage = Passage(row, Languages(context)[detect_language(seed.passage)])
    prompt = prompt_for(task, options, context)
    requests = task.ask(passage, prompt, options)
    if not requests:
        raise Reject("nothing to quote", "the passage has no sentence that the task could be about")
    text = json.dumps(seed.answer, ensure_ascii=False, separators=(",", ":"))  # as guided decoding writes it
    completion = Completion("", text, "stop", "", "")
    answer = Answer(requests[0], completion)
    task.read(answer, passage, prompt)
    fits = few_shot.length_limit(options.prompt_tokenizer, options.prompt_tokens, context.folder)
    if not fits([requests[0].messages[-1], {"role": "assistant", "content": text}]):
        raise ValueError("it is longer than prompt_tokens; raise it, or set prompt_tokenizer")
    return answer


def prepender(options: Pool, context: Context) -> Callable[[Request], Request]:
    """
    Return a function that puts seeds of a request's task before it, as far as they fit.

    Raises
    ------
    UserError
        As in `read_seeds`.
    """
    seeds = read_seeds(options, context)
    fits = few_shot.length_limit(options.prompt_tokenizer, options.prompt_tokens, context.folder)

    def prepend(request: Request) -> Request:
        drawn = sorted(
            seeds.get(request.task, ()),
            key=lambda seed: content_id("seed", seed.request.row, request.row),
        )
        return few_shot.prepend(request, [[seed] for seed in drawn[: options.seed_examples]], fits)

    return prepend if seeds else lambda request: request
