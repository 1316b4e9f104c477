"""Check before a run whether a model is available."""

import asyncio
import importlib
import socket
import time
from contextlib import suppress
from importlib.util import find_spec
from urllib.parse import urlsplit

from datagen.engines import bundled
from datagen.engines.failures import Busy, Refused
from datagen.errors import UserError
from datagen.paths import expanded
from datagen.recipe.roles import Model, OpenAIModel, ScriptedModel, VllmModel
from datagen.redaction import mask_secrets

CONNECT_SECONDS = 5.0
PAUSE_SECONDS = 1.0  # between two attempts to connect
PORTS = {"http": 80, "https": 443}
WEIGHTS = ("*.safetensors", "*.bin", "*.gguf", "*.pt", "*.pth")
ANSWER_SECONDS = 60.0  # for one token
BUSY_SECONDS = 15.0  # to ask a server again that says it is overloaded
SERVER_ADVICE = "Is the server up, and is base_url right?"


def ask_one_token(model: Model) -> str:
    """
    Check whether a model is available: request one token from a server, open a folder, import a function.

    No engine is started.

    Returns
    -------
    A short description of the model.

    Raises
    ------
    UserError
        If it is not available; the message states what to do.
    """
    if isinstance(model, OpenAIModel):
        return asyncio.run(_ask_server(model))
    if isinstance(model, ScriptedModel):
        return _import_function(model)
    return _open_checkpoint(model)


def wait_for_server(model: OpenAIModel, seconds: float) -> str:
    """
    Wait until a model's server accepts connections; no request is sent.

    Returns
    -------
    Why it does not answer; "" if it does.
    """
    from datagen.engines.http import proxy_for  # imports aiohttp, which other engines do without

    parts = urlsplit(proxy_for(model.base_url) or model.base_url)
    until = time.monotonic() + seconds
    while True:
        try:
            port = parts.port or PORTS.get(parts.scheme, 443)
            with socket.create_connection((parts.hostname or "", port), CONNECT_SECONDS):
                return ""
        except (OSError, ValueError) as error:  # ValueError: the port is not a number
            if time.monotonic() >= until or isinstance(error, ValueError):
                why = getattr(error, "strerror", None) or error
                return f"{mask_secrets(model.base_url)} does not answer: {why}. {SERVER_ADVICE}"
        time.sleep(min(PAUSE_SECONDS, seconds))


async def _ask_server(model: OpenAIModel) -> str:
    from datagen.engines.openai import OpenAIEngine

    if why := wait_for_server(model, 0):  # its message is clearer than that of the HTTP client
        raise UserError(why)
    engine = OpenAIEngine(model)
    await engine.start()
    began = time.monotonic()
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            failure = await engine.check()
            while isinstance(failure, Busy) and time.monotonic() + failure.retry_after < began + BUSY_SECONDS:
                await asyncio.sleep(PAUSE_SECONDS)
                failure = await engine.check()
    except TimeoutError:
        raise UserError(f"{model.model} returned no token in {ANSWER_SECONDS:.0f} seconds") from None
    finally:
        await engine.close()
    where = mask_secrets(model.base_url)
    if failure is None:
        return f"{model.model} at {where} answered in {time.monotonic() - began:.1f} s"
    if isinstance(failure, Busy):
        wait = f" It asks to wait for {failure.retry_after:,.0f} seconds." if failure.retry_after else ""
        raise UserError(
            f"{where} is up but overloaded; it returned no token in {time.monotonic() - began:.0f} seconds: "
            f"{failure}.{wait} A run waits for it for {model.patience:,.0f} seconds (patience)"
        )
    if isinstance(failure, Refused):
        raise UserError(
            f"{where} refuses requests ({failure}): {failure.advice.format(key=model.api_key_env)}"
        )
    raise UserError(f"{where} returned no token: {failure}. {SERVER_ADVICE}")


def _import_function(model: ScriptedModel) -> str:
    module, _, name = model.model.partition(":")
    with suppress(ImportError, ValueError):
        if callable(getattr(importlib.import_module(module), name, None)):
            return f"the function {model.model}"
    raise UserError(f"the function {model.model!r} cannot be imported. Write module:function")


def _find_on_hub(model: VllmModel) -> str:
    """Find a model in the cache of downloads, or else on the model hub."""
    from huggingface_hub import model_info, try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError, RevisionNotFoundError

    name, revision = model.model, model.revision or None
    advice = "Name a model of the hub, a folder with a checkpoint, or bundled"
    try:
        if isinstance(try_to_load_from_cache(name, "config.json", revision=revision), str):
            return f"{name}, downloaded from the model hub"
        model_info(name, revision=revision, timeout=CONNECT_SECONDS)
    except (HFValidationError, RepositoryNotFoundError, RevisionNotFoundError):
        which = f" with the revision {revision!r}" if revision else ""
        raise UserError(f"the model hub has no model {name!r}{which}, or it is private. {advice}") from None
    except Exception as error:  # of the HTTP client, which depends on the version of the library
        raise UserError(
            f"{name} is not downloaded, and the model hub cannot be reached ({type(error).__name__}). "
            "Set HF_ENDPOINT to a mirror, or download the model and name its folder"
        ) from None
    return f"{name}, on the model hub; downloaded on first use"


def _open_checkpoint(model: VllmModel) -> str:
    if not find_spec("vllm"):
        raise UserError("vLLM is not installed: pip install 'datagen[cpu]' or 'datagen[gpu]'")
    if model.model in bundled.NAMES:
        if bundled.folder_of(model.model).is_dir():
            return f"{model.model}, prepared"
        if bundled.installed():
            return f"{model.model}, installed; prepared on first use"
        raise UserError(f"the bundled model is not installed. {bundled.INSTALL}")
    folder = expanded(model.model)
    if not folder.is_dir():
        return _find_on_hub(model)
    if not any(list(folder.glob(pattern)) for pattern in WEIGHTS):
        raise UserError(f"{folder} contains no weights ({', '.join(WEIGHTS)})")
    if not any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer.model", "vocab.json")):
        raise UserError(f"{folder} contains no tokenizer")
    return f"the checkpoint {folder}"
