"""
Whether questions labelled unanswerable from a passage are really unanswerable.

``python -m benchmarks.refusals examples/synthesizer.yaml`` uses held-out questions written by people. Every
second one is shown with its own paragraph, which contains the answer; the others with another paragraph of
their article. Prints, as a line of JSON, how many of the first are labelled unanswerable by search, by the
judge, and by both as in the pipeline (fewer is better), and how many of the second (more is better); once for
any such verdict of the judge, and once with the certainty that the stage refuse requires.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import add_quick
from datagen.engines.ask import Asker
from datagen.engines.identity import identify
from datagen.prompt import load as load_prompt
from datagen.recipe.roles import VllmModel
from datagen.schema import PASSAGES, PROBES, fraction, table_of
from datagen.stage import Context, Partitions
from datagen.stages.knowledge import unanswerable
from datagen.stages.knowledge.refuse.options import Options as RefuseOptions
from datagen.stages.shared import passage_qa
from datagen.stages.shared.segment.sentences import split_sentences
from datagen.store.parquet import part_name, write_table
from datagen.synthesizer.recipe import load_recipe
from datagen.synthesizer.sets import Paragraph, load

Planted = dict[str, Any]  # question, answer, own sentence, shown passage, whether it contains the answer


def _raise(key: str, why: str) -> None:
    raise RuntimeError(why)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("recipe", type=Path, help="the synthesizer's recipe: its sets and holdout")
    parser.add_argument("--model", default="bundled", help="the judge")
    parser.add_argument("--questions", type=int, default=200)
    add_quick(parser, questions=20)
    options = parser.parse_args()
    held_out = [p for p in load(load_recipe(options.recipe)) if p.held_out and p.questions[0].answer]
    planted = plant(held_out, options.questions)
    searched = search(planted)
    print(
        json.dumps(
            {
                f"sure {sure}": figures(planted, searched, judge(planted, options.model, sure))
                for sure in (0.0, RefuseOptions().sure)
            }
        )
    )


def plant(paragraphs: Sequence[Paragraph], most: int) -> list[Planted]:
    """Pair questions with their own paragraph or, every other one, with another one of the same article."""
    everything = [(p, q) for p in paragraphs for q in p.questions if q.answer]
    everything.sort(key=lambda pair: fraction("planted", pair[1].id))
    planted: list[Planted] = []
    for paragraph, question in everything:
        same = [p for p in paragraphs if p.title == paragraph.title and p.set == paragraph.set]
        others = [p.text for p in same if question.answer not in p.text]
        spans = (paragraph.text[start:end] for start, end in split_sentences(paragraph.text))
        own = next((span for span in spans if question.answer in span), question.answer)
        if len(planted) == most or not others:
            continue
        stands = len(planted) % 2 == 0
        shown = paragraph.text if stands else min(others, key=lambda text: fraction(question.id, text))
        known = {"question": question.text, "answer": question.answer, "title": paragraph.title}
        planted.append(known | {"own": own, "shown": shown, "stands": stands})
    return planted


def search(planted: Sequence[Planted]) -> list[bool]:
    """Run the stage unanswerable; return whether it accepts the planted passage."""
    rows, shelf = [], []
    for number, one in enumerate(planted):
        name = str(number)
        spot = {"document_id": name, "title": one["title"], "source": name}
        texts = enumerate((one["own"], one["shown"]))
        shelf += [spot | {"id": f"{name}-{n}", "text": text, "start": n, "end": n + 1} for n, text in texts]
        lineage = spot | {"passage_id": f"{name}-0", "start": 0, "end": 1, "requests": [], "parents": []}
        asked = {"id": name, "question": one["question"], "answer": one["answer"], "context": one["own"]}
        rows.append(asked | {"evidence": one["own"], "lineage": lineage})
    with tempfile.TemporaryDirectory() as folder:
        write_table(table_of(PASSAGES, shelf), Path(folder) / "stages" / "chunk" / part_name(0))
        tables = {"passages": [Path(folder) / "stages" / "chunk"]}
        context = Context("unanswerable", output=Path(folder) / "out", tables=tables)
        table, options = table_of(PROBES, rows), unanswerable.Options(share=1, changed=0)
        readers = Partitions([lambda names: table if names is None else table.select(names)])
        (number,) = unanswerable.run(readers, options, context)
        near = unanswerable.apply(table, number, options, context).kept["near"].to_pylist()
    return [row["context"] == one["shown"] for row, one in zip(near, planted, strict=True)]


def judge(planted: Sequence[Planted], model: str, sure: float) -> list[bool]:
    """Ask the judge whether the shown passage leaves the question open."""
    prompt, spec = load_prompt(passage_qa.PROMPT), VllmModel(model=model)
    requests = [
        passage_qa.ask(
            prompt,
            str(number),
            task="unanswerable",
            question=one["question"],
            passage=one["shown"],
            heading=one["title"],
        )
        for number, one in enumerate(planted)
    ]
    identity = identify(spec)
    folder = Path(tempfile.gettempdir()) / f"benchmark-refusals-{identity.name}-{identity.revision}"
    with Asker(spec, folder) as asker:
        answers = asker.answer(requests)
    probabilities = [passage_qa.probability_left_open(answer, prompt) for answer in answers]
    return [bool(probability and probability >= sure) for probability in probabilities]


def figures(planted: Sequence[Planted], searched: Sequence[bool], judged: Sequence[bool]) -> dict[str, Any]:
    """Count the questions labelled unanswerable among the answerable and the unanswerable ones."""
    by_method = {"search": searched, "judge": judged}
    by_method["both"] = [all(pair) for pair in zip(searched, judged, strict=True)]
    counts: dict[str, Any] = {}
    for stands, name in ((True, "answer stands"), (False, "left open")):
        mine = [number for number, one in enumerate(planted) if one["stands"] == stands]
        counts[name] = {"questions": len(mine)} | {
            who: sum(labels[number] for number in mine) for who, labels in by_method.items()
        }
    return counts


if __name__ == "__main__":
    main()
