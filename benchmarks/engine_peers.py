"""
The peers of the benchmarks engine and endpoint; each runs in its own interpreter, without datagen.

``python benchmarks/engine_peers.py datatrove URL BODIES`` sends the chat completion requests in BODIES (JSON
lines). The last line of output is JSON: seconds, answers, peak memory.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

WINDOW = 64  # requests in flight


def bodies(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the requests."""
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def datatrove(url: str, path: Path, durable: bool) -> tuple[float, int]:
    """Send the requests with datatrove's runner, with or without checkpoints and its request cache."""
    from datatrove.data import Document
    from datatrove.pipeline.inference.run_inference import InferenceConfig, InferenceRunner
    from datatrove.pipeline.writers import JsonlWriter
    from loguru import logger

    logger.remove()
    config = InferenceConfig(
        server_type="endpoint",
        model_name_or_path="m",
        endpoint_url=url,
        max_concurrent_generations=WINDOW,
        metric_interval=3600,
    )

    answers = 0

    async def rollout(document: Any, generate: Callable[[dict[str, Any]], Any]) -> Any:
        nonlocal answers
        answer = await generate(document.metadata["body"])
        answers += 1
        return answer

    with tempfile.TemporaryDirectory() as folder:
        writer = JsonlWriter(f"{folder}/out", "${rank}_${chunk_index}.jsonl", compression=None)
        kept = f"{folder}/checkpoints" if durable else None
        runner = InferenceRunner(rollout, config, writer, checkpoints_local_dir=kept, records_per_chunk=1000)
        documents = (
            Document(text="-", id=str(number), metadata={"body": body})
            for number, body in enumerate(bodies(path))
        )
        started = time.perf_counter()
        runner.run(documents, rank=0, world_size=1)
        return time.perf_counter() - started, answers


def distilabel(url: str, path: Path) -> tuple[float, int]:
    """Send the requests with distilabel, with cache; includes its start-up, and its main process's memory."""
    os.environ["OPENAI_API_KEY"] = "none"
    from distilabel.models import OpenAILLM
    from distilabel.pipeline import Pipeline
    from distilabel.steps import LoadDataFromDicts
    from distilabel.steps.tasks import TextGeneration

    messages = (body["messages"] for body in bodies(path))
    rows = [{"system_prompt": chat[0]["content"], "instruction": chat[-1]["content"]} for chat in messages]
    with tempfile.TemporaryDirectory() as folder:
        with Pipeline("benchmark", cache_dir=folder) as pipeline:
            llm = OpenAILLM(model="m", base_url=f"{url}/v1")
            ask = TextGeneration(llm=llm, input_batch_size=50)
            LoadDataFromDicts(data=rows, batch_size=50) >> ask
        started = time.perf_counter()
        data = pipeline.run(use_cache=True)
        answers = sum(text is not None for text in data["default"]["train"]["generation"])
        return time.perf_counter() - started, answers


def datadesigner(url: str, path: Path) -> tuple[float, int]:
    """Send as many requests through NeMo Data Designer, with its default retries."""
    import data_designer.config as dd
    from data_designer.interface import DataDesigner

    number = sum(1 for _ in bodies(path))
    limits = dd.ChatCompletionInferenceParams(max_parallel_requests=WINDOW, max_tokens=64)
    model = dd.ModelConfig(
        alias="m", model="m", provider="p", inference_parameters=limits, skip_health_check=True
    )
    provider = dd.ModelProvider(name="p", endpoint=f"{url}/v1", provider_type="openai", api_key="none")
    builder = dd.DataDesignerConfigBuilder(model_configs=[model])
    builder.add_column(
        dd.SamplerColumnConfig(name="n", sampler_type=dd.SamplerType.UUID, params=dd.UUIDSamplerParams())
    )
    builder.add_column(dd.LLMTextColumnConfig(name="answer", prompt="{{ n }}?", model_alias="m"))
    with tempfile.TemporaryDirectory() as folder:
        designer = DataDesigner(model_providers=[provider], artifact_path=folder)
        started = time.perf_counter()
        rows = designer.create(builder, num_records=number, dataset_name="x").load_dataset()
        return time.perf_counter() - started, int(rows["answer"].notna().sum())


PEERS: dict[str, Callable[[str, Path], tuple[float, int]]] = {
    "datatrove": partial(datatrove, durable=False),
    "datatrove-durable": partial(datatrove, durable=True),
    "distilabel": distilabel,
    "datadesigner": datadesigner,
}


if __name__ == "__main__":
    name, url, path = sys.argv[1:]
    seconds, answers = PEERS[name](url, Path(path))
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    print(json.dumps({"seconds": seconds, "answers": answers, "peak_mib": peak}))
