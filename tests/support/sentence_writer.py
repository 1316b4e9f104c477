"""
A good generator, student and judge for any English text: it answers with sentences of its prompt.

Questions list words of one sentence ("Which statement covers ...?"), and answers are that sentence, so that the
answer to a question is found again in any passage without keeping state between requests.
"""

import hashlib
import json
import re
from functools import cache
from importlib import resources
from pydoc_data.topics import topics

import yaml

from datagen.request import Reject
from datagen.stages.shared import formats

SENTENCE = re.compile(r'(?<!\S)[A-Z][a-z]+(?: [A-Za-z_"()\'-]+[,;]?){7,28} [a-z"]+\.(?=\s|$)')
SMALL = set(
    re.findall(
        r"\w+",
        "about above after again also always and another any are because been before being below between both but "
        "can cannot could does done each either else every example following for from given has have here how "
        "into its itself just like may might more most must name never not only other otherwise over same shall "
        "should some such than that the their them then there these they this those through under until used "
        "using very was were what when where whether which while who whose why will with within without would",
    )
)
POINTING = set(
    re.findall(r"\w+", "this these those it its they them their such above below following here see")
)
ARTICLES = dict(sorted(topics.items())[8::10])  # a share of the corpus, for short runs
OPEN = "The text does not say."
STYLES = ("Explain", "Describe", "Summarise", "State", "Discuss", "Outline", "Clarify", "Justify")


def model(request):
    """Answer a request of any stage of examples/families.yaml."""
    text = request.messages[-1]["content"]
    if request.given:
        return {"text": request.given, "logprobs": [_loss(request)] * 3}
    if request.choices:
        letter = re.search(r"\((\w)\) (?:Yes|True|Correct)", text)[1]
        if request.task == "control":  # the answer of another question
            letter = next(choice for choice in request.choices if choice != letter)
        return {"text": letter, "choices": [-0.1 if choice == letter else -3.0 for choice in request.choices]}
    written = WRITERS[request.prompt](text, request)
    return written if isinstance(written, str) else json.dumps(written)


def _loss(request):
    """Score as a student that finds rewritten questions harder, and rewritten answers more informative."""
    if request.task == "guessed":
        return -0.5 if request.messages[-1]["content"].count(".") > 3 else -1.0
    return {"asked": -1.5 if "besides" in request.messages[-1]["content"] else -1.0}.get(request.task, -3.0)


def sentences(text):
    """List the plain sentences of a text that are clear on their own, without repetitions."""
    found = SENTENCE.findall(re.sub(r"\s+", " ", text))
    return list(
        dict.fromkeys(line for line in found if not POINTING & set(_words(line)) and _terms(line)[4:])
    )


def _words(text):
    return re.findall(r"[a-z]+", text.lower())


def _terms(text):
    """List the distinct content words of a text in order."""
    return [word for word in dict.fromkeys(_words(text)) if len(word) > 3 and word not in SMALL]


def _ask(sentence, count=4):
    *first, last = _terms(sentence)[:count]
    return f"Which rule connects {', '.join(first)} and {last}?"


def _match(text, question, rank=0):
    """Return the sentence with most words of the question; any plain one if none fits."""
    terms = set(_terms(question))
    ranked = sorted(sentences(text), key=lambda line: -len(terms & set(_terms(line))))
    return (
        ranked[min(rank, len(ranked) - 1)]
        if ranked
        else f"Manuals explain {' and '.join(sorted(terms)[:3])}."
    )


def _blocks(text):
    return [block.strip() for block in re.findall(r"(?ms)^~~~$(.*?)^~~~$", text)]


def _passage(text):
    return max(_blocks(text), key=len, default="")


def _number(request):
    return int(hashlib.sha256(f"{request.messages}{request.sample}".encode()).hexdigest()[:8], 16)


def _draw(items, request):
    return items[_number(request) % len(items)] if items else ""


