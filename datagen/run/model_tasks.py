"""
The tasks of a model stage on a worker: write a partition's requests, generate the answers, read them.

Like those of `datagen.run.tasks`, the functions here are tasks of the Dask graph. Requests are in a file and
answers in the completions table; tasks get paths, and a task that runs twice sends no request twice.
"""

from collections.abc import Iterable, Iterator, Sequence, Set
from concurrent.futures import CancelledError
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from datagen.control_tokens import break_up
from datagen.engines.identity import circumstances
from datagen.engines.pool import engine_pool
from datagen.engines.special_tokens import special_tokens_of
from datagen.errors import BudgetSpent, UserError
from datagen.recipe.roles import Model, OpenAIModel
from datagen.request import Answer, Answers, Completion, Request, Usage, separated
from datagen.rows import RequestRow
from datagen.run.account import PartReport
from datagen.run.budget import allowance, is_closed
from datagen.run.claims import claim
from datagen.run.retrial import Retrial
from datagen.run.spending import Spending
from datagen.run.tasks import Job, finish, rows_of
from datagen.run.units import Unit
from datagen.schema import REQUESTS
from datagen.stage import ModelStage
from datagen.store.completions import Completions
from datagen.store.journal import Journal
from datagen.store.parquet import part_name, read_part, write_table
from datagen.store.rounds import round_folder

ModelJob: TypeAlias = Job[ModelStage]
REQUESTS_AT_ONCE = 256  # requests read from the file at a time


@dataclass
class GenerationReport:
    """
    The result of generation for one partition.

    Parameters
    ----------
    requests, distinct
        Number of requests, and of distinct requests.
    segments
        Paths of the segments that were written.
    damage
        File of unreadable completions -> message.
    failures
        Requests that kept failing: key -> last error. They are not stored, and retried by the next run.
    failed, rejected
        Number of requests that kept failing, and of rejected requests.
    refusal
        The server's message about one of the unanswered requests.
    """

    requests: int = 0
    distinct: int = 0
    segments: list[Path] = field(default_factory=list)
    damage: dict[Path, str] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    failed: int = 0
    rejected: int = 0
    refusal: str = ""

    def __add__(self, other: "GenerationReport") -> "GenerationReport":
        return GenerationReport(
            self.requests + other.requests,
            self.distinct + other.distinct,
            self.segments + other.segments,
            self.damage | other.damage,
            {},  # each partition's reader has its own
            self.failed + other.failed,
            self.rejected + other.rejected,
            self.refusal or other.refusal,
        )

    @property
    def nothing_answered(self) -> bool:
        """Whether there were requests, and all of them were rejected or failed."""
        return 0 < self.distinct == self.failed + self.rejected


def rounds_of(job: Job) -> int:
    """Return the number of rounds of requests about a unit; 1 also for a stage without a model."""
    return job.stage.count_rounds(job.options) if isinstance(job.stage, ModelStage) else 1


def write_requests(job: ModelJob, unit: Unit, number: int) -> Path:
    """
    Write a model stage's requests about one unit of partitions.

    Raises
    ------
    BudgetSpent
        If none of them would be sent.
    """
    if is_closed(job.topic):
        raise BudgetSpent()
    rows, _ = rows_of(job, unit)
    return _write_requests(
        job, job.stage.ask(rows, job.options, job.context), round_folder(job.folder, 1) / part_name(number)
    )


def write_follow_ups(
    job: ModelJob,
    unit: Unit,
    requests: Sequence[Path],
    completions: Path,
    number: int,
    answered: Sequence[GenerationReport],
) -> Path:
    """
    Write a model stage's requests that depend on the answers to those of the rounds before.

    `answered` locates the answers; as a dependency of the task it also ensures that they exist.
    """
    rows, _ = rows_of(job, unit)
    answers = _answers(job, requests, completions, answered)
    assert job.stage.follow is not None  # otherwise this task is not submitted
    return _write_requests(
        job,
        job.stage.follow(rows, answers, job.options, job.context),
        round_folder(job.folder, answers.rounds + 1) / part_name(number),
    )


def _write_requests(job: ModelJob, requests: Iterable[Request], target: Path) -> Path:
    identity = job.context.model
    tokens = special_tokens_of(job.model)
    rows = [defused(request, tokens).to_row(identity) for request in requests]
    write_table(pa.Table.from_pylist(rows, schema=REQUESTS), target)
    return target


def defused(request: Request, tokens: frozenset[str]) -> Request:
    """Break up the special tokens of the request's model, which prompts do not know, in all messages."""
    messages = [{**message, "content": break_up(message["content"], tokens)} for message in request.messages]
    return replace(request, messages=messages)


def generate(job: ModelJob, requests: Path, completions: Path) -> GenerationReport:
    """
    Send every request that has no completion yet, in the order in which they were written.

    Runs on a worker with an engine. The answers go to the journal and from there to the completions table;
    they are not returned.

    Raises
    ------
    BudgetSpent
        If the run's budget ended before the requests did.
    """
    if is_closed(job.topic):
        raise BudgetSpent()
    keys = read_part(requests, ["key"])["key"]
    report = GenerationReport(requests=len(keys), distinct=pc.count_distinct(keys).as_py())
    due, retry = {*keys.to_pylist()}, True
    try:
        while due:
            with claim(completions, due) as mine:
                _generate(job, requests, completions, keys, mine.keys, report, retry)
            due, retry = mine.wait(), False  # rejections of these are new
    except CancelledError:  # the worker is being closed: another one resumes
        from distributed import Reschedule

        raise Reschedule from None
    return report


