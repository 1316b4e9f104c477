"""
Print the tokens of a hand-off that LLaMA-Factory trains, by its own loader; run in LLaMA-Factory's environment.

    python read_llamafactory.py HANDOFF MODEL CUTOFF

One JSON object per row: data set, all tokens decoded, trained tokens decoded.
"""

import importlib.machinery
import json
import os
import sys
import types
from pathlib import Path

import yaml

stub = types.ModuleType("torchaudio")  # the package index's wheel needs libraries of a GPU
stub.__spec__ = importlib.machinery.ModuleSpec("torchaudio", None)
sys.modules["torchaudio"] = stub


def main(handoff: str, model: str) -> None:
    from llamafactory.data import get_dataset, get_template_and_fix_tokenizer
    from llamafactory.hparams import DataArguments, ModelArguments
    from transformers import AutoTokenizer, Seq2SeqTrainingArguments

    os.chdir(handoff)
    for path in sorted(Path("trainers", "llamafactory").glob("*.yaml")):
        config = yaml.safe_load(path.read_text())
        tokenizer = AutoTokenizer.from_pretrained(model)
        names = ("dataset_dir", "dataset", "eval_dataset", "cutoff_len", "mask_history")
        given = {name: config[name] for name in names if name in config}
        data = DataArguments(template=None, overwrite_cache=True, **given)
        template = get_template_and_fix_tokenizer(tokenizer, data)
        stage = {"pt": "pt", "sft": "sft", "dpo": "rm"}[config["stage"]]
        training = Seq2SeqTrainingArguments(output_dir="/tmp/unused", use_cpu=True, report_to="none")
        module = get_dataset(
            template,
            ModelArguments(model_name_or_path=model),
            data,
            training,
            stage=stage,
            tokenizer=tokenizer,
        )
        for row in module["train_dataset"]:
            sides = ("chosen_", "rejected_") if stage == "rm" else ("",)
            for side in sides:
                ids, labels = row[f"{side}input_ids"], row.get(f"{side}labels", row[f"{side}input_ids"])
                trained = tokenizer.decode([label for label in labels if label != -100])
                result = {"stage": path.stem, "side": side, "all": tokenizer.decode(ids), "trained": trained}
                print("ROW" + json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
