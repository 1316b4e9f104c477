"""
Configuration files for three trainers, with the target model, the length and the trained tokens.

All paths are relative to the hand-off, so that the folder can be moved. LLaMA-Factory and axolotl load the
folder of a configuration with `datasets`, which tells its splits by their folders and reads files by name.
(A ``file_name`` in ``dataset_info.json`` would give them in the order of `os.listdir`.)

In an ordered hand-off, instructions and refusals are interleaved by their numbers of rows, and not shuffled.
One after the other, training would end with refusals only.
"""

import re
from itertools import pairwise
from pathlib import Path

import yaml

from datagen.engines import bundled
from datagen.engines.identity import resolve
from datagen.recipe.roles import VllmModel
from datagen.stage import Context
from datagen.stages.handoff.handoff import mixture
from datagen.stages.handoff.handoff.tally import Tally
from datagen.stages.handoff.tokenizer import Ruler
from datagen.store.parquet import whole_file, write_json
from datagen.template import render_file

FOLDER = "trainers"
DEFAULT_LENGTH = 4096  # if the target states none
SLICES = 20  # of a configuration: LLaMA-Factory and axolotl join whole data sets only
TAGS = {
    "role_tag": "role",
    "content_tag": "content",
    "user_tag": "user",
    "assistant_tag": "assistant",
    "system_tag": "system",
}
CHAT = ("instructions_messages", "refusals_messages")
# Stage of training -> the trainer's name for it, and the configurations that it reads.
LLAMAFACTORY = {
    "reading": ("pt", ("reading",)),
    "chat": ("sft", CHAT),
    "preferences": ("dpo", ("preferences_messages",)),
}
AXOLOTL = {"reading": ("reading",), "chat": CHAT, "preferences": ("preferences",)}


def write(folder: Path, tally: Tally, measure: Ruler, context: Context) -> None:
    """Write the files for the configurations that have rows."""
    model, length = target(context), measure.longest or DEFAULT_LENGTH
    ordered = bool(mixture.plan(context).get("ordered"))
    name = "train_with_trl.py.j2"
    script = render_file(__package__, name, model=model, length=length, ordered=ordered)
    _write_text(script.rstrip() + "\n", folder / FOLDER / "train_with_trl.py")
    if tally.configurations:
        write_json(dataset_info(tally, ordered), folder / "dataset_info.json")
    for stage, (kind, names) in LLAMAFACTORY.items():
        if config := llamafactory(tally, stage, kind, names, model, length, ordered):
            run = f"llamafactory-cli train {FOLDER}/llamafactory/{stage}.yaml"
            _write_yaml(config, run, "model_name_or_path", folder / FOLDER / "llamafactory" / f"{stage}.yaml")
    for stage, names in AXOLOTL.items():
        if config := axolotl(tally, stage, names, model, length, ordered):
            run = f"axolotl train {FOLDER}/axolotl/{stage}.yaml"
            _write_yaml(config, run, "base_model", folder / FOLDER / "axolotl" / f"{stage}.yaml")


def target(context: Context) -> str:
    """Return the target as trainers load it: a folder or a hub id; a bundled model is in the cache."""
    spec = context.models.role("target")
    prepared = isinstance(spec, VllmModel) and (spec.model not in bundled.NAMES or bundled.installed())
    return resolve(spec) if isinstance(spec, VllmModel) and prepared else spec.model


def dataset_info(tally: Tally, ordered: bool) -> dict[str, object]:
    """Describe each split for LLaMA-Factory: training as ``<configuration>``, others with a suffix."""
    info: dict[str, object] = {}
    slices = [part for part in _splits(tally, CHAT, ordered) if part[1] != "train"]
    for name, split in [*tally.amounts, *slices]:
        # A "script" is any path that `load_dataset` loads; it loads no path without a name, such as ".".
        entry: dict[str, object] = {"script_url": name, "split": split}
        if name == "reading":
            entry["columns"] = {"prompt": "text"}
        elif name in CHAT:
            entry |= {"formatting": "sharegpt", "columns": {"messages": "messages"}, "tags": TAGS}
        elif name == "preferences_messages":
            columns = {name: name for name in ("messages", "chosen", "rejected")}
            entry |= {"formatting": "sharegpt", "ranking": True, "columns": columns, "tags": TAGS}
        else:
            continue
        info[_entry(name, split)] = entry
    return info


