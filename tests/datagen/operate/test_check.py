"""Checks before a run: their findings, and which ones stop it."""

import json
import os
import socket
from pathlib import Path

import pytest
from httpx import Request, Response
from huggingface_hub.errors import RevisionNotFoundError

from datagen.engines import reach
from datagen.engines.reach import ask_one_token, wait_for_server
from datagen.errors import UserError
from datagen.operate.check import before_work, check
from datagen.recipe.load import load_recipe
from datagen.recipe.roles import OpenAIModel, ScriptedModel, VllmModel
from datagen.report.findings import Finding, as_json, in_order
from tests.support.faulty_server import answers, serving
from tests.support.runs import write_run

SCRIPTED = '{engine: scripted, model: "tests.support.toys:model"}'
RECIPE = """
name: checked
corpus: [{path: docs}]
models: {generator: %s}
stages:
  ingest:
  chunk:
  instruct:
  decontaminate: {against: [%s]}
  calibrate: {labels: [%s]}
"""


@pytest.fixture
def write(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# A\n\nSome words.\n")
    (tmp_path / "set.jsonl").write_text('{"question": "What is it?"}\n')
    (tmp_path / "labels.jsonl").write_text('{"id": "1", "verdict": "right"}\n')

    def recipe(model=SCRIPTED, against="set.jsonl", labels="labels.jsonl"):
        path = tmp_path / "recipe.yaml"
        path.write_text(RECIPE % (model, against, labels))
        return load_recipe(path)

    return recipe


def wrong(findings):
    return {finding.what: finding.found for finding in findings if finding.ok is False}


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def server(url):
    return json.dumps({"engine": "openai", "model": "m", "base_url": url, "retries": 0, "patience": 1})


def test_a_valid_recipe_passes_and_its_inputs_are_reported(write, tmp_path):
    findings = check(write(), tmp_path / "outputs")
    assert wrong(findings) == {} and in_order(findings)
    messages = {finding.what: finding.found for finding in findings}
    assert messages["corpus (ingest)"].startswith("1 partition, 1 file, ")
    assert "set.jsonl" in messages["decontaminate.against"] and messages["calibrate.labels"].startswith(
        "1 labels"
    )
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize(
    ("change", "what", "message"),
    [
        ({"against": "none.jsonl"}, "decontaminate.against", "does not exist"),
        ({"labels": "none.jsonl"}, "calibrate.labels", "cannot read the labels"),
        (
            {"model": '{engine: scripted, model: "tests.support.toys:none"}'},
            "model (generator)",
            "cannot be imported",
        ),
    ],
)
def test_missing_inputs_are_reported(write, tmp_path, change, what, message):
    assert message in wrong(check(write(**change), tmp_path / "outputs"))[what]
    with pytest.raises(UserError, match=message):
        before_work(write(**change), write_run(tmp_path / "run", {"d": "t"}, []))


def test_a_missing_corpus_is_reported(write, tmp_path):
    recipe = write()
    (tmp_path / "docs" / "a.md").unlink()
    assert "matches no file" in wrong(check(recipe, tmp_path / "outputs"))["corpus (ingest)"]


def test_an_output_path_that_is_a_file_is_reported(write, tmp_path):
    (tmp_path / "outputs").write_text("")
    assert "is a file" in wrong(check(write(), tmp_path / "outputs"))["outputs"]


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="no /proc")
def test_outputs_where_no_file_can_be_created_are_reported(write):
    assert "/proc could not be" in wrong(check(write(), Path("/proc/outputs")))["outputs"]


def test_too_little_disk_space_or_memory_is_reported(write, tmp_path, monkeypatch):
    from datagen.cluster.hardware import Memory

    monkeypatch.setattr("datagen.operate.check.hardware.memory", lambda: Memory(10, 1))
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 0}))
    assert {"disk", "memory"} <= wrong(check(write(), tmp_path / "outputs")).keys()


def test_one_token_is_requested_from_a_server():
    with serving(answers()) as running:
        model = OpenAIModel(engine="openai", model="m", base_url=running.url)
        assert "answered in" in ask_one_token(model)
        [body] = running.bodies
    assert body["max_tokens"] == 1 or body.get("max_completion_tokens") == 1


@pytest.mark.parametrize(
    ("status", "message"), [(401, "set the key"), (404, "base_url"), (400, "returned no token")]
)
def test_an_error_of_a_server_is_reported_with_advice(status, message):
    from aiohttp import web

    async def refuse(request):
        return web.json_response({"error": {"message": "no"}}, status=status)

    with serving(refuse) as running:
        model = OpenAIModel(engine="openai", model="m", base_url=running.url, retries=0)
        with pytest.raises(UserError, match=message):
            ask_one_token(model)


def test_a_corpus_without_a_readable_file_is_reported(write, tmp_path):
    (tmp_path / "docs" / "a.md").unlink()
    os.mkfifo(tmp_path / "docs" / "pipe.md")
    (tmp_path / "docs" / "link.md").symlink_to("nowhere")
    found = wrong(check(write(), tmp_path / "outputs"))["corpus (ingest)"]
    assert found.startswith("none of its 2 files can be read: ")
    (tmp_path / "docs" / "a.md").write_text("# A\n")
    assert "corpus (ingest)" not in wrong(check(write(), tmp_path / "outputs"))


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_is_busy_for_a_moment_is_asked_again(status, monkeypatch):
    monkeypatch.setattr(reach, "PAUSE_SECONDS", 0.01)
    behaviours = iter([answers("wait", status=status), answers("wait", status=status), answers()])
    with serving(lambda request: next(behaviours)(request)) as running:
        assert "answered in" in ask_one_token(OpenAIModel(engine="openai", model="m", base_url=running.url))


