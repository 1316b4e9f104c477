"""
What a worker does for a stage that asks a model: write a partition's requests, have them answered, read them.

The functions here are tasks of the Dask graph, as those of `datagen.run.tasks` are. Requests lie in a file
and answers in the completions table; a task is told where, and a task that runs twice asks nothing twice.
"""

import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from concurrent.futures import CancelledError
from dataclasses import asdict, dataclass, field, replace
from itertools import takewhile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from datagen.control_tokens import break_up
from datagen.engines.identity import circumstances
from datagen.engines.meter import Reading
from datagen.engines.pool import engine_room
from datagen.engines.special_tokens import special_tokens_of
from datagen.errors import BudgetSpent, UserError
from datagen.recipe.sections import Model, OpenAIModel
from datagen.request import Answer, Answers, Completion, Request, Usage, separated
from datagen.run.budget import Purse, is_shut, purse
from datagen.run.claims import claim
from datagen.run.tasks import Job, PartReport, finish, rows_of
from datagen.schema import REQUESTS
from datagen.stage import ModelStage
from datagen.store.completions import Completions
from datagen.store.journal import Journal
from datagen.store.parquet import part_name, read_part, write_table

REQUESTS_AT_ONCE = 256  # read from their file
TELL_SECONDS = 0.5  # between two messages about what a task has spent


@dataclass
class GenerationReport:
    """
    What generation did for one partition.

    Parameters
    ----------
    requests, distinct
        Requests, and different ones among them.
    segments
        Paths of the segments that were written.
    damage
        Completions that cannot be read, by file.
    failures
        Requests that kept failing: key -> what they met last. They are stored nowhere and asked again by the
        next run.
    rejected
        How many requests stand rejected.
    refusal
        What the server said to one of those that have no answer.
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
        """Whether there were requests, and every one of them was rejected or failed."""
        return 0 < self.distinct == self.failed + self.rejected


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
    answers = _answers(job, [requests], completions, [answered])
    return _write_requests(
        job,
        job.stage.follow(rows, answers, job.options, job.context),
        job.folder / "follow_ups" / part_name(number),
    )


def _write_requests(job: Job, requests: Iterable[Request], target: Path) -> Path:
    identity = job.context.model
    own = special_tokens_of(job.model)
    rows = [defused(request, own).to_row(identity) for request in requests]
    write_table(pa.Table.from_pylist(rows, schema=REQUESTS), target)
    return target


def defused(request: Request, own: frozenset[str]) -> Request:
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
    job: Job,
    requests: Path,
    completions: Path,
    keys: pa.ChunkedArray,
    mine: Set[str],
    report: GenerationReport,
    retry: bool,
) -> None:
    """Have the requests with the keys `mine` answered, and add to the report."""
    model, here = _asked(job)
    store = Completions(completions, here)
    missing, rejected = store.look_up(keys)
    rejected = {key: why for key, why in rejected.items() if key in mine}
    again = Retrial(requests, rejected if retry else {}, isinstance(model, OpenAIModel), job.retry_errors)
    wanted = pc.or_(missing, _among(keys, again.first))
    wanted = pc.and_(wanted, _among(keys, list(mine)))
    if pc.any(wanted).as_py():
        journal = Journal(completions, f"{job.name}-{requests.stem}")
        budget = purse(job.topic, job.budget, job.spent)
        spending = _Spending(journal, budget, job, here)
        try:
            while pc.any(wanted).as_py():
                engine_room().generate(
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
                wanted = _among(keys, again.rest(spending.answered))
        finally:
            journal.close()
        spending.tell()
        report.segments.extend(filter(None, [store.settle_one(journal.path)]))
        if short:
            raise BudgetSpent()
        rejected = {key: why for key, why in rejected.items() if key not in spending.answered}
        rejected |= spending.rejected
        report.failures |= spending.failures
    report.failed, report.rejected = len(report.failures), report.rejected + len(rejected)
    report.refusal = next(iter([*rejected.values(), *report.failures.values()]), report.refusal)
    report.damage.update(store.damage)


def _among(keys: pa.ChunkedArray, some: Sequence[str]) -> pa.Array:
    return pc.is_in(keys, pa.array(some, pa.string())).combine_chunks()


def _asked(job: Job) -> tuple[Model, str]:
    """Give the model that a stage asks, and the circumstances of what it is asked."""
    if job.model is None:
        raise ValueError(f"the job of {job.name} names no model")
    return job.model, circumstances(job.model)


class Retrial:
    """
    Which rejected requests are asked again, though nothing that we know of has changed.

    A server may have been fixed without our knowing: one request of each kind of rejection is asked, the
    shortest, and the others of its kind only when it is answered.
    """

    def __init__(self, requests: Path, rejected: Mapping[str, str], server: bool, everything: bool) -> None:
        self._kinds: dict[str, list[str]] = {}
        self.first: list[str] = []
        if everything:
            self.first = list(rejected)
        elif rejected and server:
            asked = read_part(requests, ["key", "body"])
            length = dict(
                zip(asked["key"].to_pylist(), pc.utf8_length(asked["body"]).to_pylist(), strict=True)
            )
            for key in sorted(rejected, key=length.__getitem__):
                self._kinds.setdefault(kind_of(rejected[key]), []).append(key)
            self.first = [keys[0] for keys in self._kinds.values()]

    def rest(self, answered: Set[str]) -> list[str]:
        """List the requests whose like was answered now; each once."""
        answered_kinds = [kind for kind, keys in self._kinds.items() if keys[0] in answered]
        return [key for kind in answered_kinds for key in self._kinds.pop(kind)[1:]]


def kind_of(message: str) -> str:
    """Reduce a server's message to its words, without what differs from request to request."""
    return " ".join(re.findall(r"[^\W\d_]{2,}", message)[:12]).casefold()


