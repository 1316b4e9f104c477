"""
Reads thousands of damaged files: each must end as text or with a reason, within limits.

Seeds are one file of each format that needs no other program to make, and those of a folder that is named.
Each is damaged by flipped, cut, repeated and exchanged bytes, before or after it is compressed. Run:

    python -m benchmarks.mutated_files --count 10000 --seeds some/folder
"""

import argparse
import gzip
import io
import json
import random
import resource
import tarfile
import tempfile
import time
import zipfile
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import add_quick
from datagen.recipe.model import Recipe
from datagen.stages.sources import ingest
from datagen.stages.sources.ingest import watch

PROSE = "The keeper wound the clock at dusk. A bell was rung in fog.\n\n" * 20
HEADER = (
    "---\ntitle: Lamps\ndate: 2024-01-31\ntags: &t [a, b]\nmore: {x: *t, y: [1, 2.5]}\n---\n\n# Lamps\n\n"
)


def seeds() -> dict[str, bytes]:
    """Make a sound file of each format: name -> bytes."""
    rows = [{"id": n, "text": PROSE, "when": f"2024-01-{n + 1:02}"} for n in range(9)]
    table = pa.Table.from_pylist(rows)
    parquet, arrow, zipped, tarred = io.BytesIO(), io.BytesIO(), io.BytesIO(), io.BytesIO()
    pq.write_table(table, parquet)
    with pa.ipc.new_file(arrow, table.schema) as out:
        out.write_table(table)
    made = {
        "a.txt": PROSE.encode(),
        "a.md": (HEADER + PROSE).encode(),
        "a.html": f"<html><head><title>Lamps</title></head><body><nav><a href='/'>x</a></nav><h1>Lamps</h1>"
        f"<p>{PROSE}</p><table><tr><td>1</td></tr></table></body></html>".encode(),
        "a.jsonl": "\n".join(map(json.dumps, rows)).encode(),
        "a.json": json.dumps(rows).encode(),
        "a.csv": ("id,text\n" + "\n".join(f'{n},"{PROSE}"' for n in range(9))).encode(),
        "a.parquet": parquet.getvalue(),
        "a.arrow": arrow.getvalue(),
    }
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in made.items():
            archive.writestr(name, data)
    with tarfile.open(fileobj=tarred, mode="w:gz") as tar:
        for name, data in made.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return made | {"a.zip": zipped.getvalue(), "a.tar.gz": tarred.getvalue()}


def mutated(data: bytes, draw: random.Random) -> bytes:
    """Damage a file in one to eight places."""
    out = bytearray(data)
    for _ in range(draw.randint(1, 8)):
        at = draw.randrange(len(out) + 1)
        match draw.randrange(6):
            case 0 if out:
                out[at % len(out)] ^= 1 << draw.randrange(8)
            case 1:
                del out[at : at + draw.randint(1, 200)]
            case 2:
                out[at:at] = out[at : at + draw.randint(1, 200)] * draw.randint(1, 50)
            case 3:
                out[at : at + 4] = draw.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff"])
            case 4:
                out = out[:at]
            case 5:
                other = draw.randrange(len(out) + 1)
                out[at : at + 50] = out[other : other + 50]
    return bytes(out)


def main() -> None:
    """Write the files, read them, and say what became of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seeds", type=Path, help="a folder of further sound files")
    parser.add_argument("--seed", type=int, default=0)
    add_quick(parser, count=300)
    arguments = parser.parse_args()
    draw, sound = random.Random(arguments.seed), seeds()
    if arguments.seeds:
        paths = sorted(path for path in arguments.seeds.rglob("*") if path.is_file())
        sound |= {path.name: path.read_bytes() for path in paths if path.stat().st_size < 300_000}
    names = list(sound)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(arguments.count):
            name = names[number % len(names)]
            data = mutated(sound[name], draw)
            if draw.random() < 0.1:
                name, data = f"{name}.gz", gzip.compress(data)
            path = Path(folder) / "files" / str(number // 1000) / f"{number}-{name}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        print(json.dumps(read(Path(folder))))


def read(folder: Path) -> dict[str, object]:
    """Read all files below a folder's ``files``."""
    recipe = Recipe(name="mutated", corpus=[{"path": "files"}], file=folder / "recipe.yaml")
    context, options = recipe.context("ingest", folder / "run"), ingest.Options()
    reasons: Counter[str] = Counter()
    files: Counter[str] = Counter()
    started, kept = time.monotonic(), 0
    for task in ingest.plan(options, context):
        for outcome in ingest.read(task, options, context):
            kept += len(outcome.kept)
            reasons.update(outcome.dropped["reason"].to_pylist())
            files.update({name: n for name, n in outcome.figures.items() if name.startswith("files/")})
    watch.end_children()
    mega = 1 / 1024
    return {
        "files": sum(files.values()),
        "read": sum(count for name, count in files.items() if name.endswith("/read")),
        "documents": kept,
        "reasons": dict(reasons.most_common()),
        "seconds": round(time.monotonic() - started, 1),
        "peak_mb_of_the_reader": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * mega),
        "peak_mb_of_the_worker": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * mega),
    }


if __name__ == "__main__":
    main()
