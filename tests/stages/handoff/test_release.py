"""The manifest, the changelog, the card, other formats, and the upload."""

import hashlib
import http.server
import json
import os
import re
import threading

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from datagen.errors import UserError
from datagen.schema import chat
from datagen.stage import NOTICES
from datagen.stages.handoff.handoff import renewal, stage
from datagen.stages.handoff.handoff.configurations import KNOWLEDGE
from datagen.store.parquet import Damaged, write_json
from tests.support.rows import example, put_through

SPLIT = {"split": pa.string()}
MIXED = SPLIT | {"phase": pa.int64(), "part": pa.string(), "order": pa.int64(), "knowledge": KNOWLEDGE}
SERVED = {"models": {"generator": {"engine": "openai", "model": "m", "base_url": "http://localhost"}}}
NAMED = SERVED["models"]["generator"]
DIALOGUE = [*chat("First?", system="Be brief."), {"role": "assistant", "content": "One."}, *chat("Second?")]


def text(number, **fields):
    return example("reading", text=f"Text {number}.", id=f"text {number}", split="train") | fields


def pair(number, **fields):
    return example(question=f"Q{number}?", answer=f"A{number}", id=f"pair {number}", split="train") | fields


def hand_off(rows, folder, columns=SPLIT, recipe=SERVED, **options):
    folder.mkdir(parents=True, exist_ok=True)
    return put_through(stage, rows, folder=folder, columns=columns, recipe=recipe, **options)


def manifest(folder):
    return json.loads((folder / "handoff" / "manifest.json").read_text())


def test_the_manifest_lists_every_file_with_checksum(tmp_path):
    rows = [*map(text, range(30)), pair(1), pair(2, split="validation")]
    hand_off([*rows, pair(3, answer="")], tmp_path, also=["jsonl"], shard_mb=0.000_5)
    written = manifest(tmp_path)
    shards = [
        shard
        for splits in written["configurations"].values()
        for split in splits.values()
        for shard in split["shards"]
    ]
    assert sum(shard["rows"] for shard in shards if shard["path"].startswith("reading/")) == 30
    listed = {shard["path"]: shard for shard in shards} | written["files"]
    files = {str(path.relative_to(tmp_path / "handoff")) for path in (tmp_path / "handoff").rglob("*.*")}
    assert set(listed) == {name for name in files if (tmp_path / "handoff" / name).is_file()} - {
        "manifest.json"
    }
    for name, entry in listed.items():
        content = (tmp_path / "handoff" / name).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (entry["bytes"], entry["sha256"]), name
    assert written["dropped"] == {"incomplete": 1} and written["previous"] is None


def test_shards_are_in_training_order(tmp_path):
    rows = [text(n, phase=1 + n % 2, part="all", order=10 * (n % 2)) for n in range(1, 9)]
    put_through(stage, rows, 3, tmp_path, columns=MIXED, recipe=SERVED)
    loaded = datasets.load_dataset(
        str(tmp_path / "handoff"), "reading", split="train", cache_dir=str(tmp_path)
    )
    assert [int(name.split()[1]) % 2 for name in loaded["id"]] == [0] * 4 + [1] * 4
    parts = manifest(tmp_path)["mixture"]["parts"]
    assert [(part["phase"], part["rows"], part["realised"]) for part in parts] == [(1, 4, 1.0), (2, 4, 1.0)]


def test_a_part_that_misses_its_share_gives_a_warning(tmp_path):
    recipe = SERVED | {"stages": {"ingest": None, "mix": None, "handoff": None}}
    rows = [text(n, phase=1, part="rest", order=0) for n in range(1, 9)]
    shares = {"rest": 0.7, "law": 0.3}
    requested = [{"phase": 1, "part": part, "share": share} for part, share in shares.items()]
    found = "reading: validation has no rows"
    plan = {"by": "rows", "requested": requested, "warnings": [found]}
    write_json(plan, tmp_path / "stages" / "mix" / "mixture.json")
    write_json([found], tmp_path / "stages" / "mix" / NOTICES)
    put_through(
        stage, rows, 3, tmp_path, columns=MIXED, recipe=recipe, output=tmp_path / "stages" / "handoff"
    )
    mixture = manifest(tmp_path)["mixture"]
    assert {part["part"]: part["realised"] for part in mixture["parts"]} == {"law": 0.0, "rest": 1.0}
    missed = [
        "part 'law' of phase 1 has 0.0% of the phase; 30.0% were requested",
        "part 'rest' of phase 1 has 100.0% of the phase; 70.0% were requested",
    ]
    assert mixture["warnings"] == [found, *missed]
    card = (tmp_path / "handoff" / "README.md").read_text()
    assert [card.count(line) for line in (found, *missed)] == [1, 1, 1]
    notices = tmp_path / "stages" / "handoff" / NOTICES  # that of mix is shown by its own stage
    assert json.loads(notices.read_text()) == missed