def _extractive(text, request):
    found = [line for line in sentences(_passage(text)) if re.search(r" (?:is|are) [a-z]", line)]
    for line in sorted(found, key=lambda line: -len(re.split(r" (?:is|are) ", line)[0])):
        subject, verb, rest = re.fullmatch(r"(.+?) (is|are) (.+)\.", line).groups()
        if len(subject) < 60 and len(rest) < 80 and "," not in line:
            return {"question": f"What {verb} {subject[0].lower()}{subject[1:]}?", "answer": rest}
    return {}


def _loosened(sentence):
    """Interrupt the word sequences of a sentence, so that it is not a copy."""
    words = sentence.split()
    return " ".join(
        f"{word} also" if place % 3 == 2 and place < len(words) - 2 else word
        for place, word in enumerate(words)
    )


def _comparison(text, request):
    found = sentences(_passage(text))
    if len(found) < 2:
        return {}
    first, second = (_terms(line)[:2] for line in found[:2])
    return {
        "question": f"How does {' '.join(first)} differ from {' '.join(second)}?",
        "answer": f"{_loosened(found[0])} {_loosened(found[1])}",
    }


def _how_to(text, request):
    found = sentences(_passage(text))
    if len(found) < 2:
        return {}
    return {
        "question": f"How do I work with {' and '.join(_terms(found[0])[:3])}?",
        "steps": [_loosened(line) for line in found[:3]],
    }


def _classification(text, request):
    found = sentences(_passage(text))
    label = "obligation" if found and "must" in found[0] else "description"
    classes = ["obligation", "description", "permission"]
    return {"evidence": _draw(found, request), "aspect": "legal force", "classes": classes, "label": label}


def _extraction(text, request):
    found = sentences(_passage(text))
    if not found:
        return {}
    values = _values(found)
    fields = [
        {"name": name, "value": value}
        for name, value in zip(("rule", "detail", "opening"), values, strict=False)
    ]
    return {"subject": " ".join(_terms(found[0])[:2]), "fields": fields if len(found) > 1 else fields[:2]}


def _values(found):
    return [" ".join(line.split()[1:12]) for line in found[:2]] + [" ".join(found[0].split()[:2])]


def _across(text, request):
    first, second = _blocks(text)[0], _blocks(text)[-1]
    own = [line for line in sentences(first) if line not in sentences(second)]
    other = [line for line in sentences(second) if line not in sentences(first)]
    if not own or not other:
        return {}
    quote, told = own[0], other[0]
    asked = [word for word in _terms(told)[:5] if word not in _tail(told)]
    question = f"Which words complete the rule on {' and '.join(asked)} that goes with {' and '.join(_terms(quote)[:2])}?"
    return {"first": quote, "second": told, "question": question, "answer": _tail(told)}


def _tail(sentence):
    return " ".join(sentence.removesuffix(".").split()[-3:])


def _answer(text, request):
    """Answer a question over passages; only both together contain the words of the two sentences."""
    question = text.rpartition("Question: ")[2]
    if request.task == "with_both":
        return _tail(_match(_passage(text), question.partition(" that goes with ")[0]))
    return OPEN


def _asked_of(request):
    """Draw an article and list its sentences."""
    return sentences(topics[_draw(sorted(topics), request)]) or sentences(topics["class"])


def _instructions(text, request):
    """Write one instruction that resembles a seed, and some about rules of the reference."""
    style, seed = _number(request), _blocks(text)[0]
    new = [
        f"{STYLES[(style + place) % len(STYLES)]} {', '.join(_terms(line)[:6])} in a sentence."
        for place, line in enumerate(_asked_of(request)[:3])
    ]
    return {"new": [{"text": item} for item in (f"{seed[:-1]} exactly{seed[-1]}", *new)]}


def _questions(text, request):
    """Write questions about rules of the reference, and one that it does not answer."""
    place = _draw(["Lisbon", "Oslo", "Quito", "Hanoi", "Accra", "Lima"], request)
    new = [f"What is said on {', '.join(_terms(line)[:6])}?" for line in _asked_of(request)[:3]]
    return {
        "new": [
            {"text": item} for item in (*new, f"How much does a balloon ride over {place} cost on Sundays?")
        ]
    }


