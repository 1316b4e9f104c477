"""
The process of the vllm engine with a fake vLLM: an answer repeats the last message, one character per step.

Some messages are orders: see `_Engine`. The file named by FAKE_LOG gets a line of JSON for each call of vLLM.
"""

import json
import os
import sys
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace

from datagen.engines import vllm_process

CALL = "<assistant>"


def log(what, value=None):
    if path := os.environ.get("FAKE_LOG"):
        with Path(path).open("a") as file:
            file.write(json.dumps([what, value]) + "\n")


class _Tokenizer:
    """One token per character."""

    chat_template = "" if "untemplated" in os.environ.get("FAKE", "") else "a template"

    def apply_chat_template(self, messages, add_generation_prompt, tokenize, **options):
        assert add_generation_prompt and not tokenize
        log("template", options)
        opening = "<think>" if options.get("enable_thinking") else ""
        return f"{messages[-1]['content']}{CALL}{opening}"

    def encode(self, text, add_special_tokens):
        return [0] * add_special_tokens + [ord(letter) for letter in text]

    def decode(self, tokens):
        return "".join(map(chr, tokens))


class _Engine:
    def __init__(self):
        self._running = {}
        self.engine_core = SimpleNamespace(shutdown=lambda seconds: log("shutdown", seconds))

    @classmethod
    def from_engine_args(cls, arguments, context):
        log("start", {"arguments": vars(arguments), "context": context})
        if arguments.max_model_len > 10_000:
            raise ValueError("max_model_len is larger than the model's")
        return cls()

    def get_tokenizer(self):
        return _Tokenizer()

    def add_request(self, name, prompt, parameters):
        text = "".join(map(chr, prompt["prompt_token_ids"]))
        asked, _, given = text.partition(CALL)
        log("add", {"prompt": text, "parameters": vars(parameters)})
        self._running[name] = SimpleNamespace(
            name=name, prompt=text, text=asked, given=given, done=0, parameters=parameters
        )
        if asked == "unfit":
            raise ValueError("outer") from KeyError("the grammar is unfit")

    def abort_request(self, names):
        log("abort", [self._running.pop(name).text for name in names if name in self._running])

    def step(self):
        log("step", sorted(request.text for request in self._running.values()))
        time.sleep(0.5 if any(request.text == "s" for request in self._running.values()) else 0.01)
        outputs = []
        for request in [*self._running.values()]:
            request.done += 1
            if request.text == "die":
                os._exit(9)
            limit = request.parameters.max_tokens
            if request.done in (len(request.text), limit) and request.text != "forever":
                del self._running[request.name]
                outputs.append(self._output(request, "stop" if request.done < limit else "length"))
        return outputs

    def _output(self, request, finish):
        text = request.text[: request.done]
        scores = [-0.5] * len(text)
        answer = SimpleNamespace(
            text=text,
            token_ids=[*map(ord, text)],
            finish_reason="abort" if request.text == "abort" else finish,
            logprobs=None if request.text == "odd" else SimpleNamespace(logprobs=scores),
        )
        if choices := getattr(request.parameters, "logprob_token_ids", None):
            answer.logprobs = [{token: SimpleNamespace(logprob=-1.0) for token in [*choices, ord(text[0])]}]
        given = [-9.0] * (len(request.prompt) - len(request.given)) + [-0.25] * len(request.given)
        return SimpleNamespace(
            request_id=request.name,
            outputs=[answer],
            prompt_token_ids=[*map(ord, request.prompt)],
            prompt_logprobs=SimpleNamespace(logprobs=given),
            num_cached_tokens=3,
        )


class _Arguments(SimpleNamespace):
    def __init__(self, **arguments):
        super().__init__(**arguments)


def install():
    modules = {
        "vllm": {"SamplingParams": _Arguments},
        "vllm.engine.arg_utils": {"EngineArgs": _Arguments},
        "vllm.platforms": {"current_platform": SimpleNamespace(is_cpu=lambda: False)},
        "vllm.sampling_params": {
            "RequestOutputKind": SimpleNamespace(FINAL_ONLY="final only"),
            "StructuredOutputsParams": lambda json: json,
        },
        "vllm.usage.usage_lib": {"UsageContext": SimpleNamespace(LLM_CLASS="throughput")},
        "vllm.v1.engine.llm_engine": {"LLMEngine": _Engine},
    }
    if "not installed" in os.environ.get("FAKE", ""):
        modules = {"vllm": {}}
    for name, contents in modules.items():
        module = ModuleType(name)
        vars(module).update(contents)
        sys.modules[name] = module


if __name__ == "__main__":
    install()
    vllm_process.main()
