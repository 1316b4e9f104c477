// One row: texts and passage, scores, stages, requests, related rows.

const TEXTS = ["question", "answer", "rejected", "text"];
let shown = null;  // the reply with the row that is shown
let wanted = {};  // the row that was asked for last, a new object each time

function blank() {
  wanted = {}; shown = null;
  supersede("row");
  $("detail").replaceChildren(...(view === "judge" || narrow() ? [] : [note("Choose a row."), el("dl", {class: "keys"},
    ...Object.entries({j: "next row", k: "previous row", e: "edit", "/": "search"}).flatMap(([key, does]) => [el("dt", {}, el("kbd", {}, key)), el("dd", {}, does)]))]));
  mark();
}

async function open(id, push = true) {
  const mine = wanted = {id};
  await saved;
  if (mine !== wanted) return;
  const reply = discard() && await latest("row", "/api/row/" + encodeURIComponent(id), {});
  if (mine !== wanted) return;
  if (!reply || !discard()) { wanted = {id: shown?.row.id}; return; }  // typed text stays, also if typed meanwhile
  shown = reply;
  $("detail").replaceChildren(...detail(reply));
  $("detail").scrollTop = 0;
  centre(document.querySelector("#passage mark"));
  if (narrow()) $("detail").scrollIntoView();
  mark(); highlight();
  if (push) remember(view !== "judge");
}

function centre(mark) {
  if (!mark) return;
  const box = mark.parentElement;
  box.scrollTop = mark.offsetTop - box.offsetTop - box.clientHeight / 3;
}

function detail(reply) {
  const {row, stages, requests, related} = reply, last = stages[stages.length - 1], parts = [];
  const dropped = last.outcome === "dropped";
  parts.push(el("div", {class: "small top"}, el("b", {class: dropped ? "out" : ""}, dropped ? `dropped by ${last.stage}: ` + [last.reason, last.detail].filter(Boolean).join(". ") : about.kept),
    " · " + [row.kind, row.task, row.id].filter(Boolean).join(" · ")));
  parts.push(el("div", {class: "both"}, el("div", {}, ...texts(reply)), passage(reply)), actions(reply));
  const scores = Object.assign({}, ...stages.map(stage => stage.scores)), names = Object.keys(scores);
  if (names.length) parts.push(el("h2", {}, "Scores"), wide("Scores",
    head(...names.map(name => [name, true])), el("tr", {}, ...names.map(name => el("td", {class: "n"}, score(scores[name]))))));
  parts.push(el("h2", {}, "Stages"), wide("Stages", head(["stage"], ["outcome"], ["reason"]), ...stages.map(stage =>
    el("tr", {}, el("td", {}, stage.stage), el("td", {}, stage.outcome), el("td", {}, [stage.reason, stage.detail].filter(Boolean).join(": "))))));
  if (requests.length) parts.push(el("h2", {}, "Prompts and raw answers"));
  requests.forEach((request, place) => parts.push(el("details", place === 0 ? {open: ""} : {},
    el("summary", {}, `Request ${place + 1} of ${requests.length}: ${request.prompt || "prompt not stored"}`),
    ...request.messages.flatMap(message => [el("div", {class: "name"}, message.role), el("pre", {}, String(message.content))]),
    el("div", {class: "name"}, `raw answer ${request.model && "from " + request.model}`), el("pre", {}, request.answer || "not stored"))));
  if (related.length) parts.push(el("h2", {}, "Related rows"), el("ul", {class: "rows"}, ...related.map(other =>
    el("li", {}, el("button", {"data-id": other.id, onclick: () => open(other.id)}, el("span", {class: "gist"}, other.text),
      el("span", {class: "small"}, `${other.relation} · ${other.stage}`))))));
  const {source, start = null, end} = row.lineage || {};
  if (source) parts.push(el("p", {class: "small"}, start === null ? source : `${source}, characters ${start} to ${end}`));
  return parts;
}

function texts({row, earlier_turns, original, edit, edit_state, edit_summary}) {
  const parts = [];
  for (const turn of earlier_turns) parts.push(el("div", {class: "name"}, `earlier message, ${turn.role}`), el("div", {class: "answer"}, turn.content));
  const expected = row.kind === "reading" ? ["text"] : ["question", "answer"];
  for (const name of TEXTS) {
    const text = row[name] || "";
    if (text || expected.includes(name)) parts.push(el("div", {class: "name", id: "name-" + name}, name),
      el("div", {class: text ? "answer" : "answer none", "data-field": name}, text || "empty"));
    if (name in original) parts.push(el("details", {}, el("summary", {}, `${name} before the edit`), el("div", {class: "answer"}, original[name])));
    if (name in edit && edit[name] !== text) parts.push(el("div", {class: `edit ${edit_state}`},
      el("div", {class: "name"}, `new ${name}, ${edit_state}`), el("div", {class: "answer"}, edit[name])));
  }
  if (edit_summary) parts.push(el("p", {class: edit_state === "refused" ? "small out" : "note"}, `The edit is ${edit_summary}.`));
  return parts;
}

function passage({row, passage}) {
  if (passage.length) return el("div", {}, el("h2", {}, "Passage"),
    el("pre", {id: "passage", tabindex: "0"}, ...passage.map(({text, evidence}) => evidence ? el("mark", {}, text) : text)));
  return row.evidence ? el("div", {}, el("h2", {}, "Evidence"), el("pre", {}, row.evidence)) : null;
}