def test_the_changelog_lists_added_removed_and_moved_rows(tmp_path):
    hand_off([text(1), text(2), text(5, split="validation"), pair(1)], tmp_path / "one")
    assert "The first release." in (tmp_path / "one" / "handoff" / "CHANGELOG.md").read_text()
    (tmp_path / "latest").symlink_to("one")
    other = {"models": {"generator": SERVED["models"]["generator"] | {"model": "n"}}}
    rows = [text(2, split="validation"), text(3), text(4), text(5), pair(1)]
    hand_off(rows, tmp_path / "two", recipe=other, tokenizer="bundled")
    changelog = (tmp_path / "two" / "handoff" / "CHANGELOG.md").read_text()
    assert "Since one." in changelog
    assert "| reading | 2 | 1 | 2 | 2 |" in changelog and "| instructions | 0 | 0 | 1 | 0 |" in changelog
    assert "1 rows were in training in that release and no longer are" in changelog
    assert "Models changed, added or removed: `generator`" in changelog
    assert "tokenizer: None → bundled" in changelog
    assert manifest(tmp_path / "two")["previous"] == "one"


FOREIGN = pa.BufferOutputStream()
pq.write_table(pa.table({"text": ["Another table."]}), FOREIGN)
LISTS = pa.BufferOutputStream()
pq.write_table(pa.table({"id": [["a"]], "split": ["train"]}), LISTS)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b"{}"),
        lambda path: path.write_bytes(path.read_bytes()[:-9]),
        lambda path: path.write_bytes(FOREIGN.getvalue()),
        lambda path: path.write_bytes(LISTS.getvalue()),
        lambda path: (path.unlink(), path.symlink_to("nowhere")),
        lambda path: (path.unlink(), path.mkdir()),
        lambda path: (path.unlink(), os.mkfifo(path)),
    ],
    ids=["junk", "cut", "foreign", "lists", "dangling link", "folder", "pipe"],
)
def test_a_damaged_handoff_of_the_last_release_is_named_and_does_not_end_the_run(tmp_path, damage):
    hand_off([text(1), pair(1)], tmp_path / "one")
    (tmp_path / "latest").symlink_to("one")
    path = next((tmp_path / "one" / "handoff" / "instructions").rglob("*.parquet"))
    damage(path)
    hand_off([text(1)], tmp_path / "two")
    changelog = (tmp_path / "two" / "handoff" / "CHANGELOG.md").read_text()
    assert f"Not compared with one, whose hand-off is damaged: {path}" in changelog
    with pytest.raises(Damaged):
        renewal._verified(tmp_path / "one" / "handoff")


@pytest.mark.parametrize("value", [None, [], {}, "x", 3, [{"splits": 1}]], ids=repr)
@pytest.mark.parametrize("name", ["configurations", "files", "models", "prompts"])
def test_a_manifest_of_another_shape_is_damaged_and_does_not_end_the_run(tmp_path, name, value):
    hand_off([text(1)], tmp_path / "one")
    (tmp_path / "latest").symlink_to("one")
    write_json(manifest(tmp_path / "one") | {name: value}, tmp_path / "one" / "handoff" / "manifest.json")
    hand_off([text(1)], tmp_path / "two")
    assert "Since one." in (tmp_path / "two" / "handoff" / "CHANGELOG.md").read_text()
    if name in ("configurations", "files") and value != {}:
        with pytest.raises(Damaged):
            renewal._verified(tmp_path / "one" / "handoff")


def test_an_invalid_manifest_of_the_last_release_is_ignored(tmp_path):
    hand_off([text(1)], tmp_path / "one")
    (tmp_path / "one" / "handoff" / "manifest.json").write_text("[")
    (tmp_path / "latest").symlink_to("one")
    hand_off([text(1)], tmp_path / "two")
    assert "| reading | 0 | 0 | 1 | 0 |" in (tmp_path / "two" / "handoff" / "CHANGELOG.md").read_text()


