"""
What a worker does for a stage that asks a model: write a partition's requests, have them answered, read them.

The functions here are tasks of the Dask graph, as those of `datagen.run.tasks` are. Requests lie in a file
and answers in the completions table; a task is told where, and a task that runs twice asks nothing twice.
"""

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import asdict, dataclass, field, replace
from itertools import takewhile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from distributed import Reschedule

from datagen.control_tokens import break_up
from datagen.engines.pool import engine_room
from datagen.engines.special_tokens import special_tokens_of
from datagen.errors import BudgetSpent, UserError
from datagen.request import Answer, Answers, Completion, Request, Sampling, Usage
from datagen.run.budget import Purse, is_shut, purse
from datagen.run.tasks import Job, PartReport, finish, rows_of
from datagen.stage import ModelStage
from datagen.store.completions import Completions
from datagen.store.journal import Journal
from datagen.store.parquet import part_name, read_part, write_table

REQUESTS = pa.schema(
    [
        ("key", pa.string()),
        ("row", pa.string()),
        ("task", pa.string()),
        ("sample", pa.int64()),
        ("about", pa.string()),
        ("prompt", pa.string()),
        ("prompt_hash", pa.string()),
        ("body", pa.string()),  # JSON: messages, sampling, schema, choices, given
    ]
)
REQUESTS_AT_ONCE = 256  # read from their file
TELL_SECONDS = 0.5  # between two messages about what a task has spent


@dataclass
class GenerationReport:
    """What generation did for one partition: requests, segments written, completions that cannot be read."""

    requests: int = 0
    segments: list[Path] = field(default_factory=list)
    damage: dict[Path, str] = field(default_factory=dict)

    def __add__(self, other: "GenerationReport") -> "GenerationReport":
        return GenerationReport(
            self.requests + other.requests,
            self.segments + other.segments,
            self.damage | other.damage,
        )


def write_requests(job: Job, path: Path, number: int) -> Path:
    """
    Ask a model stage for its requests about one partition and write them down.

    Raises
    ------
    BudgetSpent
        When none of them would be sent.
    """
    if is_shut(job.topic):
        raise BudgetSpent()
    rows, _ = rows_of(job, path)
    return _write_requests(
        job, job.stage.ask(rows, job.options, job.context), job.folder / "requests" / part_name(number)
    )


def write_follow_ups(
    job: Job, path: Path, requests: Path, completions: Path, number: int, answered: GenerationReport
) -> Path:
    """
    Ask a model stage for the requests that depend on the answers to its first ones.

    `answered` is there to be waited for, and says where the answers are.
    """
    rows, _ = rows_of(job, path)
    answers = _answers([requests], completions, [answered])
    return _write_requests(
        job,
        job.stage.follow(rows, answers, job.options, job.context),
        job.folder / "follow_ups" / part_name(number),
    )


def _write_requests(job: Job, requests: Iterable[Request], target: Path) -> Path:
    identity = job.context.model
    own = special_tokens_of(job.model) if job.model else frozenset()
    lines = []
    for request in requests:
        request = _safe(request, own)
        body = {
            "messages": request.messages,
            "sampling": asdict(request.sampling),
            "schema": request.schema,
            "choices": request.choices,
            "given": request.given,
        }
        lines.append(
            {
                "key": request.key(identity),
                "row": request.row,
                "task": request.task,
                "sample": request.sample,
                "about": request.about,
                "prompt": request.prompt,
                "prompt_hash": request.prompt_hash,
                "body": json.dumps(body, ensure_ascii=False),
            }
        )
    write_table(pa.Table.from_pylist(lines, schema=REQUESTS), target)
    return target


def _safe(request: Request, own: frozenset[str]) -> Request:
    """Break up the control tokens of the model that is asked, which prompts do not know, in all messages."""
    said = [{**message, "content": break_up(message["content"], own)} for message in request.messages]
    return replace(request, messages=said)


