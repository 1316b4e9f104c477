"""
Compare generators that received the same prompts: coverage, diversity, false positives, and cost.

Bansal et al. (Smaller, Weaker, Yet Better, arXiv 2408.16737) compare data of a strong, expensive model and a
weak, cheap one at the same inference budget: the weak one may write proportionally more samples.
Over the prompts (a passage and a task) that all compared stages sent:

* coverage: share of prompts with at least one accepted pair;
* diversity: different accepted pairs per prompt;
* false positives: share of accepted pairs to which a judge gave a score below `least`, of those it scored;
* cost: floating-point operations, two for each parameter and each token read or written; tokens in the
  prefix cache cost nothing.

``generators.json`` next to the table has these, for the report. If costs differ by more than 5 %, the stage
reports the number of samples that would match them. No row is dropped.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import pyarrow.compute as pc
from pydantic import Field

import datagen.stage
from datagen.errors import UserError
from datagen.json_types import JsonObject
from datagen.stage import Columns, Context, Partitions, Read, WholeStage, keep_all
from datagen.stages.confidence.score_columns import KINDS
from datagen.stages.shared.language.words import words_of
from datagen.store.parquet import RECORD, parts, read_part, write_json

FILE = "generators.json"
MATCHED = 1.05  # largest ratio of costs that count as the same

Billions = Annotated[float, Field(gt=0)]
Prompt = tuple[str, str]  # id of a passage, task


class Options(datagen.stage.Options):
    """The stages to compare, and the score that their pairs are audited by."""

    billions: dict[str, Billions] = Field(
        min_length=2,
        description="Stages to compare, each with the parameters of its model in billions, such as "
        "{instruct: 7, weaker: 1.5}",
    )
    score: str = Field("p_true", description="Column with the judge's score of each pair")
    least: float = Field(0.5, gt=0, le=1, description="Pairs with a lower score are false positives")


@dataclass
class Generated:
    """
    The prompts that a stage sent and the pairs that it accepted.

    Parameters
    ----------
    record
        Its ``stage.json``.
    asked
        The prompts that it sent.
    pairs
        Prompt -> its different accepted pairs, by their words.
    audited, false
        Prompt -> its accepted pairs with a score, and those with a low one.
    """

    record: JsonObject
    asked: set[Prompt] = field(default_factory=set)
    pairs: dict[Prompt, set[str]] = field(default_factory=lambda: defaultdict(set))
    audited: Counter[Prompt] = field(default_factory=Counter)
    false: Counter[Prompt] = field(default_factory=Counter)

    def flops(self, billions: float) -> float:
        """Return the floating-point operations of all its requests."""
        cost = self.record.get("cost", {})
        tokens = (
            cost.get("prompt_tokens", 0) - cost.get("cached_tokens", 0) + cost.get("completion_tokens", 0)
        )
        return 2e9 * billions * float(tokens)

    def figures(self, prompts: set[Prompt]) -> JsonObject:
        """Return the figures over some prompts."""
        covered = [prompt for prompt in prompts if self.pairs.get(prompt)]
        accepted = sum(len(self.pairs[prompt]) for prompt in covered)
        audited, false = (sum(counts[prompt] for prompt in prompts) for counts in (self.audited, self.false))
        return {
            "prompts": len(prompts),
            "coverage": len(covered) / len(prompts),
            "pairs": accepted,
            "diversity": accepted / len(prompts),
            "audited": audited,
            "false_positives": false / audited if audited else None,
        }


def run(partitions: Partitions, options: Options, context: Context) -> Iterator[None]:
    """Compare the stages; partitions need no result."""
    generated = {name: _read(name, context) for name in options.billions}
    for table in partitions.columns(["lineage", "task", options.score]):
        if options.score not in table.column_names:
            raise UserError(
                f"stages.{context.stage}: there is no score {options.score!r}; put the stage that measures "
                "it, such as score, before this one"
            )
        origin = table["lineage"]
        columns = [pc.struct_field(origin, "stage"), pc.struct_field(origin, "passage_id"), table["task"]]
        scores = table[options.score].to_pylist()
        rows = zip(*(column.to_pylist() for column in columns), scores, strict=True)
        for stage_name, passage, task, score in rows:
            if stage_name in generated and score is not None:
                generated[stage_name].audited[passage, task] += 1
                generated[stage_name].false[passage, task] += score < options.least
    compared = compare(generated, options, context.stage)
    write_json({"compared": compared}, context.output / FILE)
    context.notice(_advice(compared))
    yield from [None] * len(partitions)


def compare(generated: Mapping[str, Generated], options: Options, stage: str) -> list[JsonObject]:
    """
    Return the figures of each stage over the prompts that all sent.

    Raises
    ------
    UserError
        If there is no such prompt.
    """
    prompts = set.intersection(*(made.asked for made in generated.values()))
    if not prompts:
        raise UserError(
            f"stages.{stage}: {' and '.join(generated)} sent no prompt in common; give them the same tasks "
            "and the same share"
        )
    return [
        {
            "stage": name,
            "model": made.record.get("model", {}).get("name", ""),
            "billions": options.billions[name],
            **made.figures(prompts),
            "flops": made.flops(options.billions[name]),
            "samples": int(made.record.get("options", {}).get("samples", 1)),
        }
        for name, made in generated.items()
    ]


def _read(name: str, context: Context) -> Generated:
    """Read the rows of a stage, kept and dropped."""
    folder = context.run_folder / "stages" / name
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(
            f"stages.{context.stage}.billions: there is no stage {name} before this one; name stages that "
            "write pairs"
        ) from error
    if "cost" not in record or record.get("gives") != "examples":
        raise UserError(f"stages.{context.stage}.billions: {name} does not write pairs with a model")
    made = Generated(record)
    for path in (*parts(folder / "dropped"), *parts(folder)):
        _count(path, path.parent == folder, made)
    return made


def _count(path: Path, accepted: bool, made: Generated) -> None:
    table = read_part(path, ["task", "question", "answer", "lineage"])
    requests, passages = (pc.struct_field(table["lineage"], name) for name in ("requests", "passage_id"))
    table = table.select(["task", "question", "answer"]).append_column("passage", passages)
    for row in table.filter(pc.greater(pc.list_value_length(requests), 0)).to_pylist():
        prompt = (row["passage"], row["task"])
        made.asked.add(prompt)
        if accepted:
            made.pairs[prompt].add(" ".join(words_of(f"{row['question']} {row['answer']}")))


def _advice(compared: list[JsonObject]) -> list[str]:
    """Describe how to match the costs, if they differ."""
    costs = [made["flops"] for made in compared]
    if min(costs) <= 0 or max(costs) <= MATCHED * min(costs):
        return []
    largest = max(compared, key=lambda made: made["flops"])
    lines = []
    for made in compared:
        samples = round(made["samples"] * largest["flops"] / made["flops"])
        if made is not largest and samples != made["samples"]:
            lines.append(
                f"{made['stage']} cost {made['flops'] / largest['flops']:.0%} of {largest['stage']}: "
                f"samples: {samples} would match it"
            )
    return lines


def columns(options: Options) -> Columns:
    """Return the score that is compared."""
    return Columns([Read(options.score, ("score",))])


stage = WholeStage(
    name="compare_generators",
    summary="compare generators on the same prompts: coverage, diversity, false positives and cost",
    takes="examples",
    gives="examples",
    run=run,
    apply=keep_all,
    columns=columns,
    options=Options,
    kinds=KINDS,
)