def _retrieved(text, request):
    asked = re.search(r"Request: (.*)", text)[1]
    best = max(
        (_match(block, asked) for block in _blocks(text)),
        key=lambda line: len(set(_terms(asked)) & set(_terms(line))),
    )
    return {"evidence": best, "answer": best}


def _function(text, request):
    name = re.search(r"def (\w+)", text)[1].strip("_").replace("_", " ")
    return {"summary": f"Computes what is needed for {name} and returns the result to its caller."}


def _expand(text, request):
    *context, question = _blocks(text)
    unused = [line for line in sentences(" ".join(context)) if _match(" ".join(context), question) != line]
    return {"questions": [_ask(line) for line in unused[:3]]}


def _refine(text, request):
    *context, question = _blocks(text)
    extra = [word for word in _terms(_match(" ".join(context), question)) if word not in _words(question)]
    return {
        "question": f"{question.removesuffix('?')}, and what holds besides for {' and '.join(extra[:3])}?"
    }


def _reply(text, request):
    return {"answer": _match(_passage(text), text.rpartition("Question: ")[2].partition("\n")[0])}


def _pairs(text, request):
    found = [line for line in sentences(_passage(text)) if line not in text.partition("Examples:")[2]]
    return {"pairs": [{"question": _ask(line, 5), "answer": line} for line in found[-2:]]}


