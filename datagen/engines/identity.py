"""
Model identity (name and revision) and location.

`identify` uses only names and files, in milliseconds, because every request's key contains the identity.
`resolve` returns what an engine can load, and prepares a bundled model on first use
(`datagen.engines.bundled`).
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
from datagen.paths import expanded
from datagen.recipe.roles import Models, OpenAIModel, ScriptedModel, VllmModel
from datagen.request import Identity
from datagen.schema import content_id

WEIGHTS = (".safetensors", ".bin", ".gguf", ".pt", ".pth")
UNASKED = ("extra_headers", "user", "metadata", "service_tier", "store")  # options that do not affect answers
SAMPLES, SAMPLE_BYTES = 64, 16384  # number and size of the evenly spaced samples of a weight file


def identify(spec: VllmModel | OpenAIModel | ScriptedModel) -> Identity:
    """
    Return a model's name and revision, which enter the key of every request to it.

    * ``bundled`` and ``bundled-chat``: hashes of their parts; they need not be installed.
    * A folder: its name, and a hash of its configuration, tokenizer, chat template, and of the names, sizes
      and evenly spaced samples of its weight files. Further training in the same folder changes the revision;
      copying or moving the folder does not.
    * A hub id: the recipe's revision, or ``main``. The hub is not queried, so if the authors move ``main``, a
      re-run reuses the stored completions. Pin a commit to be exact.
    * A server's model, or a function: as in the recipe. If the server gets other weights under the same name,
      change the ``revision`` to regenerate everything.

    The revision also contains ``thinking`` and a server model's ``options``, because they change answers.

    Raises
    ------
    UserError
        If the model names a folder without a checkpoint.
    """
    if not isinstance(spec, VllmModel):
        return Identity(spec.model, spec.revision + _settings(spec), spec.stated_licence)
    if spec.model in bundled.NAMES:
        revision = bundled.revision(spec.model) + _settings(spec)
        return Identity(bundled.NAMES[spec.model], revision, spec.stated_licence)
    if folder := _folder(spec.model):
        return Identity(
            folder.name, (spec.revision or _fingerprint(folder)) + _settings(spec), spec.stated_licence
        )
    return Identity(spec.model, (spec.revision or "main") + _settings(spec), spec.stated_licence)


def _settings(spec: VllmModel | OpenAIModel | ScriptedModel) -> str:
    """Return the revision's suffix for settings that affect answers; "" if none is set."""
    settings = ""
    if not isinstance(spec, ScriptedModel) and spec.thinking is not None:
        settings += f"+thinking={spec.thinking}"
    if isinstance(spec, OpenAIModel):
        options = {name: value for name, value in spec.options.items() if name not in UNASKED}
        if options:
            settings += f"+options={content_id(json.dumps(options, sort_keys=True))[:8]}"
    return settings


def circumstances(spec: VllmModel | OpenAIModel | ScriptedModel) -> str:
    """
    Hash the possible causes of a rejection outside the request: the server and the settings.

    When the hash changes, rejected requests are retried.
    """
    settings = spec.model_dump(
        mode="json", exclude={"window", "timeout", "retries", "patience", "api_key_env", "profile", "licence"}
    )
    engine = datagen.__version__
    if isinstance(spec, VllmModel):
        with suppress(PackageNotFoundError):
            engine += f" vllm {version('vllm')}"
    return content_id(engine, json.dumps(settings, sort_keys=True))[:16]


def identities(models: Models) -> dict[str, Identity]:
    """Return the identity of each role's model."""
    return {role: identify(models.role(role)) for role in models.roles}


def resolve(spec: VllmModel) -> str:
    """Return the path or hub id for an engine to load; prepare a bundled model if necessary."""
    if spec.model in bundled.NAMES:
        return str(bundled.prepare(spec.model))
    folder = _folder(spec.model)
    return str(folder) if folder else spec.model


def _folder(model: str) -> Path | None:
    """Return a model's folder if its name is a folder or is written as a path."""
    path = expanded(model)
    if not (path.is_dir() or model.startswith(("/", "./", "../", "~"))):
        return None
    if not (path / "config.json").is_file():
        raise UserError(
            f"models: {model!r} is not a folder with a checkpoint: it has no config.json. "
            "Name a folder written by transformers' save_pretrained, a model hub id, or bundled"
        )
    return path.resolve()


def _fingerprint(folder: Path) -> str:
    """Hash the files that determine a checkpoint's answers: small files whole, weights by samples."""
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
    """Read evenly spaced samples of a file, including its start and end; all of a small file."""
    last = max(path.stat().st_size - SAMPLE_BYTES, 0)
    with path.open("rb") as file:
        for start in sorted({last * number // (SAMPLES - 1) for number in range(SAMPLES)}):
            file.seek(start)
            yield file.read(SAMPLE_BYTES)
