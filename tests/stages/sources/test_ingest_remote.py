"""Files of an object store are read like those of a folder, with credentials from the environment only."""

import gzip
import io
import json
import re
from threading import Event

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import fs
from pydantic import ValidationError

from datagen.errors import UserError
from datagen.recipe.sections import Source
from datagen.stages.sources.ingest import Options, remote, watch
from datagen.stages.sources.ingest.record import Limits
from datagen.stages.sources.ingest.remote import list_files
from tests.support.corpora import context, ingested, reasons
from tests.support.google_store import google_store

PROSE = "The keeper wound the clock at dusk. A bell was rung in fog.\n"


@pytest.fixture(scope="module")
def server():
    from moto.server import ThreadedMotoServer  # imported here, as that takes seconds

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def bucket(server, monkeypatch):
    """A bucket with files; its credentials are in the environment."""
    import boto3

    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIAQ3EGRZ7XW2M5T4LJ",
        "AWS_SECRET_ACCESS_KEY": "not-a-real-secret",
        "AWS_ENDPOINT_URL": server,
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    watch.end_children()  # one that is idle has another environment
    client = boto3.client("s3", endpoint_url=server, region_name="us-east-1")
    client.create_bucket(Bucket="corpus")
    parquet = io.BytesIO()
    pq.write_table(pa.table({"id": ["p"], "text": [PROSE]}), parquet)
    files = {
        "docs/a.md": f"# Lamps\n\n{PROSE}".encode(),
        "docs/deep/b.txt.gz": gzip.compress(PROSE.encode()),
        "docs/c.parquet": parquet.getvalue(),
        "docs/d.jsonl": b'{"id": "j", "text": "One."}\n',
        "docs/.hidden.txt": b"hidden",
        "docs/drafts/e.txt": b"draft",
        "docs/broken.docx": b"PK\x03\x04 broken",
        "other/f.txt": b"other",
    }
    for name, data in files.items():
        client.put_object(Bucket="corpus", Key=name, Body=data)
    yield client
    watch.end_children()


@pytest.mark.slow
def test_a_prefix_is_read_as_a_folder_is(bucket, tmp_path):
    kept, dropped = ingested(tmp_path, {"path": "s3://corpus/docs", "exclude": ["drafts"]})
    assert set(kept) == {
        "s3://corpus/docs/a.md",
        "s3://corpus/docs/deep/b.txt.gz",
        "s3://corpus/docs/c.parquet#p",
        "s3://corpus/docs/d.jsonl#j",
    }
    assert reasons(dropped) == {"s3://corpus/docs/broken.docx": "unreadable file"}
    assert kept["s3://corpus/docs/a.md"]["title"] == "Lamps"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("entry", "names"),
    [
        ({"path": "s3://corpus/docs/**/*.txt"}, ["docs/drafts/e.txt"]),
        ({"path": "s3://corpus/docs/*.md"}, ["docs/a.md"]),
        ({"path": "s3://corpus/docs/a.md"}, ["docs/a.md"]),
        ({"path": "s3://corpus/", "include": ["f.txt", "docs/a.*"]}, ["docs/a.md", "other/f.txt"]),
    ],
)
def test_globs_and_objects(bucket, tmp_path, entry, names):
    kept, _ = ingested(tmp_path, entry)
    assert sorted(kept) == [f"s3://corpus/{name}" for name in names]


@pytest.mark.slow
def test_an_object_that_two_entries_name_is_read_once(bucket, tmp_path):
    kept, dropped = ingested(tmp_path, "s3://corpus/docs/a.md", "s3://corpus/docs/*.md")
    assert len(kept) == 1 and not dropped


@pytest.mark.slow
def test_a_large_object_is_streamed_within_a_partition_of_memory(bucket, tmp_path):
    line = json.dumps({"text": PROSE * 200}).encode()
    lines = b"\n".join(line.replace(b"The", f"{n} The".encode(), 1) for n in range(1500))  # 18 MB
    bucket.put_object(Bucket="corpus", Key="large/x.jsonl", Body=lines)
    from datagen.stages.sources import ingest

    running = context(tmp_path, "s3://corpus/large/x.jsonl", partition_mb=1.0)
    options = Options(memory_mb=200)
    sizes = [
        part.kept.nbytes
        for task in ingest.plan(options, running)
        for part in ingest.read(task, options, running)
    ]
    assert len(sizes) >= 15 and max(sizes) < 2_500_000


@pytest.mark.slow
def test_a_changed_object_of_the_same_name_and_size_is_a_changed_corpus(bucket, tmp_path):
    from datagen.stages.sources import ingest

    running = context(tmp_path, "s3://corpus/docs/d.jsonl")
    digests = []
    for text in ("One.", "Two.", "One."):
        bucket.put_object(Bucket="corpus", Key="docs/d.jsonl", Body=b'{"text": "%s"}\n' % text.encode())
        digests.append(ingest.digest(Options(), running))
    assert digests[0] == digests[2] != digests[1]


