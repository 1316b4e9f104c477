"""Build the JSON body of ``POST chat/completions`` from a request, model settings and server dialect."""

from datagen.json_types import JsonObject
from datagen.recipe.roles import OpenAIModel
from datagen.request import Request

TOP_LOGPROBS = 20  # the protocol's maximum
UNLIMITED = 2**18  # tokens of an answer that a body does not limit
ENVELOPE = 1 << 20  # bytes of a reply besides the answer: headers, usage, reasoning that no limit counts
TOKEN_BYTES = 512  # of an answer's token, and of one log probability: a token as text and as a list of bytes
ESCAPED = 2  # growth of JSON in a JSON string; a server may quote the request in a message
EFFORTS = ((2048, "low"), (8192, "medium"))  # effort by maximum thinking budget in tokens; above: high


class Dialect:
    """
    Parameter names that one server accepts: the common ones at first, adapted to its rejections.

    Only changes that cannot affect the answer are automatic. For a server that rejects a temperature or a
    schema, the user must change the model's ``options``.
    """

    def __init__(self) -> None:
        self.logprobs = True
        self.limit = "max_tokens"
        self.thinking = "chat_template_kwargs"

    def learn(self, body: JsonObject, refusal: str, choosing: bool) -> None:
        """
        Adapt to a server's rejection of a body.

        `choosing` means that the answer is read from the log probabilities, which are then required.
        """
        if "max_completion_tokens" in refusal and "max_tokens" in body:
            self.limit = "max_completion_tokens"
        elif "chat_template_kwargs" in refusal and "chat_template_kwargs" in body:
            self.thinking = "reasoning_effort"
        elif "logprobs" in refusal and "logprobs" in body and not choosing:
            self.logprobs = False


def body_of(request: Request, spec: OpenAIModel, dialect: Dialect | None = None) -> JsonObject:
    """Translate a request. The model's ``options`` override every field; null removes one."""
    dialect = dialect or Dialect()
    sampling, thinking = request.sampling, spec.thinking
    thinking_tokens = thinking if isinstance(thinking, int) else 0  # in addition to the answer's
    body: JsonObject = {
        "model": spec.model,
        "messages": request.messages,
        dialect.limit: (1 if request.choices else sampling.max_tokens) + thinking_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
    }
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    if sampling.repetition_penalty != 1:  # not in the protocol, but accepted by vLLM and others
        body["repetition_penalty"] = sampling.repetition_penalty
    if dialect.logprobs or request.choices:
        body["logprobs"] = True
    if request.choices:
        body["top_logprobs"] = TOP_LOGPROBS
    if request.schema is not None:
        schema = {"name": "answer", "schema": strict(request.schema), "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    if thinking is not None:
        body |= _thinking(thinking, dialect.thinking)
    return _with_options(body, spec.options)


def limit_of(body: JsonObject) -> int:
    """Return the maximum number of tokens of all answers to a body."""
    limits = (body.get(name) for name in ("max_completion_tokens", "max_tokens"))
    count = body.get("n")
    longest = max((limit for limit in limits if isinstance(limit, int)), default=UNLIMITED)
    return longest * (count if isinstance(count, int) else 1)


def most_bytes(body: JsonObject, size: int, limit: int) -> int:
    """
    Return an upper limit of the bytes of a reply to a body, far above any proper one.

    `size` is that of the body in bytes, `limit` the maximum number of tokens of all answers.
    """
    top = body.get("top_logprobs")
    entries = 1 + (top if isinstance(top, int) else 0) if body.get("logprobs") else 0
    return ENVELOPE + ESCAPED * size + limit * TOKEN_BYTES * (1 + entries)


def _thinking(thinking: str | int, parameter: str) -> JsonObject:
    """Switch reasoning off or limit it, with the parameters of vLLM and SGLang or those of OpenAI."""
    if parameter == "reasoning_effort":
        if thinking == "off":
            return {"reasoning_effort": "none"}
        return {"reasoning_effort": next((word for limit, word in EFFORTS if int(thinking) <= limit), "high")}
    if thinking == "off":  # Qwen and GLM templates read enable_thinking, DeepSeek and Granite thinking
        return {"chat_template_kwargs": {"enable_thinking": False, "thinking": False}}
    return {
        "chat_template_kwargs": {"enable_thinking": True, "thinking": True, "thinking_budget": thinking},
        "thinking_token_budget": thinking,
    }


def _with_options(body: JsonObject, options: JsonObject) -> JsonObject:
    fields = {name: value for name, value in options.items() if name not in ("extra_body", "extra_headers")}
    fields |= options.get("extra_body") or {}
    if "max_completion_tokens" in fields:
        body.pop("max_tokens", None)
    return {name: value for name, value in (body | fields).items() if value is not None}


def strict(schema: object) -> object:
    """Make every object of a JSON schema require all its properties and allow no others (strict mode)."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: strict(part) for name, part in schema.items()}
    if isinstance(schema.get("properties"), dict):
        closed |= {"additionalProperties": False, "required": list(schema["properties"])}
    return closed
