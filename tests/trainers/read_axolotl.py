"""
Print the tokens of a hand-off that axolotl trains, by its own loader; run in axolotl's environment.

    python read_axolotl.py HANDOFF MODEL

One JSON object per row, as in `read_llamafactory`.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

import yaml

os.environ["AXOLOTL_DO_NOT_TRACK"] = "1"


def main(handoff: str, model: str) -> None:
    from axolotl.utils.config import validate_config
    from axolotl.utils.data import prepare_datasets, prepare_preference_datasets
    from axolotl.utils.dict import DictDefault
    from transformers import AutoTokenizer

    os.chdir(handoff)
    for path in sorted(Path("trainers", "axolotl").glob("*.yaml")):
        config = yaml.safe_load(path.read_text()) | {"base_model": model}
        config["dataset_prepared_path"] = tempfile.mkdtemp()
        checked = validate_config(
            DictDefault(config),
            capabilities={"bf16": False, "n_gpu": 0, "compute_capability": "sm_80"},
            env_capabilities={"torch_version": "2.13.0"},
        )
        checked.tokenizer_config, checked.batch_size = model, 1
        checked.dataset_num_proc, checked.world_size = None, 1
        tokenizer = AutoTokenizer.from_pretrained(model)
        prepare = prepare_preference_datasets if checked.rl else prepare_datasets
        rows = prepare(checked, tokenizer)[0]
        for row in rows:
            if checked.rl:
                for side in ("chosen", "rejected"):
                    result = {
                        "stage": path.stem,
                        "side": f"{side}_",
                        "all": row["prompt"],
                        "trained": row[side],
                    }
                    print("ROW" + json.dumps(result))
            else:
                trained = tokenizer.decode([label for label in row["labels"] if label != -100])
                decoded = tokenizer.decode(row["input_ids"])
                print(
                    "ROW" + json.dumps({"stage": path.stem, "side": "", "all": decoded, "trained": trained})
                )


if __name__ == "__main__":
    main(*sys.argv[1:])