@pytest.mark.slow
def test_an_object_deleted_before_it_is_read_is_dropped(bucket, tmp_path):
    from datagen.stages.sources import ingest

    running = context(tmp_path, "s3://corpus/docs/a.md", "s3://corpus/other")
    tasks = ingest.plan(Options(), running)
    bucket.delete_object(Bucket="corpus", Key="docs/a.md")
    parts = [part for task in tasks for part in ingest.read(task, Options(), running)]
    (row,) = [row for part in parts for row in part.dropped.to_pylist()]
    assert row["source"] == "s3://corpus/docs/a.md" and "not-a-real-secret" not in str(row)
    assert sum(len(part.kept) for part in parts) == 1


@pytest.mark.slow
def test_a_missing_object_stops_the_run_with_a_message(bucket, tmp_path):
    for path in ("s3://corpus/nothing", "s3://no-such-bucket/x"):
        with pytest.raises(UserError, match=re.escape(path)):
            ingested(tmp_path, path)


@pytest.mark.parametrize(
    "path",
    [
        "s3://KEY:SECRETVALUE@bucket/x",
        "https://host/x?token=SECRETVALUE",
        "abfss://c:SECRETVALUE@a.dfs.core.windows.net/x",
    ],
)
def test_an_address_with_credentials_is_refused_and_not_shown(path):
    with pytest.raises(ValidationError) as refused:
        Source(path=path)
    message = "; ".join(error["msg"] for error in refused.value.errors())
    assert "credentials come from the environment" in message and "SECRETVALUE" not in message


def test_other_addresses_are_read_through_fsspec(tmp_path):
    import fsspec

    with fsspec.open("memory://corpus/a.txt", "wb") as stream:
        stream.write(PROSE.encode())
    from datagen.stages.sources.ingest.record import Limits
    from datagen.stages.sources.ingest.remote import list_files, open_remote

    (file,) = list_files(Source(path="memory://corpus"), Limits())
    with open_remote(file.name) as stream:
        assert stream.read() == PROSE.encode()
    assert file.size == len(PROSE)
    assert Source(path="abfss://container@account.dfs.core.windows.net/docs").is_remote


GOOGLE = {"docs/a.md": b"# Lamps\n\nLight.\n", "docs/deep/b.txt": PROSE.encode(), "other/c.txt": b"Other."}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("docs", ["docs/a.md", "docs/deep/b.txt"]),
        ("**/*.txt", ["docs/deep/b.txt", "other/c.txt"]),
        ("docs/a.md", ["docs/a.md"]),
    ],
)
def test_a_public_bucket_of_google_is_listed(monkeypatch, pattern, names):
    with google_store("corpus", GOOGLE) as address:
        monkeypatch.setenv("CLOUD_STORAGE_EMULATOR_ENDPOINT", address)
        files = list_files(Source(path=f"gs://anonymous@corpus/{pattern}"), Limits())
        assert [file.name for file in files] == [f"gs://anonymous@corpus/{name}" for name in names]
        assert [file.size for file in files] == [len(GOOGLE[name]) for name in names]


class Silent:
    """A store that never answers."""

    def __init__(self, ended):
        self.get_file_info = lambda path: ended.wait()


@pytest.mark.parametrize(
    ("address", "advice"),
    [("gs://bucket/docs", "GOOGLE_APPLICATION_CREDENTIALS"), ("s3://bucket", "network")],
)
def test_a_store_that_does_not_answer_is_reported(monkeypatch, address, advice):
    ended = Event()
    monkeypatch.setattr(remote, "ANSWER_SECONDS", 0.1)
    monkeypatch.setattr(remote, "_google", lambda anonymous: Silent(ended))
    monkeypatch.setattr(remote, "_s3", lambda bucket: Silent(ended))
    with pytest.raises(UserError, match=rf"{address}.*no answer within 0.1 seconds.*{advice}"):
        list_files(Source(path=address), Limits())
    ended.set()


class Azure:
    """Replaces Arrow's file system of an account; only the addresses are tested."""

    def __init__(self):
        self.files = {"corpus/docs/a.md": b"Light.", "corpus/other/c.txt": b"Other."}

    def get_file_info(self, wanted):
        if isinstance(wanted, str):
            kind = fs.FileType.File if wanted in self.files else fs.FileType.Directory
            return fs.FileInfo(wanted, kind, size=len(self.files.get(wanted, b"")))
        below = [name for name in self.files if name.startswith(f"{wanted.base_dir}/")]
        return [fs.FileInfo(name, fs.FileType.File, size=len(self.files[name])) for name in below]

    def open_input_file(self, path):
        return io.BytesIO(self.files[path])


@pytest.mark.parametrize(
    ("pattern", "names"),
    [("", ["docs/a.md", "other/c.txt"]), ("docs", ["docs/a.md"]), ("*/*.txt", ["other/c.txt"])],
)
def test_addresses_of_azure_keep_their_container_and_account(monkeypatch, pattern, names):
    accounts = []
    monkeypatch.setattr(remote, "_azure", lambda host: accounts.append(host) or Azure())
    base = "abfss://corpus@account.dfs.core.windows.net"
    files = list_files(Source(path=f"{base}/{pattern}"), Limits())
    assert [file.name for file in files] == [f"{base}/{name}" for name in names]
    assert files[0].opener().read() in (b"Light.", b"Other.")
    assert set(accounts) == {"account.dfs.core.windows.net"}


def test_an_address_of_azure_without_a_container_is_refused():
    with pytest.raises(UserError, match="name the container"):
        list_files(Source(path="abfss://corpus/docs"), Limits())
