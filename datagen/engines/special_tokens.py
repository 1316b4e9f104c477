"""
The special tokens of a model's own tokenizer, read from its files.

Reading takes the JSON files beside a checkpoint and no library. A served model's tokenizer is out of reach
unless the recipe says where it is; `datagen.control_tokens` then has the tokens of the common families.
"""

import json
import logging
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from datagen.engines import bundled
from datagen.recipe.sections import Models, OpenAIModel, ScriptedModel, VllmModel

FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
TEMPLATE = "chat_template.jinja"
# The bundled model's tokenizer, which is made on first use: known before, so that keys do not change.
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
    """Give a model's special tokens; none for one whose tokenizer is not to be had."""
    if not isinstance(spec, VllmModel):
        return frozenset()
    if spec.model in bundled.NAMES:
        return BUNDLED
    folder = Path(spec.model).expanduser()
    return _of_folder(folder.resolve()) if folder.is_dir() else _of_hub(spec.model, spec.revision)


@cache
def _of_folder(folder: Path) -> frozenset[str]:
    read = {name: _json(folder / name) for name in FILES}
    template = folder / TEMPLATE
    written = template.read_text(encoding="utf-8", errors="replace") if template.is_file() else ""
    return control_among(read, written)


@cache
def _of_hub(model: str, revision: str) -> frozenset[str]:
    """Read what the hub's cache holds; what is missing there is fetched, as the engine would do."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    read, template = {}, ""
    for name in (*FILES, TEMPLATE):
        try:
            path = Path(hf_hub_download(model, name, revision=revision or None))
        except EntryNotFoundError:
            continue
        except Exception as error:  # the engine, which needs the same files, tells the user why
            log.warning(f"the tokenizer of {model} cannot be read ({error}); common control tokens are known")
            return frozenset()
        if name == TEMPLATE:
            template = path.read_text(encoding="utf-8", errors="replace")
        else:
            read[name] = _json(path)
    return control_among(read, template)


def control_among(files: dict[str, Any], template: str = "") -> frozenset[str]:
    """
    Pick the control tokens from a tokenizer's files.

    These are the added tokens that are special, and those that the chat template writes, such as Qwen's
    ``<think>``. What is a word or layout, as some tokenizers add, is left alone.

    Parameters
    ----------
    files
        ``tokenizer.json``, ``tokenizer_config.json`` and ``special_tokens_map.json``, as read.
    template
        The chat template where it is a file of its own.
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
    """Whether a token cannot be mistaken for text: three characters, no blank, something but letters."""
    return 3 <= len(token) <= 100 and not any(map(str.isspace, token)) and not token.strip("▁").isalnum()


def _values(value: Any) -> Iterator[Any]:
    if isinstance(value, dict) and "content" not in value:
        yield from value.values()
    elif isinstance(value, list):
        yield from value
    elif value is not None:
        yield value


def _entries(added: Any) -> Iterator[tuple[str, bool]]:
    """Read tokens, which files write as strings or as objects."""
    for entry in added if isinstance(added, list) else []:
        if isinstance(entry, str):
            yield entry, True
        elif isinstance(entry, dict) and isinstance(entry.get("content"), str):
            yield entry["content"], bool(entry.get("special"))


def _json(path: Path) -> dict[str, Any]:
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return read if isinstance(read, dict) else {}
