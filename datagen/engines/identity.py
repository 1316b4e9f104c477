"""
Models by name: who a model is, and where its files are.

`identify` answers from files and names alone, in milliseconds, since every request's key holds it. `resolve`
gives what an engine can load, and prepares a bundled model on first use (`datagen.engines.bundled`).
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import datagen
from datagen.engines import bundled
from datagen.errors import UserError
from datagen.recipe.sections import Models, OpenAIModel, ScriptedModel, VllmModel
from datagen.request import Identity
from datagen.schema import content_id

WEIGHTS = (".safetensors", ".bin", ".gguf", ".pt", ".pth")
UNASKED = ("extra_headers", "user", "metadata", "service_tier", "store")  # options that change no answer
SAMPLES, SAMPLE_BYTES = 64, 16384  # of a weight file, spread evenly


def identify(spec: VllmModel | OpenAIModel | ScriptedModel) -> Identity:
    """
    Name a model and its revision: what every request to it is keyed by.

    * ``bundled`` and ``bundled-chat``: hashes of what they are made of; they need not be installed.
    * A folder: its name, and the hash of its configuration, tokenizer and chat template and of its
      weight files' names, sizes and evenly spread samples of their content. A model that was trained
      further in the same folder is another revision; a copied or moved folder is the same.
    * A hub's id: the revision that the recipe says, else ``main``. The hub is not asked, so when the
      authors move ``main``, a refresh goes on with the answers it has. Pin a commit to be exact.
    * A server's model, or a function: what the recipe says. Whoever serves other weights under the same
      name says another ``revision`` to have everything written anew.

    Where ``thinking`` is set, or a server's model has ``options``, the revision says so: they change answers.

    Raises
    ------
    UserError
        When a folder is named that holds no checkpoint.
    """
    if not isinstance(spec, VllmModel):
        return Identity(spec.model, spec.revision + _settings(spec))
    if spec.model in bundled.NAMES:
        return Identity(bundled.NAMES[spec.model], bundled.revision(spec.model) + _settings(spec))
    if folder := _folder(spec.model):
        return Identity(folder.name, (spec.revision or _fingerprint(folder)) + _settings(spec))
    return Identity(spec.model, (spec.revision or "main") + _settings(spec))


def _settings(spec: VllmModel | OpenAIModel | ScriptedModel) -> str:
    """Write what else of a model's settings determines its answers; nothing where none is set."""
    settings = ""
    if not isinstance(spec, ScriptedModel) and spec.thinking is not None:
        settings += f"+thinking={spec.thinking}"
    if isinstance(spec, OpenAIModel):
        asked = {name: value for name, value in spec.options.items() if name not in UNASKED}
        if asked:
            settings += f"+options={content_id(json.dumps(asked, sort_keys=True))[:8]}"
    return settings


def circumstances(spec: VllmModel | OpenAIModel | ScriptedModel) -> str:
    """
    Hash what may have caused a model to reject a request, beside the request: its server and settings.

    When any of it changes, a rejected request is asked again.
    """
    settings = spec.model_dump(
        mode="json", exclude={"window", "timeout", "retries", "patience", "api_key_env", "profile"}
    )
    engine = datagen.__version__
    if isinstance(spec, VllmModel):
        with suppress(PackageNotFoundError):
            engine += f" vllm {version('vllm')}"
    return content_id(engine, json.dumps(settings, sort_keys=True))[:16]


def identities(models: Models) -> dict[str, Identity]:
    """Name the models that play the roles."""
    return {role: identify(models.role(role)) for role in models.roles}


def resolve(spec: VllmModel) -> str:
    """Give the path or hub id that an engine loads; a bundled model is prepared if it is not there."""
    if spec.model in bundled.NAMES:
        return str(bundled.prepare(spec.model))
    folder = _folder(spec.model)
    return str(folder) if folder else spec.model


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
