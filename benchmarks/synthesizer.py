"""
Quality of the synthesizer on unseen passages, compared with other models.

``python -m benchmarks.synthesizer examples/synthesizer.yaml --us-code us-code.jsonl.gz``

Three sets: held-out paragraphs of the labelled sets, articles of CPython's language reference, and sections
of the US Code (title 35). Each model runs the pipeline on them (ingest, chunk, instruct with the
task marked_question). It then gets held-out questions with their own or another paragraph, in every available
language, to measure whether it detects unanswerable questions.
"""

import argparse
import gzip
import json
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from benchmarks import add_quick
from datagen.engines.identity import identify
from datagen.engines.pool import EnginePool
from datagen.prompt import load as load_prompt
from datagen.recipe.load import load_recipe
from datagen.recipe.roles import VllmModel
from datagen.report.console import Console
from datagen.request import Request
from datagen.run.folder import Run
from datagen.run.runner import run
from datagen.schema import fraction
from datagen.stages.shared import passage_qa
from datagen.stages.shared.language.matching import likeness
from datagen.stages.shared.language.rules import language_of
from datagen.stages.shared.language.words import words_of
from datagen.store.completions import Completions
from datagen.store.journal import Journal
from datagen.store.parquet import parts, read_part
from datagen.synthesizer.recipe import LabelledSet, SynthesizerRecipe
from datagen.synthesizer.recipe import load_recipe as load_synthesizer
from datagen.synthesizer.sets import Paragraph, load

TASK = "marked_question"
ROUND_TRIP = ("round trip", "answered without")  # prefixes of its drop reasons
SETS = ("labelled", "python", "us-code")


def _raise(key: str, why: str) -> None:
    raise RuntimeError(why)


def main() -> None:
    """Run the benchmark; the last line of output is JSON."""
    options = _options()
    recipe = load_synthesizer(options.recipe)
    paragraphs = [p for p in load(recipe) if p.held_out and p.questions[0].answer]
    shown = [*paragraphs, *chain.from_iterable(translated(recipe, path, paragraphs) for path in options.also)]
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        corpus = write_corpora(Path(folder), paragraphs, options.us_code, options.passages)
        for model in options.model:
            finished = generate(Path(folder), corpus, model)
            figures[model] = {name: measure(finished, name) for name in SETS}
            figures[model]["says so"] = abstentions(Path(folder), shown, model, options.questions)
            print(json.dumps({model: figures[model]}, indent=1), file=sys.stderr)
            if options.keep:
                keep(finished, options.keep / model.replace("/", "_"))
    print(json.dumps(figures))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("recipe", type=Path, help="the synthesizer's recipe: its sets and holdout")
    parser.add_argument("--us-code", type=Path, help="sections of the US Code, JSON lines")
    parser.add_argument("--model", action="append", help="bundled, bundled-chat, or a folder; repeatable")
    parser.add_argument("--also", type=Path, action="append", default=[], help="a translated set; repeatable")
    parser.add_argument("--passages", type=int, default=40, help="documents per set")
    parser.add_argument("--questions", type=int, default=400, help="questions with a paragraph")
    parser.add_argument("--keep", type=Path, help="a folder for the kept pairs, for reading")
    add_quick(parser, passages=4, questions=20)
    options = parser.parse_args()
    models = options.model or ["bundled"]
    options.model = [str(Path(name).resolve()) if Path(name).is_dir() else name for name in models]
    return options


def translated(recipe: SynthesizerRecipe, path: Path, paragraphs: Sequence[Paragraph]) -> Iterator[Paragraph]:
    """Read the held-out questions from a translation of a set."""
    held_out = {asked.id for paragraph in paragraphs for asked in paragraph.questions}
    labelled = LabelledSet(path=str(path.resolve()), format="squad", licence="not trained on")
    for paragraph in load(recipe.model_copy(update={"sets": [labelled]})):
        if questions := tuple(asked for asked in paragraph.questions if asked.id in held_out):
            yield replace(paragraph, questions=questions)


def write_corpora(
    folder: Path, paragraphs: Sequence[Paragraph], us_code: Path | None, most: int
) -> list[Path]:
    """Write up to `most` documents of each set, sampled by hash, as JSON lines."""
    from pydoc_data.topics import topics

    documents: dict[str, list[dict[str, str]]] = {
        "labelled": [{"title": p.title, "text": p.text} for p in paragraphs if p.set.endswith(".en")],
        "python": [{"title": name, "text": text} for name, text in topics.items()],
        "us-code": list(_sections(us_code)) if us_code else [],
    }
    paths = []
    for name, rows in documents.items():
        drawn = sorted(rows, key=lambda row: fraction("benchmark", row["text"]))[:most]
        path = folder / f"{name}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in drawn))
        paths += [path] if drawn else []
    return paths


