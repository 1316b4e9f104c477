"""
The special tokens of a model's own tokenizer, read from its files.

They are read from the checkpoint's JSON files, without a tokenizer library. For models behind a server, whose
tokenizer is unknown, only the common families of `datagen.control_tokens` apply.
"""

import json
import logging
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from datagen.engines import bundled
from datagen.json_types import JsonObject
from datagen.paths import expanded
from datagen.recipe.roles import Models, OpenAIModel, ScriptedModel, VllmModel

FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
TEMPLATE = "chat_template.jinja"
# The bundled model's tokenizer is written on first use; its tokens are constants, so that keys do not change.
BUNDLED = frozenset(
    f"<{name}>"
    for name in (
        *("repo_name", "reponame", "file_sep", "filename", "gh_stars", "empty_output"),
        *("issue_start", "issue_comment", "issue_closed"),
        *("jupyter_start", "jupyter_text", "jupyter_code", "jupyter_output", "jupyter_script"),
    )
)

log = logging.getLogger(__name__)


def special_tokens(models: Models) -> frozenset[str]:
    """Return the special tokens of the models of all roles."""
    return frozenset[str]().union(*(special_tokens_of(models.role(role)) for role in models.roles))


def special_tokens_of(spec: VllmModel | OpenAIModel | ScriptedModel | None) -> frozenset[str]:
    """Return a model's special tokens; none if its tokenizer is not available."""
    if not isinstance(spec, VllmModel):
        return frozenset()
    if spec.model in bundled.NAMES:
        return BUNDLED
    folder = expanded(spec.model)
    return _of_folder(folder.resolve()) if folder.is_dir() else _of_hub(spec.model, spec.revision)


@cache
def _of_folder(folder: Path) -> frozenset[str]:
    files = {name: _json(folder / name) for name in FILES}
    path = folder / TEMPLATE
    template = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    return control_among(files, template)


@cache
def _of_hub(model: str, revision: str) -> frozenset[str]:
    """Read the tokenizer files from the hub's cache; download missing ones, as the engine would."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    files, template = {}, ""
    for name in (*FILES, TEMPLATE):
        try:
            path = Path(hf_hub_download(model, name, revision=revision or None))
        except EntryNotFoundError:
            continue
        except Exception as error:  # the engine needs the same files and will report the error
            log.warning(f"cannot read the tokenizer of {model} ({error}); using common control tokens only")
            return frozenset()
        if name == TEMPLATE:
            template = path.read_text(encoding="utf-8", errors="replace")
        else:
            files[name] = _json(path)
    return control_among(files, template)


def control_among(files: JsonObject, template: str = "") -> frozenset[str]:
    """
    Select the control tokens from a tokenizer's files.

    These are the added tokens that are marked special, and those in the chat template, such as Qwen's
    ``<think>``. Added tokens that are words or white space are excluded.

    Parameters
    ----------
    files
        Parsed ``tokenizer.json``, ``tokenizer_config.json`` and ``special_tokens_map.json``.
    template
        The chat template, if it is a separate file.
    """
    config = files.get("tokenizer_config.json") or {}
    templates = config.get("chat_template") or ""
    template += templates if isinstance(templates, str) else json.dumps(templates, ensure_ascii=False)
    added = [*_entries((files.get("tokenizer.json") or {}).get("added_tokens"))]
    added += _entries(list(_values(config.get("added_tokens_decoder"))))
    tokens = {text for text, special in added if special or text in template}
    for holder in (config, files.get("special_tokens_map.json") or {}):
        for name, value in holder.items():
            if name.endswith("_token") or name in ("additional_special_tokens", "extra_special_tokens"):
                tokens.update(text for text, _ in _entries(list(_values(value))))
    return frozenset(token for token in tokens if _is_marked(token))


def _is_marked(token: str) -> bool:
    """Check that a token is distinct from text: 3 to 100 characters, no white space, not only letters."""
    return 3 <= len(token) <= 100 and not any(map(str.isspace, token)) and not token.strip("▁").isalnum()


def _values(value: object) -> Iterator[object]:
    if isinstance(value, dict) and "content" not in value:
        yield from value.values()
    elif isinstance(value, list):
        yield from value
    elif value is not None:
        yield value


def _entries(added: object) -> Iterator[tuple[str, bool]]:
    """Yield (token, special) of tokens written as strings or objects."""
    for entry in added if isinstance(added, list) else []:
        if isinstance(entry, str):
            yield entry, True
        elif isinstance(entry, dict) and isinstance(entry.get("content"), str):
            yield entry["content"], bool(entry.get("special"))


def _json(path: Path) -> JsonObject:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
