"""Other formats of the same rows: JSON lines, Alpaca and ShareGPT, under ``also/``."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow.parquet as pq

from datagen.rows import Fields, Row
from datagen.stages.handoff.handoff.tally import Tally
from datagen.store.parquet import whole_file

SPEAKERS = {"user": "human", "assistant": "gpt", "system": "system"}


def write(folder: Path, tally: Tally, formats: Sequence[str]) -> None:
    """Write the requested formats, one file per configuration and split."""
    for name in formats:
        for configuration, split in tally.amounts:
            rows = _rows(folder / configuration / split)
            if name == "jsonl":
                _write_lines(rows, folder / "also" / name / f"{configuration}-{split}.jsonl")
            elif configuration in ("instructions", "refusals"):
                shape = _alpaca if name == "alpaca" else _sharegpt
                _write_array(map(shape, rows), folder / "also" / name / f"{configuration}-{split}.json")


def _rows(folder: Path) -> Iterator[Row]:
    for path in sorted(folder.glob("*.parquet")):
        for batch in pq.ParquetFile(path).iter_batches(1_000):
            yield from batch.to_pylist()


def _alpaca(row: Row) -> Fields:
    """Convert to Alpaca; earlier turns become ``history``, pairs as in LLaMA-Factory."""
    system, turns = _conversation(row)
    texts = [turn["content"] for turn in turns]
    history = [texts[place : place + 2] for place in range(0, len(texts) - 2, 2)]
    alpaca = {"id": row["id"], "instruction": texts[-2], "input": "", "output": texts[-1]}
    return alpaca | {"system": system, "history": history}


def _sharegpt(row: Row) -> Fields:
    system, turns = _conversation(row)
    conversations = [{"from": SPEAKERS[turn["role"]], "value": turn["content"]} for turn in turns]
    return {"id": row["id"], "conversations": conversations, "system": system}


def _conversation(row: Row) -> tuple[str, list[dict[str, str]]]:
    """Split a row into its system message and the other turns."""
    turns = [*row["prompt"], *row["completion"]]
    if turns[0]["role"] == "system":
        return turns[0]["content"], turns[1:]
    return "", turns


def _write_lines(rows: Iterator[Mapping[str, object]], path: Path) -> None:
    with whole_file(path) as unfinished, unfinished.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _write_array(rows: Iterator[Mapping[str, object]], path: Path) -> None:
    """Write a JSON array row by row."""
    with whole_file(path) as unfinished, unfinished.open("w", encoding="utf-8") as file:
        before = "[\n"
        for row in rows:
            file.write(before + json.dumps(row, ensure_ascii=False))
            before = ",\n"
        file.write("\n]\n" if before == ",\n" else "[]\n")