def llamafactory(
    tally: Tally, stage: str, kind: str, names: tuple[str, ...], model: str, length: int, ordered: bool
) -> dict[str, object]:
    """
    Configure a stage of training for LLaMA-Factory; {} if it has no rows.

    ``template`` is not set, because a named template may differ from the model's own. ``mask_history`` trains
    only the last answer.
    """
    trained = [_entry(name, split) for name, split in _splits(tally, names, ordered)]
    tested = [_entry(name, "validation") for name in names if tally.rows(name, "validation")]
    if not trained:
        return {}
    return {
        "model_name_or_path": model,
        "stage": kind,
        "do_train": True,
        "finetuning_type": "lora",
        "lora_target": "all",
        "dataset_dir": ".",
        "dataset": ",".join(trained),
        **({"eval_dataset": ",".join(tested), "eval_strategy": "epoch"} if tested else {}),
        "cutoff_len": length,
        **({"mask_history": True} if kind == "sft" else {}),
        **({"disable_shuffling": True} if ordered else {}),
        "output_dir": f"trained/{stage}",
        **_rates(stage),
    }


def axolotl(
    tally: Tally, stage: str, names: tuple[str, ...], model: str, length: int, ordered: bool
) -> dict[str, object]:
    """Configure a stage of training for axolotl; {} if it has no rows."""
    trained = [_axolotl_data(name, split) for name, split in _splits(tally, names, ordered)]
    tested = [_axolotl_data(name, "validation") for name in names if tally.rows(name, "validation")]
    if not trained:
        return {}
    rates = _rates(stage)
    return {
        "base_model": model,
        "adapter": "lora",
        "lora_r": 32,
        "lora_alpha": 64,
        "lora_target_linear": True,
        **({"rl": "dpo"} if stage == "preferences" else {}),
        "datasets": trained,
        **({"test_datasets": tested} if tested else {}),
        **({} if stage == "reading" else {"chat_template": "tokenizer_default"}),
        "sequence_len": length,
        **({"curriculum_sampling": True, "shuffle_merged_datasets": False} if ordered else {}),
        "output_dir": f"trained/{stage}",
        "micro_batch_size": rates["per_device_train_batch_size"],
        "gradient_accumulation_steps": rates["gradient_accumulation_steps"],
        "num_epochs": rates["num_train_epochs"],
        "learning_rate": rates["learning_rate"],
        "lr_scheduler": rates["lr_scheduler_type"],
        "optimizer": "adamw_torch",
    }


def _splits(tally: Tally, names: tuple[str, ...], ordered: bool) -> list[tuple[str, str]]:
    """
    List the training splits of configurations, in the order in which a trainer joins them.

    If ordered, several configurations are split into slices of rows, sorted by their relative places.
    """
    counts = {name: tally.rows(name, "train") for name in names if tally.rows(name, "train")}
    if not ordered or len(counts) < 2:
        return [(name, "train") for name in counts]
    slices: list[tuple[float, str, str]] = []
    for name, rows in counts.items():
        number = min(SLICES, rows)
        bounds = [rows * place // number for place in range(number + 1)]
        slices += [((start + end) / rows, name, f"train[{start}:{end}]") for start, end in pairwise(bounds)]
    return [(name, split) for _, name, split in sorted(slices, key=lambda part: part[0])]


def _axolotl_data(name: str, split: str) -> dict[str, object]:
    # By folder rather than by configuration, for which axolotl has no key when it reads preferences.
    entry: dict[str, object] = {"path": f"./{name}", "split": split}
    if name == "reading":
        return entry | {"type": "completion", "field": "text"}
    if name == "preferences":
        fields = {"field_messages": "prompt", "field_chosen": "chosen", "field_rejected": "rejected"}
        return entry | {"type": "chat_template.default"} | fields
    marks = {"message_field_training": "train", "roles_to_train": [], "train_on_eos": "turn"}
    return entry | {"type": "chat_template", "field_messages": "messages"} | marks


def _rates(stage: str) -> dict[str, object]:
    """Return initial settings: a usual learning rate for a rank-32 adapter, a tenth for preferences."""
    return {
        "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": 16,
        "num_train_epochs": 1 if stage == "preferences" else 2,
        "learning_rate": 1e-5 if stage == "preferences" else 1e-4,
        "lr_scheduler_type": "cosine",
    }


def _entry(name: str, split: str) -> str:
    return name if split == "train" else re.sub(r"\W+", "_", f"{name}_{split}").strip("_")


def _write_yaml(config: dict[str, object], run: str, base: str, path: Path) -> None:
    text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
    start = f"# Trains an adapter. To continue from another stage, merge its adapter and set {base} to it."
    _write_text(f"# Run in the hand-off's folder: {run}\n{start}\n{text}", path)


def _write_text(text: str, path: Path) -> None:
    with whole_file(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
