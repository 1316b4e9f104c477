"""Model identity: names, revisions, folders."""

import subprocess
import sys

import pytest

from datagen.engines import bundled, identity
from datagen.engines.identity import circumstances, identify, resolve
from datagen.errors import UserError
from datagen.recipe.roles import OpenAIModel, ScriptedModel, VllmModel
from datagen.request import Identity


@pytest.fixture
def checkpoint(tmp_path):
    """A folder that looks like a checkpoint, with weights large enough to be sampled."""
    folder = tmp_path / "clinic-3b"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "llama"}')
    (folder / "tokenizer.json").write_text("{}")
    (folder / "model-00001.safetensors").write_bytes(bytes(5_000_000))
    (folder / "optimizer.log").write_text("step 1")
    return folder


def revision(folder):
    return identify(VllmModel(model=str(folder))).revision


def test_models_without_files_are_identified_by_name():
    chat, synthesizer = (identify(VllmModel(model=name)) for name in ("bundled-chat", "bundled"))
    assert chat == Identity("SmolLM2-135M-Instruct", bundled.revision("bundled-chat"))
    assert identify(VllmModel()) == synthesizer and synthesizer.revision.startswith(chat.revision)
    assert identify(VllmModel(model="org/model")) == Identity("org/model", "main")
    assert identify(VllmModel(model="org/model", revision="abc")) == Identity("org/model", "abc")
    server = OpenAIModel(engine="openai", model="large", revision="2", base_url="http://x/v1")
    assert identify(server) == Identity("large", "2")
    assert identify(ScriptedModel(engine="scripted", model="a:b")) == Identity("a:b", "")


def test_identification_imports_no_heavy_library():
    work = (
        "import sys; from datagen.engines.identity import identify; from datagen.recipe.roles import VllmModel;"
        "identify(VllmModel()); print([m for m in ('torch', 'transformers', 'vllm') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", work], text=True).strip() == "[]"


def test_a_moved_folder_keeps_its_identity(checkpoint, tmp_path, monkeypatch):
    before = identify(VllmModel(model=str(checkpoint)))
    assert before.name == "clinic-3b"
    moved = tmp_path / "elsewhere" / "clinic-3b"
    moved.parent.mkdir()
    checkpoint.rename(moved)
    assert identify(VllmModel(model=str(moved))) == before
    monkeypatch.chdir(moved.parent)
    assert identify(VllmModel(model="clinic-3b")) == before
    assert resolve(VllmModel(model="clinic-3b")) == str(moved)
    assert identify(VllmModel(model=str(moved), revision="mine")).revision == "mine"


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "config.json").write_text('{"model_type": "qwen"}'),
        lambda folder: (folder / "chat_template.jinja").write_text("{{ messages }}"),
        lambda folder: (folder / "model-00002.safetensors").write_bytes(b"more"),
        lambda folder: (folder / "model-00001.safetensors").write_bytes(bytes(5_000_001)),
        # Further training does not change the size.
        lambda folder: (folder / "model-00001.safetensors").write_bytes(b"\1" * 5_000_000),
    ],
    ids=["config", "template", "shard", "size", "content"],
)
def test_changes_that_affect_answers_change_the_revision(checkpoint, change):
    before = revision(checkpoint)
    change(checkpoint)
    assert revision(checkpoint) != before


def test_changes_that_do_not_affect_answers_keep_the_revision(checkpoint):
    before = revision(checkpoint)
    (checkpoint / "optimizer.log").write_text("step 2")
    (checkpoint / "model-00001.safetensors").touch()
    assert revision(checkpoint) == before


@pytest.mark.parametrize("name", ["/no/such/folder", "./nor-this", "~/nor-that"])
def test_a_folder_without_a_checkpoint_is_reported(name):
    with pytest.raises(UserError, match=r"config\.json"):
        identify(VllmModel(model=name))


@pytest.mark.parametrize(
    ("spec", "cause"),
    [
        (VllmModel(model="m"), {"max_model_len": 2048}),
        (OpenAIModel(engine="openai", model="m", base_url="http://a/v1"), {"base_url": "http://b/v1"}),
        (OpenAIModel(engine="openai", model="m", base_url="http://a/v1"), {"options": {"seed": 1}}),
    ],
)
def test_rejected_requests_are_retried_when_a_possible_cause_changes(spec, cause):
    assert circumstances(spec) != circumstances(spec.model_copy(update=cause))
    assert circumstances(spec) == circumstances(spec.model_copy(update={"window": 3}))


def test_samples_include_both_ends_of_a_file(tmp_path):
    path = tmp_path / "weights"
    path.write_bytes(bytes(range(256)) * 40_000)
    pieces = list(identity._samples(path))
    assert pieces[0] == path.read_bytes()[:16384] and pieces[-1] == path.read_bytes()[-16384:]
    path.write_bytes(b"short")
    assert list(identity._samples(path)) == [b"short"]
