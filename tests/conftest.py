"""Fixtures and hooks shared by all tests."""

import asyncio
import contextlib
import importlib.util
import sys
import threading

import pytest
import yaml
from hypothesis import settings

FEW = 20  # examples of a property in a selection without slow tests

# No deadline: a busy machine is not a fault. The same examples each time, so that a failure is due to the change.
settings.register_profile("datagen", deadline=None, derandomize=True)
settings.register_profile("fast", deadline=None, derandomize=True, max_examples=FEW)
settings.register_profile("fuzz", deadline=None, derandomize=False, max_examples=1000)
settings.load_profile("datagen")

# As lm-format-enforcer does when vLLM imports it: dates in YAML are read as text, in every loader that shares this table.
SHARED = yaml.SafeLoader.yaml_constructors
SHARED["tag:yaml.org,2002:timestamp"] = SHARED["tag:yaml.org,2002:str"]


def pytest_configure(config):
    """
    Check and adapt a selection of tests.

    If tests with an engine or a cluster are deselected, an unmarked test that starts one fails. If slow tests are
    deselected, properties are tested on fewer examples, and tests that import PyTorch fail.
    """
    expression = config.option.markexpr
    if "not slow" in expression:
        settings.load_profile("fast")
    if "not cluster" in expression:
        import distributed

        distributed.Client.__init__ = _unmarked("cluster")
    if "not engine" in expression:
        from datagen.engines import vllm

        vllm.resolve = _unmarked(
            "engine"
        )  # called first by every start, unless a test replaces vLLM's process


def _unmarked(marker):
    def start(*_, **__):
        pytest.fail(f"this test starts an engine or a cluster; mark it @pytest.mark.{marker}")

    return start


def pytest_collection_modifyitems(config, items):
    for item in items:
        if "real_model" in item.fixturenames:
            item.add_marker("engine")
    if "not slow" in config.option.markexpr:
        if "torch" in sys.modules:
            raise pytest.UsageError("a module of tests imports PyTorch, for which every selection waits")
        for item in items:
            _limit_examples(item.function)


def _limit_examples(test):
    """Reduce the number of examples of a property; Hypothesis has no public function for this."""
    asked = getattr(test, "_hypothesis_internal_use_settings", None)
    if asked and asked.max_examples > FEW:
        test._hypothesis_internal_use_settings = settings(asked, max_examples=FEW)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item):
    return (yield from _without_torch(item))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    return (yield from _without_torch(item))


def _without_torch(item):
    loaded = "torch" in sys.modules
    result = yield
    if "not slow" in item.config.option.markexpr and "torch" in sys.modules and not loaded:
        pytest.fail("this test imports PyTorch, which takes seconds; mark it @pytest.mark.slow")
    return result


@pytest.fixture
def blanks(tmp_path):
    """Save a tokenizer that splits at blanks."""
    tokenizers = pytest.importorskip("tokenizers")
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    words.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    words.save(str(tmp_path / "tokenizer.json"))
    return str(tmp_path)


@pytest.fixture(scope="session")
def workers(tmp_path_factory):
    """Start a local cluster: one worker for CPU stages and one for engines. Starting one per run takes seconds."""
    from datagen.cluster.local import local_cluster

    with local_cluster(tmp_path_factory.mktemp("workers"), 1) as client:
        yield client


@pytest.fixture(scope="session")
def on_workers(workers):
    """
    Return a context in which runs use the session's cluster, and reports have no charts.

    The environment variables of `tests.support.toys` are set on the workers. A child process draws the charts of
    each report, in more than a second.
    """
    from datagen.engines.pool import leave_engine_pool
    from datagen.run import runner
    from tests.support import toys

    @contextlib.contextmanager
    def join(cluster, home, engine, log):
        workers.run(toys.set_variables, toys.variables())
        try:
            yield workers
        finally:
            workers.run(leave_engine_pool, str(home))

    @contextlib.contextmanager
    def patched():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(runner, "open_cluster", join)
            patch.setattr("datagen.report.charts.draw", lambda specifications: [])
            yield

    return patched


@pytest.fixture(scope="session")
def run_on_workers(on_workers):
    """Return `datagen.run.runner.run`, on the session's cluster."""
    from datagen.run import runner

    def run(recipe, outputs, watcher, **options):
        with on_workers():
            return runner.run(recipe, outputs, watcher, **options)

    return run


@pytest.fixture(scope="session")
def real_model():
    """
    Generate with the real bundled model: a function from requests to their completions.

    One vLLM engine serves the whole session, in a loop outside the main thread, as in a worker.
    """
    if importlib.util.find_spec("vllm") is None:
        pytest.skip("vLLM is not installed")
    from datagen.engines import open_engine
    from datagen.recipe.roles import VllmModel

    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()

    def wait(work):
        return asyncio.run_coroutine_threadsafe(work, loop).result()

    engine = open_engine(VllmModel(max_model_len=1024, options={"kv_cache_memory_bytes": 2**29}))
    wait(engine.start())

    def ask(*requests):
        async def all_of_them():
            return await asyncio.gather(
                *(engine.answer(request, f"key-{n}") for n, request in enumerate(requests))
            )

        return wait(all_of_them())

    yield ask
    wait(engine.close())
    loop.call_soon_threadsafe(loop.stop)
