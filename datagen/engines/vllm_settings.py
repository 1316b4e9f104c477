"""
Settings of vLLM: environment variables, arguments of an engine, and the size of its cache.

On a CPU, vLLM's defaults leave cores idle and spend time on useless warm-up. On a GPU its defaults apply. A
model's `options` override all of these settings.
"""

from collections.abc import Sequence

from datagen.cluster.hardware import has_bfloat16
from datagen.json_types import JsonObject
from datagen.recipe.roles import VllmModel

FEW_CORES = 8  # up to this number, bind all cores: vLLM's default of leaving one free costs throughput
GIB = 2**30


def environment(cores: Sequence[int], parallel: int = 1) -> dict[str, str]:
    """
    Return defaults for the environment variables that vLLM reads.

    Parameters
    ----------
    cores
        Ids of the cores that this process may use. On a small machine all are bound (on two cores: 1.5 times
        the throughput). On a large one vLLM's default applies: one thread per physical core, one core free.
    parallel
        Workers that share the model; vLLM divides the cores among several workers.
    """
    settings = {
        "VLLM_NO_USAGE_STATS": "1",  # no data may leave the machine
        "VLLM_LOGGING_LEVEL": "ERROR",
        "VLLM_LOGGING_STREAM": "ext://sys.stderr",
        "TORCH_CPP_LOG_LEVEL": "ERROR",
        "TORCH_LOGS": "-all",  # errors only: otherwise it warns that triton is missing
        "PYTHONWARNINGS": "ignore::FutureWarning",
        "VLLM_WORKER_MULTIPROC_METHOD": "spawn",  # this process has threads, so forking may deadlock
    }
    if parallel == 1 and len(cores) <= FEW_CORES:
        settings["VLLM_CPU_OMP_THREADS_BIND"] = ",".join(map(str, cores))
    return settings


def engine_arguments(spec: VllmModel, model: str, cpu: bool, free: int) -> JsonObject:
    """
    Translate a model of the recipe to vLLM's ``EngineArgs``.

    `model` is a path or a hub id, `free` the free memory in bytes (CPU engine only).
    """
    arguments: JsonObject = {
        "model": model,
        "max_model_len": spec.max_model_len,
        "enable_prefix_caching": True,
        "use_tqdm_on_load": False,
        "disable_log_stats": True,
        # Otherwise a small model fills a quarter of its JSON answers with line breaks up to the token limit.
        "structured_outputs_config": {"backend": "xgrammar", "disable_any_whitespace": True},
    }
    if spec.revision and model == spec.model:  # a hub id
        arguments["revision"] = spec.revision
    if cpu:
        bfloat16 = has_bfloat16()  # where it is emulated, single precision is several times as fast
        arguments |= {
            "dtype": "bfloat16" if bfloat16 else "float32",
            "enforce_eager": True,  # compilation takes a minute without benefit on a CPU
            "block_size": 32,  # the minimum: a shared prefix misses the cache for at most 31 tokens, not 127
            "kv_cache_memory_bytes": cache_bytes(free, 2 if bfloat16 else 4),
        }
    return arguments | spec.options


def cache_bytes(free: int, width: int = 2) -> int:
    """
    Return the size of the KV cache: an eighth of the free memory, at least 2 GiB, at most half.

    2 GiB hold 90,000 tokens of the bundled model: a window of 128 requests of 700 tokens. `width` is the
    bytes per value: with 4 instead of bfloat16's 2, twice as much is taken.
    """
    return min(max(free // 8, 2 * GIB) * width // 2, free // 2)


def free_memory() -> int:
    """Return free memory as vLLM measures it (by node and cgroup), because vLLM checks its own figure."""
    from vllm.utils.cpu_resource_utils import get_memory_node_info, get_visible_memory_node

    return int(get_memory_node_info(get_visible_memory_node()[0]).available_memory)
