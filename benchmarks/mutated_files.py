"""
Read thousands of damaged files: each must end as text or with a reason, within limits.

The seeds are one small file per format, and the files of an optional folder. Each copy of a seed is damaged
by flipped, deleted, repeated and moved bytes; some copies are then compressed. Damaged recipes must load or
be rejected with a message. Run:

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
import zlib
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import add_quick
from datagen.errors import UserError
from datagen.recipe.load import load_recipe
from datagen.recipe.model import Recipe
from datagen.stages.sources import ingest
from datagen.stages.sources.ingest import watch

PROSE = "The keeper wound the clock at dusk. A bell was rung in fog.\n\n" * 20
HEADER = (
    "---\ntitle: Lamps\ndate: 2024-01-31\ntags: &t [a, b]\nmore: {x: *t, y: [1, 2.5]}\n---\n\n# Lamps\n\n"
)
RECIPE = """name: lamps
corpus: [{path: files, exclude: ["*.log"], fields: {text: body}}]
models: {generator: {engine: openai, model: m, base_url: "http://localhost:8000/v1", timeout: 60}}
budget: {prompt_tokens: 1000000}
stages: {ingest: {redact: [email], seconds: 60}, chunk: {max_chars: 1600}}
"""
WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
DOCUMENT = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"


def pdf() -> bytes:
    """Make a PDF of two pages with compressed content and a table of objects."""
    lines = b"".join(
        b"BT /F 10 Tf 72 %d Td (%s) Tj ET\n" % (y, PROSE[:58].encode()) for y in range(80, 700, 12)
    )
    content = zlib.compress(lines)
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>"
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Count 2/Kids[3 0 R 6 0 R]>>",
        page,
        b"<</Length %d/Filter/FlateDecode>>stream\n%s\nendstream" % (len(content), content),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
        page,
    ]
    made, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        places.append(len(made))
        made += b"%d 0 obj%s endobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(objects) + 1
    trailer = b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (size, len(made))
    return made + b"xref\n0 %d\n0000000000 65535 f \n%s" % (size, table) + trailer


def docx() -> bytes:
    """Make a Word document with headings, paragraphs and a table."""
    cell = f"<w:tc><w:p><w:r><w:t>{PROSE[:40]}</w:t></w:r></w:p></w:tc>"
    style = '<w:pPr><w:pStyle w:val="Heading1"/></w:pPr>'
    body = f"<w:p>{style}<w:r><w:t>Lamps</w:t></w:r></w:p>" + f"<w:p><w:r><w:t>{PROSE}</w:t></w:r></w:p>" * 9
    relation = f'<Relationship Id="r" Type="{DOCUMENT}" Target="word/document.xml"/>'
    relations = f'<Relationships xmlns="{PACKAGE}/relationships">{relation}</Relationships>'
    xml = '<Default Extension="xml" ContentType="application/xml"/>'
    types = f'<Types xmlns="{PACKAGE}/content-types">{xml}</Types>'
    return zipped(
        {
            "[Content_Types].xml": types.encode(),
            "_rels/.rels": relations.encode(),
            "word/document.xml": f'<w:document xmlns:w="{WORD}"><w:body>{body}<w:tbl><w:tr>{cell * 3}</w:tr>'
            "</w:tbl></w:body></w:document>".encode(),
        }
    )


def zipped(members: dict[str, bytes]) -> bytes:
    """Make a zip file."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


def seeds() -> dict[str, bytes]:
    """Make a sound file of each format: name -> bytes."""
    rows = [{"id": n, "text": PROSE, "when": f"2024-01-{n + 1:02}"} for n in range(9)]
    table = pa.Table.from_pylist(rows)
    parquet, arrow, tarred = io.BytesIO(), io.BytesIO(), io.BytesIO()
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
        "a.pdf": pdf(),
        "a.docx": docx(),
        "a.yaml": RECIPE.encode(),
    }
    with tarfile.open(fileobj=tarred, mode="w:gz") as tar:
        for name, data in made.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return made | {"a.zip": zipped(made), "a.tar.gz": tarred.getvalue()}


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
    """Write the files, read them, and print the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seeds", type=Path, help="a folder of further undamaged files")
    parser.add_argument("--types", nargs="*", help="only these endings, such as .pdf .yaml")
    parser.add_argument("--seed", type=int, default=0)
    add_quick(parser, count=300)
    arguments = parser.parse_args()
    draw, sound = random.Random(arguments.seed), seeds()
    if arguments.seeds:
        paths = sorted(path for path in arguments.seeds.rglob("*") if path.is_file())
        sound |= {path.name: path.read_bytes() for path in paths if path.stat().st_size < 300_000}
    names = [name for name in sound if not arguments.types or Path(name).suffix in arguments.types]
    with tempfile.TemporaryDirectory() as folder:
        for number in range(arguments.count):
            name = names[number % len(names)]
            data = mutated(sound[name], draw)
            if draw.random() < 0.1:
                name, data = f"{name}.gz", gzip.compress(data)
            path = Path(folder) / "files" / str(number // 1000) / f"{number}-{name}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        print(json.dumps(read(Path(folder)) | load(Path(folder))))


def load(folder: Path) -> dict[str, object]:
    """Load the damaged recipes among the files: each is valid or rejected with a message."""
    results: Counter[str] = Counter()
    for path in sorted(folder.rglob("*.yaml")):
        try:
            load_recipe(path)
            results["valid"] += 1
        except UserError:
            results["rejected"] += 1
    return {"recipes": dict(results)}


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
