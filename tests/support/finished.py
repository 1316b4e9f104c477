"""Write the files of a finished run: documents, passages, rows with scores and verdicts, requests, answers."""

import json

import pyarrow as pa

from datagen.schema import DOCUMENTS, EXAMPLES, PASSAGES, REQUESTS, content_id, table_of
from datagen.store.parquet import part_name, write_json, write_table
from datagen.store.segments import SCHEMA, write_segment
from tests.support.runs import record_files

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>&amp;\x1b[2J"
ROWS = 40
PASSAGE = f"The harbour opens at six. {EVIL} The ferry leaves\nat noon from pier two, and back at five."
EVIDENCE = "The ferry leaves at noon"
SCORED = pa.schema([*EXAMPLES, ("grounding", pa.float64()), ("words", pa.float64())])
KEY, FOLLOW_UP = content_id("request"), content_id("follow-up")


def row(number, kind="instruction", **fields):
    """Make a row; only the first has its own request."""
    lineage = {
        "document_id": f"d{number % 4}",
        "source": f"harbour-{number % 4}{EVIL}",
        "start": 25 * (number % 4),
        "end": 90,
        "passage_id": f"p{number % 4}",
        "stage": "write",
        "requests": [KEY] if number == 0 else [],
        "parents": [f"p{number % 4}"],
    }
    content = {
        "question": f"When does ferry {number} leave?{EVIL}",
        "answer": "at noon",
        "evidence": EVIDENCE,
    }
    return {
        "id": content_id(kind, str(number)),
        "kind": kind,
        "task": f"timetable{EVIL}",
        "logprob": -0.1 - number / 100,
        "lineage": lineage,
        **content,
        **fields,
    }


def write(folder):
    """Write the run; return its folder."""
    stages = folder / "stages"
    made = {}

    def stage(name, takes, gives, schema, kept, dropped=(), **record):
        for part in (0, 1):
            write_table(table_of(schema, kept[part::2]), stages / name / part_name(part))
            why = pa.schema([*schema, ("reason", pa.string()), ("detail", pa.string())])
            write_table(table_of(why, dropped[part::2]), stages / name / "dropped" / part_name(part))
        counts = {}
        for other_row in dropped:
            counts[other_row["reason"]] = counts.get(other_row["reason"], 0) + 1
        reads = [earlier for earlier, gave in made.items() if gave == takes][-1:]
        made[name] = gives
        known = {"stage": name, "summary": EVIL, "takes": takes, "gives": gives, "reads": reads}
        known |= {
            "rows_in": len(kept) + len(dropped),
            "rows_out": len(kept),
            "dropped": counts,
            "seconds": 1.0,
        }
        write_json(known | record, stages / name / "stage.json")

    documents = [
        {"id": f"d{n}", "source": f"harbour-{n}{EVIL}", "title": EVIL, "text": PASSAGE, "language": "en"}
        for n in range(5)
    ]
    stage("read", "", "documents", DOCUMENTS, documents)
    passages = [
        {"id": f"p{n}", "document_id": f"d{n}", "text": PASSAGE, "start": 0, "end": len(PASSAGE)}
        for n in range(4)
    ]
    stage("cut", "documents", "passages", PASSAGES, passages)

    rows = [row(number) for number in range(ROWS)]
    failed = [row(ROWS + n, reason=f"not a question{EVIL}", detail=EVIL) for n in range(3)]
    spent = {
        "completion_tokens": 800,
        "prompt_tokens": 4000,
        "cached_tokens": 100,
        "completions": 40,
        "rows": 40,
    }
    asked = {"asked": 40, "reused": 0, **{name: spent[name] for name in spent if name != "rows"}}
    model = {"role": "generator", "name": EVIL, "revision": "1"}
    stage("write", "passages", "examples", EXAMPLES, rows, failed, cost=spent, requests=asked, model=model)
    body = {"messages": [{"role": "user", "content": f"Write about: {EVIL}"}]}
    request = {"key": KEY, "row": "p0", "task": "t", "prompt": "write/ferries", "body": json.dumps(body)}
    write_table(table_of(REQUESTS, [request]), stages / "write" / "requests" / part_name(0))
    follow_up = request | {"key": FOLLOW_UP, "prompt": "write/check"}
    write_table(table_of(REQUESTS, [follow_up]), stages / "write" / "follow_ups" / part_name(0))
    answer = {"key": KEY, "text": f"raw {EVIL}", "finish": "stop", "model": "m", "revision": "1"}
    answer |= {"prompt_tokens": 9, "cached_tokens": 0, "completion_tokens": 9, "logprobs": [], "choices": []}
    write_segment(folder / "completions" / f"segment-{KEY}.parquet", [pa.Table.from_pylist([answer], SCHEMA)])

    scored = [made | {"grounding": n / ROWS, "words": float(1 + n)} for n, made in enumerate(rows)]
    twin = {"reason": "near duplicate", "detail": f"of {rows[20]['id']}: 0.9 by Jaccard"}
    stage("measure", "examples", "examples", SCORED, scored)
    stage("dedup", "examples", "examples", SCORED, scored[2:], [made | twin for made in scored[:2]])
    kept = [made | {"confidence": made["grounding"]} for made in scored[2:]]
    calibrated = pa.schema([*SCORED, ("confidence", pa.float64()), ("threshold", pa.float64())])
    stage("calibrate", "examples", "examples", calibrated, kept)
    judged = [
        {
            "group": "instruction",
            "id": made["id"],
            "right": n > 8,
            "confidence": made["confidence"],
            "later": False,
        }
        for n, made in enumerate(kept)
    ]
    write_table(pa.Table.from_pylist(judged), stages / "calibrate" / "sample.parquet")
    diagram = {"rows": [9, 29], "confidence": [0.2, 0.7], "right": [0.0, 1.0]}
    promise = {"target": 0.9, "threshold": 0.3}
    report = {"instruction": {"promise": promise, "scores": {"confidence": {"reliability": diagram}}}}
    write_json(report, stages / "calibrate" / "report.json")

    record_files(stages / "calibrate")
    names = ["read", "cut", "write", "measure", "dedup", "calibrate"]
    recipe = {
        "name": f"ferries{EVIL}",
        "seed": 0,
        "stages": {**dict.fromkeys(names), "calibrate": {"labels": []}},
    }
    manifest = {
        "recipe": recipe,
        "stages": names,
        "state": "finished",
        "fingerprint": "f",
        "models": {"g": model},
    }
    write_json(manifest | {"started": "2026-11-29", "datagen": "0"}, folder / "manifest.json")
    return folder