def _sections(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            if row["id"].startswith("/us/usc/t35/"):
                yield {"title": row["title"], "text": row["text"]}


def generate(folder: Path, corpus: Sequence[Path], model: str) -> Run:
    """Run the pipeline with a model on every document."""
    recipe = {
        "name": f"benchmark-{Path(model).name}",
        "corpus": [{"path": str(path)} for path in corpus],
        "models": {"generator": {"model": model}},
        "cluster": {"partition_mb": 0.05},
        "stages": {"ingest": None, "chunk": None, "instruct": {"tasks": [TASK]}},
    }
    path = folder / f"{recipe['name']}.yaml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False))
    with Console() as console:
        return run(load_recipe(path), folder / "outputs", console)


def rows(finished: Run, stage: str, table: str = "") -> list[dict[str, Any]]:
    """Read a stage's whole table."""
    return [
        row for path in parts(finished.stage_folder(stage) / table) for row in read_part(path).to_pylist()
    ]


def measure(finished: Run, name: str) -> dict[str, Any]:
    """
    Measure one set's pairs.

    Pairs per passage, share of answers that occur in the passage, agreement of the round trip (share kept of
    those that reached it), distinct questions, and generated tokens per kept pair.
    """

    def of_set(table: list[dict[str, Any]], lineage: bool = True) -> list[dict[str, Any]]:
        return [row for row in table if f"{name}.jsonl" in (row["lineage"] if lineage else row)["source"]]

    passages = of_set(rows(finished, "chunk"), lineage=False)
    kept, dropped = of_set(rows(finished, "instruct")), of_set(rows(finished, "instruct", "dropped"))
    returned = sum(row["reason"].startswith(ROUND_TRIP) for row in dropped)
    keys = {key for row in [*kept, *dropped] for key in row["lineage"]["requests"]}
    completions = Completions(finished.folder / "completions").find(sorted(keys))
    tokens = sum(completion.completion_tokens for completion in completions.values())
    copied = sum(
        f" {' '.join(words_of(row['answer']))} " in f" {' '.join(words_of(row['context']))} " for row in kept
    )
    return {
        "passages": len(passages),
        "written": len(kept) + sum(bool(row["lineage"]["requests"]) for row in dropped),
        "kept": len(kept),
        "kept a passage": round(len(kept) / max(1, len(passages)), 2),
        "answer in passage": round(copied / max(1, len(kept)), 3),
        "round trip": round(len(kept) / max(1, len(kept) + returned), 3),
        "distinct questions": len({row["question"].casefold() for row in kept}),
        "tokens per kept pair": round(tokens / max(1, len(kept)), 1),
        "dropped": dict(Counter(row["reason"] for row in dropped).most_common()),
    }


def abstentions(
    folder: Path, paragraphs: Sequence[Paragraph], model: str, most: int
) -> dict[str, dict[str, float]]:
    """
    Ask each held-out question with its own paragraph or, for every other one, with another of its article.

    Correct is an answer in the first case and "the text does not say" in the second. The other paragraph does
    not contain the answer.
    """
    prompt = load_prompt(passage_qa.PROMPT)
    spec = VllmModel(model=model)
    who = identify(spec)
    asked: dict[str, list[tuple[Request, bool, str]]] = defaultdict(list)
    by_article: dict[tuple[str, str], list[Paragraph]] = defaultdict(list)
    for paragraph in paragraphs:
        by_article[paragraph.set, paragraph.title].append(paragraph)
    everything = sorted(
        ((p, q) for p in paragraphs for q in p.questions),
        key=lambda pair: fraction("shown", pair[1].id, pair[0].set),
    )
    for paragraph, question in everything:
        mine = asked[paragraph.set]
        if len(mine) == most:
            continue
        own = len(mine) % 2 == 0
        others = [p for p in by_article[paragraph.set, paragraph.title] if question.answer not in p.text]
        others = others or [p for p in paragraphs if p.set == paragraph.set and question.answer not in p.text]
        shown = paragraph if own else min(others, key=lambda p: fraction(question.id, p.id))
        request = passage_qa.ask(
            prompt, question.id, task="shown", question=question.text, passage=shown.text, heading=shown.title
        )
        mine.append((request, own, question.answer))
    requests = {r.key(who): r for mine in asked.values() for r, _, _ in mine}
    completions = folder / f"shown-{who.name}-{who.revision}"
    completions.mkdir()
    journal, pool = Journal(completions, "shown"), EnginePool()
    pool.generate("shown", spec, who, requests.items(), journal.append, _raise)
    pool.close()
    journal.close()
    stored = Completions(completions).find(list(requests))
    language = language_of("en")
    figures = {}
    for name, mine in asked.items():
        replies = [(stored[r.key(who)].text.strip(), own, answer) for r, own, answer in mine]
        abstained = [passage_qa.left_open(text, prompt) for text, _, _ in replies]
        right = sum(abstains != own for abstains, (_, own, _) in zip(abstained, replies, strict=True))
        agree = [likeness(text, answer, language=language) == 1 for text, own, answer in replies if own]
        wrongly = sum(abstains for abstains, reply in zip(abstained, replies, strict=True) if reply[1])
        figures[name] = {
            "shown": len(replies),
            "right": round(right / max(1, len(replies)), 3),
            "abstains with its own paragraph": round(wrongly / max(1, len(agree)), 3),
            "answer equal": round(sum(agree) / max(1, len(agree)), 3),
        }
    return figures


def keep(finished: Run, folder: Path) -> None:
    """Write the kept pairs to a file, for reading."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "pairs.jsonl").open("w") as file:
        for row in rows(finished, "instruct"):
            fields = ("question", "answer", "evidence", "context")
            file.write(json.dumps({"source": row["lineage"]["source"]} | {f: row[f] for f in fields}) + "\n")


if __name__ == "__main__":
    main()
