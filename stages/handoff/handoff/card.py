"""The dataset card of the hand-off, with the header that hubs and `datasets` read."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import yaml

import datagen
from datagen.engines import bundled
from datagen.engines.identity import identify, resolve
from datagen.json_types import JsonObject
from datagen.recipe.registry import stages_of
from datagen.recipe.roles import Model, VllmModel
from datagen.stage import NOTICES, Context, ModelStage
from datagen.stages.handoff.handoff import mixture
from datagen.stages.handoff.handoff.configurations import CONFIGURATIONS, KNOWLEDGE_TEST
from datagen.stages.handoff.handoff.memory import memory_for
from datagen.stages.handoff.handoff.options import Options
from datagen.stages.handoff.handoff.shards import Shard
from datagen.stages.handoff.handoff.tally import Tally
from datagen.stages.handoff.tokenizer import Ruler
from datagen.stages.sources import own_pairs
from datagen.store.parquet import sync
from datagen.template import render_file
from datagen.yaml_loader import load as load_yaml

SIZES = {1_000: "n<1K", 10_000: "1K<n<10K", 100_000: "10K<n<100K", 1_000_000: "100K<n<1M", 10**7: "1M<n<10M"}
Files: TypeAlias = Mapping[tuple[str, str], Sequence[Shard]]  # of each configuration and split
FEW = 30  # minimum rows of a split for a meaningful loss
UNSTATED = "not stated"
# Stage -> what it guarantees for every row.
GUARANTEES = {
    "dedup": "No two rows are equal or nearly equal in their words (`dedup`).",
    "semantic_dedup": "No two rows are paraphrases, by embedding similarity (`semantic_dedup`).",
    "curate": "Rows with signs of broken text, repetition or leaked instructions were removed (`curate`).",
}


def write_card(
    folder: Path,
    tally: Tally,
    shards: Files,
    promises: Sequence[JsonObject],
    measure: Ruler,
    options: Options,
    context: Context,
) -> None:
    """
    Write ``README.md``.

    Its header lists the configurations and splits that have rows, with a digest of their files.
    """
    tasks: dict[str, dict[str, Counter[str]]] = {}
    for (configuration, task, split), count in sorted(tally.tasks.items()):
        tasks.setdefault(configuration, {}).setdefault(task, Counter())[split] = count
    present = [configuration for configuration in CONFIGURATIONS if configuration.name in tasks]
    values: JsonObject = {
        "header": yaml.safe_dump(
            _header(tally, shards, options, context), sort_keys=False, allow_unicode=True
        ).strip(),
        "recipe": context.recipe,
        "version": datagen.__version__,
        "configurations": CONFIGURATIONS,
        "present": present,
        "splits": sorted({split for _, split in tally.amounts}, key=lambda split: (split != "train", split)),
        "tasks": tasks,
        "tally": tally,
        "measure": measure,
        "memory": memory_for(context.models.role("target")),
        "mixture": mixture.realised(tally, context),
        "promises": promises,
        "notices": list(_notices(context)),
        "makers": sorted(tally.makers.items()),
        "guarantees": _guarantees(measure, context),
        "weaknesses": list(_weaknesses(tally, measure, context)),
        "sources": _sources(options, context),
        "models": _models(options, context),
    }
    training = render_file(__package__, "training.md.j2", **values).strip()
    card = render_file(__package__, "card.md.j2", training=training, **values)
    path = folder / "README.md"
    path.write_text(card, encoding="utf-8")
    sync(path)


def _notices(context: Context) -> Iterator[tuple[str, str]]:
    """Yield the notices of earlier stages: stage and line. The card has those of `mix` with the mixture."""
    for name, stage, _ in stages_of(context.recipe, context.folder):
        path = context.run_folder / "stages" / name / NOTICES
        if stage.name != "mix" and path.exists():
            yield from ((name, line) for line in json.loads(path.read_text(encoding="utf-8")))


def _header(tally: Tally, shards: Files, options: Options, context: Context) -> dict[str, object]:
    rows = sum(amount.rows for (name, _), amount in tally.amounts.items() if not name.endswith("_messages"))
    size = next((name for most, name in SIZES.items() if rows < most), "n>10M")
    header: dict[str, object] = {
        "pretty_name": context.recipe["name"],
        "license": options.licence or "unknown",
        "task_categories": ["text-generation", "question-answering"],
        "size_categories": [size],
        "tags": ["datagen", "synthetic"],
    }
    if names := tally.configurations:
        ordered = [configuration.name for configuration in CONFIGURATIONS if configuration.name in names]
        header["configs"] = [_config(name, tally.splits(name), shards) for name in ordered]
    return header


def _config(configuration: str, splits: list[str], shards: Files) -> dict[str, object]:
    """
    Declare a configuration for `datasets`.

    The digest makes `datasets` (5.2) load it: its cache is addressed by this declaration and not by the
    files, so that equal declarations would return the rows of an earlier release or of another recipe.
    """
    digests = [shard.sha256 for split in splits for shard in shards[configuration, split]]
    return {
        "config_name": configuration,
        "description": f"sha256 {hashlib.sha256(''.join(digests).encode()).hexdigest()}",
        "data_files": [{"split": split, "path": f"{configuration}/{split}/*.parquet"} for split in splits],
    }


def _guarantees(measure: Ruler, context: Context) -> list[str]:
    always = [
        "Every row loads with `datasets` as written; `manifest.json` has the SHA-256 of each shard.",
        "Roles alternate and end with the assistant; no turn is blank; chosen and rejected differ.",
        "All rows of a document are in training or all in validation.",
    ]
    if measure.model:
        always += [
            f"With the tokenizer of {measure.name}, every row fits into {measure.longest or 'any number of'} "
            "tokens, has tokens with a loss, and contains no control token of the chat template.",
        ]
    used = {stage.name: options for _, stage, options in stages_of(context.recipe, context.folder)}
    always += [sentence for name, sentence in GUARANTEES.items() if name in used]
    if sets := getattr(used.get("decontaminate"), "against", ()):
        always.append(
            f"Rows that share long word n-grams with {len(sets)} test sets were removed (`decontaminate`)."
        )
    if getattr(used.get("calibrate"), "labels", None):
        always.append(
            "Thresholds were calibrated against labels; the run's report has the precision (`calibrate`)."
        )
    return always


def _weaknesses(tally: Tally, measure: Ruler, context: Context) -> Iterator[str]:
    stages = list(stages_of(context.recipe, context.folder))
    used = {stage.name: options for _, stage, options in stages}
    if any(isinstance(stage, ModelStage) for _, stage, _ in stages):
        labelled = getattr(used.get("calibrate"), "labels", None)
        readers = (
            "Only rows with a verdict in the label files were read" if labelled else "No person has read them"
        )
        yield f"Models wrote and judged most chat rows. {readers} for this card."
    if tally.open_book:
        share = tally.open_book / tally.rows("instructions", "train")
        yield (
            f"{share:.0%} of the training instructions contain the passage with the answer. They train "
            "reading; knowledge comes from the reading texts and the closed-book rows."
        )
    for name in ("reading", "instructions", "refusals", "preferences"):
        if tally.rows(name, "train") and (few := tally.rows(name, "validation")) < FEW:
            amount = f"only {few} validation row{'s' * (few > 1)}" if few else "no validation rows"
            yield f"{name} has {amount}: its validation loss is unreliable."
    if "instructions" in tally.configurations and (few := tally.rows(KNOWLEDGE_TEST, KNOWLEDGE_TEST)) < 400:
        yield (
            f"The knowledge test has {few} question{'' if few == 1 else 's'}; detecting a gain of 5 points "
            "takes about 400."
        )
    if not measure.model:
        yield f"Tokens were not counted: the tokenizer of {measure.name!r} is not available."
    elif not (measure.tokenizer and measure.tokenizer.has_template):
        yield f"{measure.name} has no chat template: set one for the trainer, and count the tokens again."
    if not getattr(used.get("calibrate"), "labels", None):
        yield "No threshold was calibrated against labels, so no precision is promised."
    if dropped := tally.dropped.total():
        reasons = ", ".join(f"{reason} ({count:,})" for reason, count in tally.dropped.most_common())
        yield f"{dropped:,} rows cannot be trained on or tested and were dropped: {reasons}."


def _sources(options: Options, context: Context) -> list[tuple[str, str]]:
    named = [(source.path or source.python, source.licence) for source in context.corpus]
    for _, _, given in stages_of(context.recipe, context.folder):
        if isinstance(given, own_pairs.Options):
            named += [(path, given.licence) for path in given.path]
    return [(name, options.licences.get(name) or licence or UNSTATED) for name, licence in named]


def _models(options: Options, context: Context) -> list[tuple[str, str, str, str]]:
    """List role, name, revision and licence of each model."""
    listed = []
    for role in context.models.roles:
        spec = context.models.role(role)
        identity = identify(spec)
        licence = options.licences.get(spec.model) or options.licences.get(identity.name) or _licence(spec)
        listed.append((role, identity.name, identity.revision, licence))
    return listed


def _licence(spec: Model) -> str:
    """Read a model's licence from the card in its folder."""
    if not isinstance(spec, VllmModel):
        return UNSTATED
    if spec.model in bundled.NAMES:
        return "apache-2.0"
    card = Path(resolve(spec)) / "README.md"
    try:
        header = load_yaml(card.read_text(encoding="utf-8").split("---\n")[1])
    except (OSError, IndexError, ValueError, yaml.YAMLError):
        return UNSTATED
    return str(header.get("license", UNSTATED)) if isinstance(header, dict) else UNSTATED
