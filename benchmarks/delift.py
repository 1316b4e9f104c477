"""
The utility of rows as examples for each other (DELIFT), and what selection by utility keeps.

``python -m benchmarks.delift xquad.en.json.gz --rows 40``

Questions about a few articles of a real set, a fifth of them with a wrong answer (`benchmarks.planted`), go
through the stages delift_neighbours, delift_utility and select. Prints the best and the worst pairs, for
reading; then, as one line of JSON, the mean utility of an example for rows on its paragraph, its article and
other articles, the mean utility of right and wrong examples, and the share of wrong rows before and after
selection.
"""

import argparse
import json
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from benchmarks import add_quick, planted
from datagen.recipe.load import load_recipe
from datagen.report.console import Console
from datagen.run.folder import Run
from datagen.run.runner import run
from datagen.schema import EXAMPLES, chat, table_of
from datagen.store.parquet import parts, read_part, write_table

SHOWN = 10  # pairs shown, best and worst


def draw(path: Path, rows: int, articles: int) -> dict[str, planted.Pair]:
    """Sample questions about the first few articles: id -> pair."""
    pairs = list(planted.read(path))
    titles = list(dict.fromkeys(pair.title for pair in pairs))[:articles]
    drawn = planted.plant([pair for pair in pairs if pair.title in titles], rows)
    return {pair.id: pair for pair in drawn}


def measure(pairs: dict[str, planted.Pair], options: argparse.Namespace, folder: Path) -> Run:
    """Run the stages on the pairs."""
    rows = [pair.row() for pair in pairs.values()]
    if options.closed_book:
        rows = [row | {"context": None, "prompt": chat(row["question"])} for row in rows]
    write_table(table_of(EXAMPLES, rows), folder / "rows.parquet")
    recipe = {
        "name": "benchmark-delift",
        "corpus": [{"path": str(folder / "rows.parquet")}],
        "models": {"generator": {"model": options.model}},
        "stages": {
            "planted": {"use": "benchmarks.confidence:source", "path": str(folder / "rows.parquet")},
            "delift_neighbours": {"neighbours": options.neighbours},
            "delift_utility": {},
            "select": {"method": {"instruction": "utility"}},
        },
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False))
    with Console() as console:
        return run(load_recipe(folder / "recipe.yaml"), folder / "outputs", console)


def _rows(finished: Run, stage: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pa.concat_tables(
        map(read_part, parts(finished.stage_folder(stage)))
    ).to_pylist()
    return rows


def figures(finished: Run, pairs: dict[str, planted.Pair]) -> dict[str, Any]:
    """Average the utilities by distance and by correctness of the example; print the best and worst pairs."""
    measured = [
        (one["utility"], pairs[row["id"]], pairs[one["id"]])
        for row in _rows(finished, "delift_utility")
        for one in row["utility"]
    ]
    measured.sort(key=lambda pair: -pair[0])
    for worth, row, example in [*measured[:SHOWN], *measured[-SHOWN:]]:
        print(f"{worth:+.3f}  {_described(row)}  <-  {_described(example)}")
    groups: dict[str, list[float]] = defaultdict(list)
    for worth, row, example in measured:
        groups[_near(row, example)].append(worth)
        groups["of wrong examples" if example.how else "of right examples"].append(worth)
    kept = {row["id"] for row in _rows(finished, "select")}
    record = finished.stage_record("delift_utility") or {}
    return {
        "rows": len(pairs),
        "pairs": len(measured),
        "seconds": record.get("seconds"),
        "prompt_tokens": record.get("requests", {}).get("prompt_tokens"),
        "mean utility": {name: round(sum(worth) / len(worth), 3) for name, worth in groups.items()},
        "helps": {
            name: round(sum(one > 0 for one in worth) / len(worth), 2) for name, worth in groups.items()
        },
        "wrong": round(sum(bool(pair.how) for pair in pairs.values()) / len(pairs), 3),
        "wrong kept": round(sum(bool(pairs[name].how) for name in kept) / len(kept), 3),
        "kept": len(kept),
    }


def _near(row: planted.Pair, example: planted.Pair) -> str:
    if row.passage == example.passage:
        return "same paragraph"
    return "same article" if row.title == example.title else "other article"


def _described(pair: planted.Pair) -> str:
    return f"{pair.question} {pair.answer!r}" + (f" [{pair.how}]" if pair.how else "")


def main() -> None:
    """Run the benchmark; the figures come last, as one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("set", type=Path, help="question-answer pairs in SQuAD's format, also gzipped")
    parser.add_argument("--model", default="bundled-chat", help="target: bundled, bundled-chat, a folder")
    parser.add_argument("--rows", type=int, default=40, help="questions drawn")
    parser.add_argument("--articles", type=int, default=3, help="number of articles")
    parser.add_argument("--neighbours", type=int, default=3, help="examples tried per row")
    parser.add_argument("--closed-book", action="store_true", help="omit the paragraphs from the prompts")
    parser.add_argument("--folder", type=Path, help="keep the run here, to resume with the same command")
    add_quick(parser, rows=8, articles=2)
    options = parser.parse_args()
    pairs = draw(options.set, options.rows, options.articles)
    with tempfile.TemporaryDirectory() as name:
        folder = (options.folder or Path(name)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        print(json.dumps(figures(measure(pairs, options, folder), pairs)))


if __name__ == "__main__":
    main()