def test_the_card_states_licences_weaknesses_and_missing_counts(tmp_path):
    options = {"licence": "cc-by-4.0", "licences": {"pydoc_data.topics:topics": "PSF-2.0", "m": "apache-2.0"}}
    hand_off([pair(1), pair(2, answer="")], tmp_path, **options)
    card = (tmp_path / "handoff" / "README.md").read_text()
    header = yaml.safe_load(card.split("---\n")[1])
    assert header["license"] == "cc-by-4.0" and header["size_categories"] == ["n<1K"]
    assert "| `pydoc_data.topics:topics` | PSF-2.0 |" in card and "| generator | m | – | apache-2.0 |" in card
    assert "Tokens were not counted: the tokenizer of 'm' is not available." in card
    assert "1 rows cannot be trained on or tested and were dropped: incomplete (1)." in card
    assert "instructions has no validation rows" in card
    for trainer in ("TRL", "LLaMA-Factory", "axolotl", "unsloth", "ms-swift", "torchtune"):
        snippet = card.partition(f"**{trainer}**")[2].partition("\n\n")[0]
        assert "Loss:" in snippet


@pytest.mark.parametrize(
    ("rows", "used"),
    [
        ([text(1)], set()),
        ([text(1), pair(1)], {"instructions", "instructions_messages"}),
        ([pair(1, kind="refusal")], {"refusals", "refusals_messages"}),
        ([pair(1), pair(2, kind="refusal")], {"instructions", "instructions_messages", "refusals_messages"}),
    ],
)
def test_snippets_name_only_configurations_with_rows(tmp_path, rows, used):
    hand_off(rows, tmp_path)
    training = (tmp_path / "handoff" / "README.md").read_text().partition("## Training")[2]
    training = training.partition("## Origin")[0]
    assert set(re.findall(r"(?:instructions|refusals)(?:_messages)?", training)) == used
    assert training.count("```") % 2 == 0


@pytest.mark.parametrize(
    ("target", "states"),
    [
        (
            NAMED | {"model": "org/model-7B"},
            "the 7 billion parameters of the target, without activations: about\n112.0 GB for",
        ),
        (NAMED | {"model": "org/model-7B"}, "\n14.0 GB for LoRA"),
        (
            {"model": "bundled"},
            "the 0.135 billion parameters of the target, without activations: about\n2.2 GB for",
        ),
        (NAMED, None),
        ({"engine": "scripted", "model": "a-7B:b"}, None),
    ],
)
def test_the_card_estimates_the_memory_for_training_the_target(tmp_path, target, states):
    hand_off([pair(1)], tmp_path, recipe={"models": SERVED["models"] | {"target": target}})
    card = (tmp_path / "handoff" / "README.md").read_text()
    assert (states in card) if states else "GPU memory" not in card


def test_alpaca_and_sharegpt_keep_system_and_earlier_turns(tmp_path):
    rows = [pair(1, prompt=DIALOGUE, question="Second?", answer="Two."), pair(2)]
    hand_off(rows, tmp_path, also=["alpaca", "sharegpt"])
    read = {
        name: json.loads((tmp_path / "handoff" / "also" / name / "instructions-train.json").read_text())
        for name in ("alpaca", "sharegpt")
    }
    assert read["alpaca"][0] == {
        "id": "pair 1",
        "instruction": "Second?",
        "input": "",
        "output": "Two.",
        "system": "Be brief.",
        "history": [["First?", "One."]],
    }
    assert read["alpaca"][1]["history"] == [] and read["alpaca"][1]["system"] == ""
    assert [turn["from"] for turn in read["sharegpt"][0]["conversations"]] == ["human", "gpt", "human", "gpt"]
    assert read["sharegpt"][0]["system"] == "Be brief."


def test_the_knowledge_test_is_a_configuration_and_an_lm_eval_task(tmp_path):
    known = {"choices": ["Ann", "Bob", "Eve", "Max"], "gold": 1, "in_pairs": False}
    held = pair(1, split="knowledge_test", answer="Bob", knowledge=known)
    others = [pair(number, answer=answer) for number, answer in enumerate(("Ann", "Eve", "Max"), 2)]
    hand_off([held, *others, text(1)], tmp_path, columns=MIXED)
    home = tmp_path / "handoff"
    assert len(pq.read_table(home / "instructions" / "train")) == 3
    assert not [path for path in (home / "instructions_messages").iterdir() if path.name != "train"]
    [line] = (home / "lm_eval" / "questions.jsonl").read_text().splitlines()
    question = json.loads(line)
    assert (question["question"], question["choices"][question["gold"]]) == ("Q1?", "Bob")
    task = yaml.safe_load((home / "lm_eval" / "knowledge_test.yaml").read_text())
    assert (task["output_type"], task["doc_to_choice"]) == ("multiple_choice", "choices")
    loaded = datasets.load_dataset(
        "json", data_files={"test": str(home / task["dataset_kwargs"]["data_files"]["test"])},
        cache_dir=str(tmp_path / "cache"), split=task["test_split"],
    )  # fmt: skip
    assert loaded[0][task["doc_to_choice"]] == known["choices"]


