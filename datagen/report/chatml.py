"""A request as text, through the chat template of the bundled model."""

from datagen.request import Request


def chatml(request: Request) -> str:
    """Render the messages of a request with the bundled model's chat template."""
    turns = [f"<|im_start|>{turn['role']}\n{turn['content']}<|im_end|>\n" for turn in request.messages]
    return "".join(turns) + "<|im_start|>assistant"
