"""
The rounds of requests about a passage, and the pairs read from their answers.

Shared by the stages instruct and comprehend, which differ only in what they make of the pairs.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import chain

import pyarrow as pa

from datagen.request import Answer, Answers, Reject, Request
from datagen.stage import Context
from datagen.stages.exercises import few_shot, round_trip, seed_examples
from datagen.stages.exercises.distinct import distinct
from datagen.stages.exercises.pair import Pair, Unconfirmed, Written
from datagen.stages.exercises.pool import Pool, drawn, find_tasks, prompt_for
from datagen.stages.exercises.round_trip import Neighbours
from datagen.stages.exercises.task import MarkedTask, MinedTask, StructuredTask, Task
from datagen.stages.shared.language.rules import Languages
from datagen.stages.shared.passage import Passage


def ask(passages: pa.Table, options: Pool, context: Context) -> Iterator[Request]:
    """
    Write the requests about each sampled passage, passage by passage, because they share its prefix.

    Requests with few-shot examples depend on the answers about earlier passages: see `follow`.
    """
    later = _later(passages, options, context)
    with_seeds = seed_examples.prepender(options, context)
    for passage in _passages(passages, context):
        for task, requests in _requests(passage, with_seeds, options, context):
            if not (isinstance(task, StructuredTask) and passage.row["id"] in later):
                yield from requests


def _requests(
    passage: Passage, with_seeds: Callable[[Request], Request], options: Pool, context: Context
) -> Iterator[tuple[Task, list[Request]]]:
    for task in drawn(passage, options, context):
        single = map(with_seeds, task.ask(passage, prompt_for(task, options, context), options))
        samples = range(options.samples)
        yield task, [replace(request, sample=sample) for request in single for sample in samples]


def _passages(table: pa.Table, context: Context) -> list[Passage]:
    languages = Languages(context)
    return [Passage(row, languages.of(row)) for row in table.to_pylist()]


def _later(table: pa.Table, options: Pool, context: Context) -> dict[str, list[str]]:
    rows = table.select(["id", "document_id", "section", "index"]).to_pylist()
    sampled = [row for row in rows if options.sampled(row["id"], context.seed)]
    return few_shot.later(sampled, options.shots, options.rounds)


def count_rounds(options: Pool) -> int:
    """Return the number of rounds: two even without examples, because of the round trips."""
    return options.rounds


def follow(passages: pa.Table, answers: Answers, options: Pool, context: Context) -> Iterator[Request]:
    """
    Write a later round of requests: round trips in the second, and requests with few-shot examples.

    The latter are about passages after the opening ones of their section, and show those of all rounds before
    with their exercises. They are for structured tasks only: questions to marked answers are asked in the
    first round, in the single turns that the synthesizer was trained on.
    """
    by_id = {passage.row["id"]: passage for passage in _passages(passages, context)}
    tasks = find_tasks(options, context.folder)
    if answers.rounds == 1:
        neighbours = Neighbours(list(by_id.values()))
        confirmed = {name: task for name, task in tasks.items() if isinstance(task, MarkedTask)}
        for passage in by_id.values():
            for draft, pair in _accepted(passage, answers, confirmed, options, context):
                yield from round_trip.ask(draft, pair, passage, neighbours, context)
    structured = {name: task for name, task in tasks.items() if isinstance(task, StructuredTask)}
    shown = answers.rounds * options.shots  # passages before those that are due
    later = {key: keys for key, keys in _later(passages, options, context).items() if len(keys) == shown}
    opening = dict.fromkeys(chain.from_iterable(later.values()))
    examples = {
        key: [draft for draft, _ in _accepted(by_id[key], answers, structured, options, context)]
        for key in opening
    }
    fits = few_shot.length_limit(options.prompt_tokenizer, options.prompt_tokens, context.folder)
    with_seeds = seed_examples.prepender(options, context)
    for key, earlier in later.items():
        for task, requests in _requests(by_id[key], with_seeds, options, context):
            for request in requests if isinstance(task, StructuredTask) else ():
                solved = [examples[earlier_key] for earlier_key in earlier]
                yield few_shot.prepend(request, solved, fits, options.shot_exercises)


def _accepted(
    passage: Passage,
    answers: Answers,
    tasks: Mapping[str, StructuredTask | MarkedTask],
    options: Pool,
    context: Context,
) -> Iterator[tuple[Answer, Pair]]:
    """Yield the answers of these tasks about a passage that pass their checks, with their pairs."""
    for draft in answers.of(passage.row["id"]):
        if task := tasks.get(draft.request.task):
            with suppress(Reject):
                yield draft, task.read(draft, passage, prompt_for(task, options, context))


def read_answers(
    answers: Sequence[Answer], passage: Passage, options: Pool, context: Context
) -> Iterator[Written]:
    """
    Read the answers about a passage, each with the task that asked for it.

    Confirmed pairs are rejected if they repeat a question, or ask in fewer words for the same part of the
    same sentence as another. Tasks without a model come last.

    Yields
    ------
    task, answers, pair
        The name of a task, an answer followed by those of its round trip, and the pair or the reason there is
        none.
    """
    tasks = find_tasks(options, context.folder)
    asking = {name: task for name, task in tasks.items() if isinstance(task, StructuredTask | MarkedTask)}
    trips = {answer.request.about: answer for answer in answers if answer.request.task == round_trip.TASK}
    written: list[Written] = []
    for draft in answers:
        if draft.request.task == round_trip.TASK:
            continue
        task, trip = asking[draft.request.task], round_trip.returned(draft, trips)
        try:
            pair = task.read(draft, passage, prompt_for(task, options, context))
            if isinstance(task, MarkedTask):
                pair = _settled(pair, trip, task, passage, options, context)
        except Reject as reason:
            written.append((task.name, [draft, *trip], reason))
        else:
            written.append((task.name, [draft, *trip], pair))
    marked = {name for name, task in asking.items() if isinstance(task, MarkedTask)}
    yield from distinct(written, marked, passage)
    if len(asking) < len(tasks):
        for mined in drawn(passage, options, context):
            if isinstance(mined, MinedTask):
                yield mined.name, [], mined.make(passage, prompt_for(mined, options, context))


def _settled(
    pair: Pair, trip: Sequence[Answer], task: MarkedTask, passage: Passage, options: Pool, context: Context
) -> Pair:
    try:
        return round_trip.settle(pair, trip, task.confirm, passage, context, options.agreement)
    except Reject as reason:
        raise Unconfirmed(reason, pair) from reason


def yields(written: Iterable[Written]) -> Counter[str]:
    """Count answers (``written_``) and accepted answers (``sound_``) per task, for the stage's figures."""
    counts = Counter[str]()
    for task, _, pair in written:
        counts[f"written_{task}"] += 1
        counts[f"sound_{task}"] += not isinstance(pair, Reject)
    return counts


def unasked(passage: Passage, options: Pool, context: Context) -> Reject:
    """Return the reason why there is no answer about a passage."""
    if not options.sampled(passage.row["id"], context.seed):
        return options.unsampled()
    if drawn(passage, options, context):
        return Reject("not answered", "no completion came back")
    return Reject("nothing to quote", "no sentence that its tasks could be about")