def about(passage, **fields):
    return {"lineage": {"document_id": "d", "passage_id": passage, "requests": [], "parents": []}} | fields


def test_a_question_leaves_the_test_with_what_it_is_about(tmp_path):
    """Rows are lost after `mix`: its text, one of its wrong answers, or a question that answers another."""
    towns = ["Ann", "Bob", "Eve", "Max"]
    known = {"choices": towns, "gold": 0, "in_pairs": False}
    questions = [
        pair(number, split="knowledge_test", answer=answer, knowledge=known | {"choices": choices})
        | about(f"p{number}")
        for number, answer, choices in [
            (0, "Ann", towns),
            (1, "Ann", towns),  # its text is too long
            (2, "Ann", ["Ann", "Bob", "Eve", "Lost"]),  # the pair with this answer is incomplete
            (3, "Cid", ["Cid", "Bob", "Eve", "Lost"]),
            (4, "Ann", ["Ann", "Bob", "Eve", "Cid"]),  # only question 3 has this answer
        ]
    ]
    texts = [text(n, **about(f"p{n}")) for n in (0, 2, 3, 4)]
    texts += [text(1, text="word " * 50, **about("p1")), text(9, split="validation", **about("p1"))]
    pairs = [pair(10 + n, answer=answer) for n, answer in enumerate(["Bob", "Eve", "Max"])]
    pairs += [pair(20, answer="Lost", prompt=[])]
    twin = {"lineage": about("p1")["lineage"] | {"document_id": "another"}}
    pairs += [pair(30, answer="Bob", **about("p1")), text(31, **twin)]  # no text about it either
    options = {"tokenizer": "bundled", "max_tokens": 40}
    _, dropped = put_through(
        stage, [*questions, *texts, *pairs], 4, tmp_path, columns=MIXED, recipe=SERVED, **options
    )
    assert {row["id"]: row["reason"] for row in dropped} == {
        "text 1": "too long", "pair 20": "incomplete", "pair 1": "tested passage is not trained",
        **dict.fromkeys(["pair 2", "pair 3", "pair 4"], "too few wrong answers"),
    }  # fmt: skip
    [line] = (tmp_path / "handoff" / "lm_eval" / "questions.jsonl").read_text().splitlines()
    assert json.loads(line)["id"] == "pair 0"
    assert manifest(tmp_path)["dropped"] == {
        "too few wrong answers": 3, "too long": 1, "incomplete": 1, "tested passage is not trained": 1
    }  # fmt: skip


def test_an_answer_with_both_passages_leaves_with_its_refusal(tmp_path):
    rows = [
        row
        for number, said in enumerate(["The text does not say.", "\u200b"])
        for row in (
            pair(number, task="found_in_context"),
            example("refusal", question=f"Q{number}?", answer=said, task="not_in_context", id=f"no {number}",
                    split="train"),
        )
    ]  # fmt: skip
    _, dropped = put_through(stage, rows, 1, tmp_path, columns=SPLIT, recipe=SERVED)
    assert {row["id"]: row["reason"] for row in dropped} == {
        "no 1": "incomplete", "pair 1": "its refusal is not handed off"
    }  # fmt: skip
    [path] = (tmp_path / "handoff" / "instructions" / "train").iterdir()
    assert pq.read_table(path, partitioning=None)["id"].to_pylist() == ["pair 0"]


def test_rows_that_mix_dropped_are_counted_with_those_of_the_hand_off(tmp_path):
    recipe = SERVED | {"stages": {"ingest": None, "mix": None, "handoff": None}}
    plan = {"by": "rows", "knowledge_test": 3, "dropped": {"too long": 3, "incomplete": 1}}
    write_json(plan, tmp_path / "stages" / "mix" / "mixture.json")
    hand_off([text(1), text(2, text=" ")], tmp_path, recipe=recipe)
    assert manifest(tmp_path)["dropped"] == {"too long": 3, "incomplete": 2}
    assert manifest(tmp_path)["mixture"]["knowledge_test"] == 0
    card = (tmp_path / "handoff" / "README.md").read_text()
    assert "5 rows cannot be trained on or tested and were dropped: too long (3), incomplete (2)." in card