@pytest.mark.parametrize("wait", [{}, {"Retry_After": "3600"}])
@pytest.mark.parametrize("status", [429, 503, 529])
def test_a_server_that_is_only_busy_fails_the_check(status, wait, write, tmp_path, monkeypatch):
    monkeypatch.setattr(reach, "BUSY_SECONDS", 0.1)
    with serving(answers("wait", status=status, **wait)) as running:
        found = wrong(check(write(server(running.url)), tmp_path / "outputs"))
    assert "is up but overloaded; it returned no token in" in found["model (generator)"]
    assert ("3,600 seconds" in found["model (generator)"]) == bool(wait)


@pytest.mark.slow
def test_an_unreachable_server_stops_only_a_run_without_answers(write, tmp_path, caplog):
    url = f"http://127.0.0.1:{free_port()}/v1"
    recipe = write(server(url))
    assert (
        "does not answer: Connection refused"
        in wrong(check(recipe, tmp_path / "outputs"))["model (generator)"]
    )
    run = write_run(tmp_path / "run", {"d": "t"}, [])
    with pytest.raises(UserError, match=r"does not answer.*\n.*--no-check"):
        before_work(recipe, run)
    (run.folder / "completions" / "segment-1.parquet").write_bytes(b"")
    before_work(recipe, run)
    assert "does not answer" in caplog.text


def test_only_a_run_without_answers_waits_for_a_server(write, tmp_path, monkeypatch):
    waits = []
    monkeypatch.setattr("datagen.operate.check.wait_for_server", lambda _, seconds: waits.append(seconds))
    recipe, run = write(server("http://127.0.0.1:1/v1")), write_run(tmp_path / "run", {"d": "t"}, [])
    before_work(recipe, run)
    (run.folder / "completions" / "segment-1.parquet").write_bytes(b"")
    before_work(recipe, run)
    assert waits == [1, 0]


LATE = """
name: late
models: {generator: %s}
stages:
  seeds: {path: [set.jsonl]}
  from_seeds:
  %s
"""


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("own_pairs: {path: [set.jsonl]}", ""),
        ("own_pairs: {path: [missing.jsonl]}", "'missing.jsonl' matches no file"),
        ("subjects: {tree: {Law: 7}}", "below Law: write names, not 7"),
        ("subjects: {tree: missing.yaml}", "missing.yaml cannot be read"),
    ],
)
def test_a_source_that_follows_requests_is_found_before_them(write, tmp_path, source, problem):
    write()
    (tmp_path / "late.yaml").write_text(LATE % (SCRIPTED, source))
    recipe, run = load_recipe(tmp_path / "late.yaml"), write_run(tmp_path / "run", {"d": "t"}, [])
    if problem:
        with pytest.raises(UserError, match=problem):
            before_work(recipe, run)
    else:
        before_work(recipe, run)


def test_no_request_is_sent_before_a_run(write, tmp_path):
    with serving(answers()) as running:
        before_work(write(server(running.url)), write_run(tmp_path / "run", {"d": "t"}, []))
        assert running.bodies == []


@pytest.mark.slow
def test_a_run_waits_for_a_server_that_starts_late():
    import threading

    port = free_port()
    listening = socket.socket()
    threading.Timer(0.5, lambda: (listening.bind(("127.0.0.1", port)), listening.listen())).start()
    model = OpenAIModel(engine="openai", model="m", base_url=f"http://127.0.0.1:{port}/v1")
    assert wait_for_server(model, 30) == ""
    listening.close()
    assert "does not answer" in wait_for_server(model, 0)


def test_passwords_are_not_shown():
    model = OpenAIModel(engine="openai", model="m", base_url="http://user:hush@127.0.0.1:9/v1")
    assert "hush" not in wait_for_server(model, 0)


def test_a_checkpoint_without_weights_or_tokenizer_is_reported(tmp_path, monkeypatch):
    monkeypatch.setattr("datagen.engines.reach.find_spec", lambda name: True)
    (tmp_path / "config.json").write_text("{}")
    model = VllmModel(model=str(tmp_path))
    with pytest.raises(UserError, match="no weights"):
        ask_one_token(model)
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(UserError, match="no tokenizer"):
        ask_one_token(model)
    (tmp_path / "tokenizer.json").write_text("{}")
    assert str(tmp_path) in ask_one_token(model)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (RevisionNotFoundError("404", response=Response(404, request=Request("GET", "http://hub"))), "the model hub has no model 'a/b' with the revision 'v2'"),
        (ConnectionError("no route"), "a/b is not downloaded, and the model hub cannot be reached (ConnectionError)"),
    ],
)  # fmt: skip
def test_a_model_that_is_not_on_the_hub_is_reported(monkeypatch, error, message):
    def model_info(*arguments, **keywords):
        raise error

    monkeypatch.setattr("huggingface_hub.model_info", model_info)
    with pytest.raises(UserError) as caught:
        ask_one_token(VllmModel(model="a/b", revision="v2"))
    assert str(caught.value).startswith(message)


def test_a_model_name_that_the_hub_cannot_have_is_reported():
    with pytest.raises(UserError, match="the model hub has no model 'a/b/c'"):
        ask_one_token(VllmModel(model="a/b/c"))


def test_a_scripted_model_is_imported():
    assert "toys:model" in ask_one_token(ScriptedModel(engine="scripted", model="tests.support.toys:model"))


def test_findings_as_json():
    report = as_json([Finding("disk", "full", False, "make room"), Finding("python", "3.11")])
    assert report["ok"] is False and report["findings"][0]["fix"] == "make room"
