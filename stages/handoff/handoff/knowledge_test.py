"""The knowledge test for lm-evaluation-harness: a closed-book multiple-choice task scored by likelihood."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import yaml

from datagen.stages.handoff.handoff.configurations import KNOWLEDGE_TEST
from datagen.stages.handoff.handoff.tally import Tally
from datagen.store.parquet import whole_file

FOLDER = "lm_eval"


def write(folder: Path, tally: Tally, name: str) -> None:
    """Write the test, if the hand-off has one, as JSON lines and a task file."""
    if not tally.rows(KNOWLEDGE_TEST, KNOWLEDGE_TEST):
        return
    columns = ["id", "question", "answer", "choices", "gold", "in_pairs"]
    with (
        whole_file(folder / FOLDER / "questions.jsonl") as unfinished,
        unfinished.open("w", encoding="utf-8") as file,
    ):
        for path in sorted((folder / KNOWLEDGE_TEST).rglob("*.parquet")):
            rows = pq.read_table(path, columns=columns, partitioning=None).to_pylist()
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    with whole_file(folder / FOLDER / "knowledge_test.yaml") as unfinished:
        text = yaml.safe_dump(task(name), sort_keys=False, allow_unicode=True)
        run = "lm_eval --model hf --model_args pretrained=MODEL --include_path lm_eval --tasks "
        unfinished.write_text(f"# Run in the hand-off's folder: {run}{task(name)['task']}\n{text}", "utf-8")


def task(name: str) -> dict[str, object]:
    """Return the task's configuration: the most likely of four answers, raw and normalised by length."""
    return {
        "task": f"{name.replace('-', '_').replace('.', '_').lower()}_knowledge",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": f"{FOLDER}/questions.jsonl"}},
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "Question: {{question}}\nAnswer:",
        "doc_to_choice": "choices",
        "doc_to_target": "gold",
        "metric_list": [
            {"metric": metric, "aggregation": "mean", "higher_is_better": True}
            for metric in ("acc", "acc_norm")
        ],
        "metadata": {"version": 1},
    }