@pytest.fixture
def hub(monkeypatch):
    """A fake hub: the requests it received, its files, and its response: the status, by the end of a path."""
    seen, answers = [], {"status": {}, "files": [], "silent": None, "info": {"private": True}}
    ended = threading.Event()

    class Hub(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            seen.append((self.path, body, self.headers.get("Authorization")))
            if answers["silent"] and answers["silent"] in self.path:
                ended.wait()
                return
            files = json.loads(body).get("files", []) if "preupload" in self.path else []
            here = f"http://{self.headers['Host']}/datasets/org/name"
            response = {
                "url": here,
                "name": "org/name",
                "commitUrl": f"{here}/commit/{'a' * 40}",
                "commitOid": "a" * 40,
                "files": [
                    {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False} for file in files
                ],
            }
            self._send(response)

        def do_GET(self):
            files = [{"type": "file", "path": name, "size": 1, "oid": "b" * 40} for name in answers["files"]]
            self._send(
                files
                if "/tree/" in self.path
                else {"id": "org/name", "sha": "abc", "siblings": []} | answers["info"]
            )

        def _send(self, response):
            status = next((code for part, code in answers["status"].items() if part in self.path), 200)
            content = json.dumps(response if status == 200 else {"error": "Over the quota."}).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", endpoint)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.hf_api.constants.ENDPOINT", endpoint)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    yield seen, answers
    ended.set()
    server.shutdown()


def operations(commit):
    """The paths of a commit by operation."""
    lines = [json.loads(line) for line in commit.splitlines()]
    return {
        key: {line["value"]["path"] for line in lines if line["key"] == key}
        for key in ("file", "deletedFile")
    }


def test_a_hand_off_is_pushed_as_one_commit(tmp_path, hub):
    seen, answers = hub
    answers["files"] = [".gitattributes", "README.md", "refusals/train/train-00000-of-00001.parquet"]
    hand_off([text(1), pair(1)], tmp_path, push="org/name")
    [created] = [json.loads(body) for path, body, _ in seen if path.endswith("/repos/create")]
    assert (created["type"], created["visibility"]) == ("dataset", "private")
    [commit] = [body for path, body, _ in seen if "/commit/" in path]
    home = tmp_path / "handoff"
    assert operations(commit) == {
        "file": {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()},
        "deletedFile": {"refusals/train/train-00000-of-00001.parquet"},
    }
    assert {token for _, _, token in seen} == {"Bearer hf_secret"}


@pytest.mark.parametrize(("path", "status"), [("/api/", 403), ("/preupload/", 401), ("/commit/", 413)])
def test_a_rejected_upload_is_reported_and_keeps_the_hand_off(tmp_path, hub, path, status):
    seen, answers = hub
    answers["status"] = {path: status}
    with pytest.raises(
        UserError, match=r"'org/name' was not uploaded.*: Over the quota\. The hand.*HF_TOKEN"
    ):
        hand_off([text(1)], tmp_path, push="org/name")
    assert manifest(tmp_path)["configurations"]["reading"]
    commits = [operations(body) for path, body, _ in seen if "/commit/" in path]
    assert all("README.md" in commit["file"] for commit in commits)  # never a part of the hand-off


def test_nothing_is_pushed_to_a_public_dataset(tmp_path, hub):
    seen, answers = hub
    answers["info"] = {"private": False}
    with pytest.raises(UserError, match=r"'org/name' was not uploaded.*public.*hand-off is complete"):
        hand_off([text(1)], tmp_path, push="org/name")
    assert not [path for path, _, _ in seen if "/commit/" in path or "/preupload/" in path]


def test_a_hub_that_cannot_be_reached_is_reported(tmp_path, hub, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.hf_api.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(UserError, match=r"was not uploaded to http://127.0.0.1:9: .*refused"):
        hand_off([text(1)], tmp_path, push="org/name")


@pytest.mark.parametrize("path", ["/repos/create", "/commit/"])
def test_a_hub_that_never_replies_is_reported(tmp_path, hub, monkeypatch, path):
    seen, answers = hub
    answers["silent"] = path
    monkeypatch.setattr("datagen.stages.handoff.handoff.hub.SILENCE", 2)
    with pytest.raises(UserError, match=r"'org/name' was not uploaded.*: it has not answered for 2 seconds"):
        hand_off([text(1)], tmp_path, push="org/name")
    assert manifest(tmp_path)["configurations"]["reading"]
    assert sum("/commit/" in place for place, _, _ in seen) <= 1
