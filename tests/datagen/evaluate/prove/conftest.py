"""A small finished run: passages about towns, reading texts, pairs and a knowledge test."""

from dataclasses import asdict

import pyarrow as pa
import pytest

from datagen.run.folder import open_run
from datagen.schema import EXAMPLES, MESSAGES, PASSAGES, chat, content_id, table_of
from datagen.stages.handoff.handoff.shards import describe
from datagen.store.parquet import write_json, write_table

TOWNS = (
    "Harwick", "Ostrava", "Brenmouth", "Lindholm", "Carrow", "Tarsdale", "Norvell", "Eastmere", "Quillon",
    "Ashford", "Belmar", "Corvane", "Dunmere", "Elsworth", "Fenwick", "Galston", "Hathern", "Ilford",
    "Jarrow", "Kelby", "Lowick", "Marden", "Newby", "Orford", "Penrith", "Radley", "Selby", "Thirsk",
)  # fmt: skip
STONES = ("granite", "slate", "brick", "timber", "marble", "chalk", "limestone")
CRAFTS = ("miners", "weavers", "farmers", "sailors", "potters", "bakers", "smiths")
VALIDATION = TOWNS[-3:]


def passage(number):
    town, stone, craft = TOWNS[number], STONES[number % 7], CRAFTS[number * 3 % 7]
    return (
        f"The bridge of {town} was built in {1900 + number} by local {craft}. Its walls are made of {stone} "
        f"from the northern quarry. The tower of {town} was restored in {1950 + number} after a long fire. "
        f"The market of {town} is held on the western square."
    )


def questions(number):
    town, stone, craft = TOWNS[number], STONES[number % 7], CRAFTS[number * 3 % 7]
    text = passage(number).split(". ")
    return [
        (f"When was the bridge of {town} built?", str(1900 + number), text[0]),
        (f"Who raised the old bridge of {town}?", f"local {craft}", text[0]),
        (f"What are the walls of the bridge of {town} made of?", stone, text[1]),
        (f"When did masons mend the tower of {town}?", str(1950 + number), text[2]),
    ]


def example(number, **fields):
    document, place = f"doc-{number:02d}", f"passage-{number:02d}"
    lineage = {"document_id": document, "passage_id": place, "language": "en", "parents": [place]}
    row = dict.fromkeys(EXAMPLES.names) | {"task": "t", "lineage": lineage} | fields
    return row | {"id": content_id(document, row["kind"], row["question"], row["text"])}


@pytest.fixture
def write_run(tmp_path):
    """Write a run; `poison` shuffles the answers of the handed-off pairs, `dropped` adds dropped pairs."""

    def write(poison=False, dropped=0, texts=True, pairs=True):
        folder = tmp_path / "outputs" / "towns" / "run"
        rows, tests = [], []
        for number, town in enumerate(TOWNS):
            if texts:
                text = (
                    f"{passage(number)}\n\nQuestion: Where is the market of {town} held?\nAnswer: the square"
                )
                rows.append(example(number, kind="reading", text=text))
            for place, (question, answer, evidence) in enumerate(questions(number) if pairs else ()):
                row = example(
                    number, kind="instruction", question=question, answer=answer, evidence=evidence,
                    prompt=chat(question),
                )  # fmt: skip
                (tests if place == 3 and number % 4 == 0 else rows).append(row)
        _table(folder, "chunk", "passages", table_of(PASSAGES, [_passage(n) for n in range(len(TOWNS))]))
        lost = [
            example(n, kind="instruction", question=f"Which saint does the chapel of {TOWNS[n]} honour?",
                    answer="nobody", prompt=chat("x")) | {"reason": "not grounded", "detail": None}
            for n in range(dropped)
        ]  # fmt: skip
        _table(folder, "handoff", "examples", table_of(EXAMPLES, [*rows, *tests]), lost)
        _hand_off(folder, rows, tests, poison)
        manifest = {
            "id": "r", "state": "finished", "stages": ["chunk", "handoff"], "inherits": [], "fingerprint": "f",
            "recipe": {"name": "towns", "stages": {"chunk": None, "handoff": None}, "models": {}},
        }  # fmt: skip
        write_json(manifest, folder / "manifest.json")
        return open_run(folder)

    return write


def _passage(number):
    return {
        "id": f"passage-{number:02d}", "document_id": f"doc-{number:02d}", "text": passage(number),
        "title": TOWNS[number], "section": [], "language": "en", "source": "towns",
    }  # fmt: skip


def _table(folder, name, gives, table, dropped=()):
    place = folder / "stages" / name
    write_table(table, place / "part-00000.parquet")
    lost = pa.schema([*EXAMPLES, ("reason", pa.string()), ("detail", pa.string())])
    write_table(table_of(lost, dropped), place / "dropped" / "part-00000.parquet")
    takes = "documents" if gives == "passages" else "examples"
    record = {"stage": name, "takes": takes, "gives": gives, "files": {"part-00000.parquet": ""}}
    write_json(record, place / "stage.json")


def _hand_off(folder, rows, tests, poison):
    for split, chosen in (("train", False), ("validation", True)):
        of_split = [
            row for row in rows if (TOWNS[int(row["lineage"]["document_id"][4:])] in VALIDATION) == chosen
        ]
        texts = [row for row in of_split if row["kind"] == "reading"]
        pairs = [row for row in of_split if row["kind"] == "instruction"]
        answers = [row["answer"] for row in pairs]
        answers = answers[7:] + answers[:7] if poison else answers
        completions = [[{"role": "assistant", "content": answer}] for answer in answers]
        text = table_of(EXAMPLES, texts).select(["id", "text", "lineage"])
        chats = table_of(EXAMPLES, pairs).select(["id", "prompt", "lineage"])
        chats = chats.append_column("completion", pa.array(completions, MESSAGES))
        write_table(text, folder / "handoff" / "reading" / split / f"{split}-0.parquet")
        write_table(chats, folder / "handoff" / "instructions" / split / f"{split}-0.parquet")
    test = table_of(EXAMPLES, tests).select(["id", "question", "answer", "evidence", "lineage"])
    write_table(test, folder / "handoff" / "knowledge_test" / "knowledge_test" / "k-0.parquet")
    home, configurations = folder / "handoff", {}
    for path in sorted(home.rglob("*.parquet")):
        configuration, split = path.relative_to(home).parts[:2]
        shards = {"shards": [asdict(describe(path, home))]}
        configurations.setdefault(configuration, {})[split] = shards
    write_json({"configurations": configurations}, home / "manifest.json")
