"""Who a model is, and the bundled model's preparation."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from datagen import models
from datagen.errors import UserError
from datagen.models import BUNDLED_REVISION, bundled_model, identify, resolve
from datagen.recipe import OpenAIModel, ScriptedModel, VllmModel
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


def test_names_that_no_file_stands_behind():
    assert identify(VllmModel()) == Identity("SmolLM2-135M-Instruct", BUNDLED_REVISION)
    assert identify(VllmModel(model="org/model")) == Identity("org/model", "main")
    assert identify(VllmModel(model="org/model", revision="abc")) == Identity("org/model", "abc")
    server = OpenAIModel(engine="openai", model="large", revision="2", base_url="http://x/v1")
    assert identify(server) == Identity("large", "2")
    assert identify(ScriptedModel(engine="scripted", model="a:b")) == Identity("a:b", "")


def test_to_identify_loads_no_heavy_library():
    work = (
        "import sys; from datagen.models import identify; from datagen.recipe import VllmModel;"
        "identify(VllmModel()); print([m for m in ('torch', 'transformers', 'vllm') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", work], text=True).strip() == "[]"


def test_a_folder_is_the_same_wherever_it_lies(checkpoint, tmp_path, monkeypatch):
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
        # Trained further: not a byte longer.
        lambda folder: (folder / "model-00001.safetensors").write_bytes(b"\1" * 5_000_000),
    ],
    ids=["config", "template", "shard", "size", "content"],
)
def test_what_changes_the_answers_is_another_revision(checkpoint, change):
    before = revision(checkpoint)
    change(checkpoint)
    assert revision(checkpoint) != before


def test_what_does_not_change_the_answers_is_the_same_revision(checkpoint):
    before = revision(checkpoint)
    (checkpoint / "optimizer.log").write_text("step 2")
    (checkpoint / "model-00001.safetensors").touch()
    assert revision(checkpoint) == before


@pytest.mark.parametrize("name", ["/no/such/folder", "./nor-this", "~/nor-that"])
def test_a_folder_without_a_checkpoint_is_named(name):
    with pytest.raises(UserError, match=r"config\.json"):
        identify(VllmModel(model=name))


def test_samples_cover_a_file_from_end_to_end(tmp_path):
    path = tmp_path / "weights"
    path.write_bytes(bytes(range(256)) * 40_000)
    pieces = list(models._samples(path))
    assert pieces[0] == path.read_bytes()[:16384] and pieces[-1] == path.read_bytes()[-16384:]
    path.write_bytes(b"short")
    assert list(models._samples(path)) == [b"short"]


def test_the_bundled_model_is_a_plain_checkpoint():
    import torch
    from transformers import AutoConfig, AutoTokenizer

    folder = bundled_model()
    config, tokenizer = AutoConfig.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    assert config.model_type == "llama" and config.dtype == torch.bfloat16
    assert not hasattr(config, "quantization_config")
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hi 42"}], tokenize=False, add_generation_prompt=True
    )
    assert text.endswith("<|im_start|>user\nHi 42<|im_end|>\n<|im_start|>assistant\n")
    # Every digit is a token of its own, as it was in training.
    assert tokenizer.tokenize("Hi 42")[-2:] == ["4", "2"]
    assert not list(folder.parent.glob("*.unfinished"))


WORKER = """
import pathlib, sys, time
import datagen.models as models
def convert(weights, folder):
    with open(sys.argv[1], "a") as log: log.write("converted\\n")
    folder.mkdir(); (folder / "config.json").write_text("{"); time.sleep(float(sys.argv[2]))
    (folder / "config.json").write_text("{}")
models._convert_elsewhere, models._bundled_weights = convert, lambda: pathlib.Path("weights")
print((models.bundled_model() / "config.json").read_text())
"""


def prepare(log, seconds):
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(log), str(seconds)], stdout=subprocess.PIPE, text=True
    )


def test_two_processes_prepare_it_once(tmp_path, monkeypatch):
    monkeypatch.setenv("DATAGEN_CACHE", str(tmp_path / "cache"))
    both = [prepare(tmp_path / "log", 0.5), prepare(tmp_path / "log", 0.5)]
    assert [process.communicate()[0] for process in both] == ["{}\n", "{}\n"]
    assert (tmp_path / "log").read_text() == "converted\n"


def test_a_killed_preparation_leaves_nothing_that_looks_finished(tmp_path, monkeypatch):
    monkeypatch.setenv("DATAGEN_CACHE", str(tmp_path / "cache"))
    killed = prepare(tmp_path / "log", 60)
    while not list(Path(tmp_path / "cache").glob("models/*.unfinished/config.json")):
        time.sleep(0.02)
    killed.kill()
    killed.communicate()
    assert prepare(tmp_path / "log", 0).communicate()[0] == "{}\n"


def test_a_missing_package_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("DATAGEN_CACHE", str(tmp_path))
    monkeypatch.setattr(models, "BUNDLED_PACKAGE", "no_such_package")
    with pytest.raises(UserError, match=r"datagen\[cpu\]"):
        bundled_model()


def test_a_failed_preparation_says_why(tmp_path, monkeypatch):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho 'ImportError: no module named gguf' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("DATAGEN_CACHE", str(tmp_path))
    monkeypatch.setattr(models, "_bundled_weights", lambda: tmp_path / "weights.gguf")
    monkeypatch.setattr(models.sys, "executable", str(broken))
    with pytest.raises(UserError, match="cannot be unpacked: ImportError: no module named gguf"):
        bundled_model()