def unanswered(requests: Path, missing: pa.Array) -> Iterator[tuple[str, Request]]:
    """Read the requests that have no completion, each once, with their keys; memory holds a few at a time."""
    seen: set[str] = set()
    with pq.ParquetFile(requests) as file:
        start = 0
        for batch in file.iter_batches(REQUESTS_AT_ONCE):
            for row in batch.filter(missing[start : start + len(batch)]).to_pylist():
                if row["key"] not in seen:
                    seen.add(row["key"])
                    yield row["key"], Request.from_row(row)
            start += len(batch)


class _Spending:
    """Keeps a task's answers, and tells what they took: the purse at once, the runner twice a second."""

    def __init__(self, journal: Journal, budget: Purse, job: Job, here: str) -> None:
        self._journal, self._budget, self._here = journal, budget, here
        self._stage, self._topic = job.name, job.topic
        self._told = time.monotonic()
        self.usage = Usage()
        self.done = 0  # requests that came to an end, whichever
        self.answered: set[str] = set()
        self.rejected: dict[str, str] = {}
        self.failures: dict[str, str] = {}

    def keep(self, completion: Completion) -> None:
        if completion.finish == "error":
            completion = replace(completion, circumstances=self._here)
            self.rejected[completion.key] = completion.error
        else:
            self.answered.add(completion.key)
        self._journal.append(completion)
        took = Usage.of(completion)
        self._budget.pay(took)
        self.usage += took
        self.done += 1
        if time.monotonic() - self._told > TELL_SECONDS:
            self.tell()

    def give_up(self, key: str, why: str) -> None:
        self._budget.give_back()
        self.failures[key] = why
        self.done += 1

    def tell(self) -> None:
        self._told = time.monotonic()
        self._say({"stage": self._stage, "task": self._journal.path.name, "usage": asdict(self.usage)})

    def notify(self, notice: str) -> None:
        self._say({"notice": notice})

    def read(self, reading: Reading) -> None:
        self._say({"reading": asdict(reading)})

    def _say(self, said: dict[str, Any]) -> None:
        if self._topic:
            from distributed import get_worker

            get_worker().log_event(self._topic, said)


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
    answers = _answers(job, requests, completions, answered)
    outcome = stage.read(rows, answers, job.options, job.context)
    report = finish(job, rows, others, outcome, part_name(number))
    behind = {answer.completion.key: answer.completion for answer in answers}
    for key in {key for done in answered for key in done.failures}:
        behind.pop(key, None)  # they cost nothing
    cost = sum(map(Usage.of, behind.values()), start=Usage())
    return replace(report, rows_asked=answers.rows, cost=cost)


def _answers(
    job: Job, requests: Sequence[Path], completions: Path, answered: Sequence[GenerationReport]
) -> Answers:
    asked = [row for path in requests for row in read_part(path).to_pylist()]
    store = Completions(completions, _asked(job)[1])
    found = store.find(
        [row["key"] for row in asked], [path for report in answered for path in report.segments]
    )
    name, revision = job.context.model.name, job.context.model.revision
    for report in answered:
        for key, why in report.failures.items():
            found.setdefault(key, Completion(key, "", "error", name, revision, error=why))
    if lost := sum(row["key"] not in found for row in asked):
        raise UserError(
            f"{lost} answers in {completions} were there and cannot be read any more "
            f"({'; '.join(store.damage.values()) or 'their files are gone'}). "
            "Run the same command again: it asks for these and goes on"
        )
    return Answers(Answer(Request.from_row(row), separated(found[row["key"]])) for row in asked)