def _link(text, request):
    """Carry out the instruction of a link in the words of its input."""
    source, instruction = _blocks(text)[0], text.rpartition("\n~~~\n")[2]
    words = source.removesuffix(".").split()
    parts = [" ".join(words[: len(words) // 2]), " ".join(words[len(words) // 2 :])]
    for sign, output in {
        "question": f"What is {' '.join(words[:6]).lower()}?",
        "JSON": json.dumps({"subject": parts[0], "statement": parts[1]}),
        "bullet": f"- {parts[0]}\n- {parts[1]}",
        "numbered": f"1. {parts[0]}\n2. {parts[1]}",
        "title": " ".join(words[:8]),
    }.items():
        if sign in instruction:
            return output
    return f"{' '.join(words[:18])}."


@cache
def _forms():
    path = resources.files("datagen.prompts") / "formats" / "demands.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8"))["formats"]


def _formatted(text, request):
    """Write the answer in the demanded format, in as many parts as it demands."""
    demand, answer = text.rpartition("\n~~~\n")[2], re.sub(r'(?m)^\d+\. |["{}]', "", _blocks(text)[-1])
    name = request.about if request.about in _forms() else next(form for form in _forms() if form in demand)
    offered = _forms()[name].get("names", [()])
    names = next((names for names in offered if ", ".join(names) in demand), None)
    if names is None:
        return answer
    count = int((re.findall(r"\d+", demand) or ["2"])[0])
    words, size = answer.split(), max(1, count if not names else 2)
    step = -(-len(words) // size)
    parts = [" ".join(words[place * step : (place + 1) * step]) or answer for place in range(size)]
    return _laid_out(name, names, parts)


def _laid_out(name, names, parts):
    header = list(names)
    match name:
        case "json":
            return json.dumps(dict(zip(header, parts, strict=True)))
        case "yaml":
            return "\n".join(f"{key}: {json.dumps(part)}" for key, part in zip(header, parts, strict=True))
        case "csv":
            return "\n".join([",".join(header), ",".join(f'"{part}"' for part in parts)])
        case "markdown_table":
            return "\n".join(f"| {' | '.join(row)} |" for row in (header, ["---"] * 2, parts))
        case "html_table":
            rows = [
                "".join(f"<{tag}>{cell}</{tag}>" for cell in row)
                for tag, row in (("th", header), ("td", parts))
            ]
            return f"<table><tr>{rows[0]}</tr><tr>{rows[1]}</tr></table>"
        case "latex_table":
            rows = " \\\\\n".join(" & ".join(row) for row in (header, parts))
            return f"\\begin{{tabular}}{{ll}}\n{rows} \\\\\n\\end{{tabular}}"
        case "numbered_list":
            return "\n".join(f"{number}. {part}" for number, part in enumerate(parts, 1))
        case "bulleted_list":
            return "\n".join(f"- {part}" for part in parts)
    return " ".join(parts)


def _described(text, request):
    answer = _blocks(text)[0]
    for name in _forms():
        try:
            parsed = formats.read(name, answer)
        except Reject:
            continue
        what = f"with {', '.join(parsed.names)}" if parsed.names else f"of {len(parsed.rows)} parts"
        return {"layout": f"It is a {name}.", "instruction": f"Lay the reply out as {name} {what}."}
    return {}


def _better_question(text, request):
    passage, question, answer = _three(text)
    extra = [word for word in _terms(_match(passage, answer)) if word not in _words(question)][:3]
    better = f"{question.removesuffix('?')}, and what holds besides for {' and '.join(extra)}?"
    return {"critique": "It asks for one fact.", "question": better, "answer": _match(passage, answer)}


def _better_answer(text, request):
    passage, _, answer = _three(text)
    other = next((line for line in sentences(passage) if line not in (answer, _match(passage, answer))), "")
    return {"critique": "It could say more.", "answer": f"{_match(passage, answer)} {other}".strip()}


def _three(text):
    *passage, question, answer = _blocks(text)
    return " ".join(passage), question, answer


def _output(text, request):
    """Answer a question over a passage in the form it asks for: a class, a JSON object, steps, or a sentence."""
    passage, _, question = text.strip().rpartition("\n")
    if classes := re.search(r"obligation(?:, \w+)+", question):
        return classes[0].split(", ")["must" not in passage]
    if keys := re.search(r"(?:keys|only:) (\w+(?:, \w+)+)", question):
        return json.dumps(dict(zip(keys[1].split(", "), _values(sentences(passage)), strict=False)))
    if question.startswith("How do I work"):
        return "\n".join(f"{number}. {line}" for number, line in enumerate(sentences(passage)[:3], 1))
    line = _match(passage, question)
    told = re.fullmatch(r".+? (?:is|are) (.+)\.", line)
    return told[1] if told and re.match("What (?:is|are)", question) else line


def _complete(text, request):
    """Complete a tree by as many levels as the demanded form has."""
    return _named(
        json.loads(text.rpartition("Answer as JSON: ")[2]), text.partition("\n")[0].split(" > ")[-1]
    )


def _named(form, above):
    if "names" in form:
        return {"names": [f"{above} basics", f"{above} practice"]}
    below = form["parts"][0]["below"]
    return {
        "parts": [
            {"name": name, "below": _named(below, name)} for name in (f"Early {above}", f"Late {above}")
        ]
    }


def _syllabus(text, request):
    subject = text.partition("\n")[0].split(" > ")[-1]
    titles = [f"Basics of {subject}", f"Advanced {subject}", f"Practice of {subject}"]
    sessions = [{"title": title, "concepts": [f"{title} terms", f"{title} rules"]} for title in titles]
    return {"sessions": sessions}


def _homework(text, request):
    concepts = text.partition("Key concepts: ")[2].partition("\n")[0]
    return {"question": f"How do {concepts} shape what a scholar may decide?"}


WRITERS = {
    "instructions/extractive_question": _extractive,
    "instructions/comparison": _comparison,
    "instructions/how_to": _how_to,
    "instructions/classification": _classification,
    "instructions/extraction": _extraction,
    "instructions/across_passages": _across,
    "instructions/answer": _answer,
    "seeds/instructions": _instructions,
    "seeds/questions": _questions,
    "seeds/answer": _retrieved,
    "functions/summary": _function,
    "operators/expand": _expand,
    "operators/refine": _refine,
    "operators/answer": _reply,
    "operators/expand_pairs": _pairs,
    "operators/link": _link,
    "formats/rewrite": _formatted,
    "formats/describe": _described,
    "recycle/question": _better_question,
    "recycle/answer": _better_answer,
    "ensemble/with_input": _output,
    "ensemble/without_input": lambda text, request: _match("", text),
    "subjects/complete": _complete,
    "subjects/syllabus": _syllabus,
    "subjects/question": _homework,
    "subjects/answer": lambda text, request: {
        "answer": "First, a scholar weighs the terms. Then the rules set limits."
    },
}
