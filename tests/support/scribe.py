"""A model that writes sound extractive questions about an invented atlas, and acts as target and judge."""

import json
import re

CITIES = {
    "Freedonia": "Marlow",
    "Sylvania": "Brentwick",
    "Ruritania": "Strelsau",
    "Borduria": "Szohod",
    "Syldavia": "Klow",
    "Orsinia": "Krasnoy",
    "Grustark": "Edelweiss",
    "Zubrowka": "Lutz",
    "Latveria": "Doomstadt",
    "Genovia": "Pyrus",
    "Molvania": "Lutenblag",
    "Elbonia": "Mudville",
}
KNOWN = sorted(CITIES)[::3]  # what the target knows

PARAGRAPH = """\
The royal archive of {country} stands in {city}. Its oldest records were written down by the clerks of the river
guild, who kept accounts of every barge that passed. Visitors may read the records on weekdays, provided that a
librarian of {country} has entered their names in the guest ledger before noon.
"""


def write_atlas(folder):
    """Write one Markdown document per country, each with its archive and mint."""
    for country, city in CITIES.items():
        text = f"# {country}\n\n## The archive\n\n{PARAGRAPH.format(country=country, city=city)}\n"
        text += f"## The mint\n\nThe mint of {country} strikes silver coins in spring and copper coins in autumn, since"
        text += " the rivers freeze in winter and the furnaces need water. A coin that was struck in spring carries the"
        text += f" mark of a heron, because herons return to {country} when the ice breaks.\n"
        (folder / f"{country.lower()}.md").write_text(text)


def model(request):
    """Answer as the generator, the target or the judge, depending on the request."""
    message = request.messages[-1]["content"]
    if request.choices:
        letter = re.search(r"\((\w)\) (?:True|Correct)", message)[1]
        return {"text": letter, "choices": [-0.1 if choice == letter else -3.0 for choice in request.choices]}
    if "Answer with words of the text" in message:  # the judge
        passage, _, question = message.partition("Question:")
        asked = next(name for name in CITIES if name in question)
        held = f"archive of {asked}" in " ".join(passage.split())
        return CITIES[asked] if held else "The text does not say."
    if request.schema is None:  # the target, without the passage
        country = next((name for name in CITIES if name in message), "")
        city = CITIES.get(country, "") if country in KNOWN else "Paris, on the river Seine"
        return {"text": f"It stands in {city}.", "logprobs": [-0.2, -0.3]}
    fields = set(request.schema["properties"])
    match = re.search(r"royal archive of (\w+)\s+stands\s+in\s+(\w+)", message)
    if fields != {"question", "answer"} or not match:
        return "{}"
    question = f"In which town does the royal archive of {match[1]} stand?"
    return {"text": json.dumps({"question": question, "answer": match[2]}), "logprobs": [-0.1, -0.2]}