def generate(job: Job, requests: Path, completions: Path) -> GenerationReport:
    """
    Have every request answered that has no completion yet, in the order they were written.

    Runs on a worker with an engine. The answers go to the journal and from there to the completions
    table; nothing of them is returned.

    Raises
    ------
    BudgetSpent
        When the run's budget ended before the requests did.
    """
    if is_shut(job.topic):
        raise BudgetSpent()
    if job.model is None:
        raise ValueError(f"the job of {job.name} names no model")
    store = Completions(completions)
    keys = read_part(requests, ["key"])["key"]
    missing = store.missing(keys)
    report = GenerationReport(requests=len(keys))
    wanted = pc.count_distinct(keys.filter(missing)).as_py()
    if wanted:
        journal = Journal(completions, f"{job.name}-{requests.stem}")
        budget = purse(job.topic, job.budget, job.spent)
        spending = _Spending(journal, budget, job.topic)
        try:
            engine_room().generate(
                str(job.context.run_folder.parent),
                job.model,
                job.context.model,
                takewhile(budget.admit, unanswered(requests, missing)),
                spending.keep,
            )
        except CancelledError:  # the worker is being closed: another one shall go on
            raise Reschedule from None
        finally:
            journal.close()
        spending.tell()
        report.segments.extend(filter(None, [store.settle_one(journal.path)]))
        if spending.usage.completions < wanted:
            raise BudgetSpent()
    report.damage.update(store.damage)
    return report


def unanswered(requests: Path, missing: pa.Array) -> Iterator[tuple[str, Request]]:
    """Read the requests that have no completion, each once, with their keys; memory holds a few at a time."""
    seen: set[str] = set()
    with pq.ParquetFile(requests) as file:
        start = 0
        for batch in file.iter_batches(REQUESTS_AT_ONCE):
            for row in batch.filter(missing[start : start + len(batch)]).to_pylist():
                if row["key"] not in seen:
                    seen.add(row["key"])
                    yield row["key"], _request(row)
            start += len(batch)


class _Spending:
    """Keeps a task's answers, and tells what they took: the purse at once, the runner twice a second."""

    def __init__(self, journal: Journal, budget: Purse, topic: str) -> None:
        self._journal, self._budget, self._topic = journal, budget, topic
        self._told = time.monotonic()
        self.usage = Usage()

    def keep(self, completion: Completion) -> None:
        self._journal.append(completion)
        took = Usage.of(completion)
        self._budget.pay(took)
        self.usage += took
        if time.monotonic() - self._told > TELL_SECONDS:
            self.tell()

    def tell(self) -> None:
        self._told = time.monotonic()
        if self._topic:
            from distributed import get_worker

            get_worker().log_event(self._topic, {"part": self._journal.path.name, **asdict(self.usage)})


def read_answers(
    job: Job,
    path: Path,
    requests: Sequence[Path],
    completions: Path,
    number: int,
    answered: Sequence[GenerationReport],
) -> PartReport:
    """
    Join one partition's requests with their completions and let the stage read them.

    `answered` is there to be waited for, and says where the answers are.
    """
    stage: ModelStage = job.stage
    rows, others = rows_of(job, path)
    answers = _answers(requests, completions, answered)
    outcome = stage.read(rows, answers, job.options, job.context)
    report = finish(job, rows, others, outcome, part_name(number))
    behind = {answer.completion.key: answer.completion for answer in answers}
    cost = sum(map(Usage.of, behind.values()), start=Usage())
    return replace(report, rows_asked=answers.rows, cost=cost)


def _answers(requests: Sequence[Path], completions: Path, answered: Sequence[GenerationReport]) -> Answers:
    asked = [row for path in requests for row in read_part(path).to_pylist()]
    store = Completions(completions)
    found = store.find(
        [row["key"] for row in asked], [path for report in answered for path in report.segments]
    )
    if lost := sum(row["key"] not in found for row in asked):
        raise UserError(
            f"{lost} answers in {completions} were there and cannot be read any more "
            f"({'; '.join(store.damage.values()) or 'their files are gone'}). "
            "Run the same command again: it asks for these and goes on"
        )
    return Answers(Answer(_request(row), found[row["key"]]) for row in asked)


def _request(row: dict[str, Any]) -> Request:
    body = json.loads(row["body"])
    sampling = body["sampling"]
    return Request(
        row=row["row"],
        messages=body["messages"],
        prompt=row["prompt"],
        prompt_hash=row["prompt_hash"],
        task=row["task"],
        sampling=Sampling(**sampling | {"stop": tuple(sampling["stop"])}),
        schema=body["schema"],
        choices=tuple(body["choices"]),
        given=body["given"],
        sample=row["sample"],
        about=row["about"],
    )