def _generate(
    job: ModelJob,
    requests: Path,
    completions: Path,
    keys: pa.ChunkedArray,
    mine: Set[str],
    report: GenerationReport,
    retry: bool,
) -> None:
    """Send the requests with the keys `mine`, and add to the report."""
    model, conditions = _model_of(job)
    store = Completions(completions, conditions)
    missing, rejected = store.look_up(keys)
    rejected = {key: why for key, why in rejected.items() if key in mine}
    retrial = Retrial(requests, rejected if retry else {}, isinstance(model, OpenAIModel), job.retry_errors)
    wanted = pc.or_(missing, _among(keys, retrial.first))
    wanted = pc.and_(wanted, _among(keys, list(mine)))
    if pc.any(wanted).as_py():
        journal = Journal(completions, f"{job.name}-{requests.stem}")
        budget = allowance(job.topic, job.budget, job.spent)
        due = pc.count_distinct(keys.filter(wanted)).as_py()
        spending = Spending(journal, budget, job.name, job.topic, conditions, requests, due)
        try:
            while pc.any(wanted).as_py():
                engine_pool().generate(
                    str(job.context.run_folder.parent),
                    model,
                    job.context.model,
                    takewhile(budget.admit, unanswered(requests, wanted)),
                    spending.keep,
                    spending.give_up,
                    spending.notify,
                    spending.read,
                )
                if short := spending.done < pc.count_distinct(keys.filter(wanted)).as_py():
                    break
                spending.done = 0
                wanted = _among(keys, retrial.rest(spending.answered))
        finally:
            journal.close()
        spending.report()
        report.segments.extend(filter(None, [store.settle_one(journal.path)]))
        if short:
            raise BudgetSpent()
        rejected = {key: why for key, why in rejected.items() if key not in spending.answered}
        rejected |= spending.rejected
        report.failures |= spending.failures
    report.failed, report.rejected = len(report.failures), report.rejected + len(rejected)
    report.refusal = next(iter([*rejected.values(), *report.failures.values()]), report.refusal)
    report.damage.update(store.damage)


def _among(keys: pa.ChunkedArray, values: Sequence[str]) -> pa.Array:
    return pc.is_in(keys, pa.array(values, pa.string())).combine_chunks()


def _model_of(job: ModelJob) -> tuple[Model, str]:
    """Return the model that a stage sends requests to, and its circumstances."""
    if job.model is None:
        raise ValueError(f"the job of {job.name} names no model")
    return job.model, circumstances(job.model)


def unanswered(requests: Path, missing: pa.Array) -> Iterator[tuple[str, Request]]:
    """Read the requests that have no completion, each once, with their keys, in small batches."""
    seen: set[str] = set()
    with pq.ParquetFile(requests) as file:
        start = 0
        for batch in file.iter_batches(REQUESTS_AT_ONCE):
            for row in batch.filter(missing[start : start + len(batch)]).to_pylist():
                if row["key"] not in seen:
                    seen.add(row["key"])
                    yield row["key"], Request.from_row(row)
            start += len(batch)


def read_answers(
    job: ModelJob,
    unit: Unit,
    requests: Sequence[Path],
    completions: Path,
    number: int,
    answered: Sequence[GenerationReport],
) -> PartReport:
    """
    Join one unit's requests with their completions and let the stage read them.

    `answered` is as in `write_follow_ups`.
    """
    rows, others = rows_of(job, unit)
    answers = _answers(job, requests, completions, answered)
    outcome = job.stage.read(rows, answers, job.options, job.context)
    report = finish(job, rows, others, outcome, part_name(number))
    paid = {answer.completion.key: answer.completion for answer in answers}
    for key in {key for generation in answered for key in generation.failures}:
        paid.pop(key, None)  # failures cost nothing
    cost = sum(map(Usage.of, paid.values()), start=Usage())
    return replace(report, rows_asked=answers.rows, cost=cost)


def _distinct(rows: Iterable[RequestRow]) -> list[RequestRow]:
    """Leave out repeated requests: equal rows of two tables, which have one id, are asked about alike."""
    return list({(row["row"], row["key"], row["task"], row["about"]): row for row in rows}.values())


def _answers(
    job: ModelJob, requests: Sequence[Path], completions: Path, answered: Sequence[GenerationReport]
) -> Answers:
    rows = _distinct(row for path in requests for row in read_part(path).to_pylist())
    store = Completions(completions, _model_of(job)[1])
    stored = store.find(
        [row["key"] for row in rows], [path for report in answered for path in report.segments]
    )
    name, revision = job.context.model.name, job.context.model.revision
    for report in answered:
        for key, why in report.failures.items():
            stored.setdefault(key, Completion(key, "", "error", name, revision, error=why))
    if lost := sum(row["key"] not in stored for row in rows):
        raise UserError(
            f"{lost} stored answers in {completions} can no longer be read "
            f"({'; '.join(store.damage.values()) or 'their files are missing'}). "
            "Run the same command again to request them again and resume"
        )
    read = (Answer(Request.from_row(row), separated(stored[row["key"]])) for row in rows)
    return Answers(read, len(requests))
