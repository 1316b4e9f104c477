"use strict";
const about = JSON.parse(document.getElementById("about").textContent);
const $ = id => document.getElementById(id);
const VIEWS = ["rows", "threshold", "judge", "edits"];
const KEYS = {r: "right", w: "wrong", s: "skip"};
const TEXTS = ["question", "answer", "rejected", "text"];
const EDITS = {
  pending: "to be applied by the next run", refused: "refused",
  withdrawn: "The edit is withdrawn: the next run restores the former text.", applied: "",
};
let view = "rows", page = 0, rows = [], shown = null, before = [], latest = 0, opened = 0, writing = false;
let limit = 0;  // the threshold

// Elements and formats

function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {}))
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value); else node.setAttribute(name, value);
  node.append(...children.filter(child => child !== null && child !== undefined));
  return node;
}
function drawn(tag, attributes, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}
const number = n => n.toLocaleString("en");
const count = (n, one) => `${number(n)} ${one}${n === 1 ? "" : "s"}`;
const score = n => n === null ? "" : Number(n.toPrecision(4)).toString();
const values = form => Object.fromEntries(new FormData(form));
const note = text => el("p", {class: "note"}, text);
const head = (...names) => el("thead", {}, el("tr", {}, ...names.map(([name, numeric]) => el("th", {scope: "col", ...(numeric ? {class: "n"} : {})}, name))));
const narrow = () => matchMedia("(max-width: 61.9rem)").matches;

// Requests

async function ask(path, parameters, body) {
  const query = new URLSearchParams(Object.entries(parameters || {}).filter(([, value]) => value !== ""));
  const options = body && {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body)};
  let response;
  try { response = await fetch(path + (String(query) && "?" + query), options); } catch {
    throw new Error("The server does not respond. Start datagen browse again and open the address that it prints.");
  }
  const text = await response.text();
  let value;
  try { value = JSON.parse(text); } catch { value = {error: text || response.statusText || `error ${response.status}`}; }
  if (value.error && response.status === 403) value.error = `This page has no access. Open the address that datagen browse printed. ${value.error}`;
  if (value.error) throw new Error(value.error);
  $("problem").textContent = "";
  return value;
}

// The address keeps the view, the row and the filters, for the back button and for a reload

function remember(push) {
  const filters = Object.entries(values($("filters"))).filter(([, value]) => value !== "");
  const state = [["view", view === "rows" ? "" : view], ["page", page || ""], ["row", shown && view !== "judge" ? shown.row.id : ""]];
  const address = "#" + new URLSearchParams([...filters, ...state.filter(([, value]) => value !== "")]);
  if (address === (location.hash || "#")) return;
  if (push) history.pushState(null, "", address); else history.replaceState(null, "", address);
}

async function restore() {
  const state = new URLSearchParams(location.hash.slice(1));
  for (const field of $("filters").elements) if (field.name) choose(field, state.get(field.name) || "");
  $("more").open ||= ["source", "verdict", "edit", "score"].some(name => state.get(name));
  page = Number(state.get("page")) || 0;
  const name = VIEWS.includes(state.get("view")) ? state.get("view") : "rows", id = state.get("row");
  const turn = opened;
  await show(name, false);
  if (name === "judge" || turn !== opened) return;  // a row was opened meanwhile
  if (id && id !== (shown && shown.row.id)) await open(id, false); else if (!id && discard()) blank();
}

function choose(field, value) {
  if (field.tagName === "SELECT" && ![...field.options].some(option => option.value === value)) field.append(el("option", {value}, value));
  field.value = value;
}

// List of rows

function item([id, kind, task, source, stage, reason, question, answer, verdict, edit, by]) {
  const state = stage ? `dropped by ${stage}: ${reason}` : about.kept;
  const facts = [kind, task, by === null || by === undefined ? "" : score(by), verdict, edit && `edit ${edit}`].filter(Boolean).join(" · ");
  const text = [question, answer].find(text => text && text.trim());
  return el("li", {}, el("button", {"data-id": id, onclick: () => open(id)},
    el("span", {class: text ? "gist" : "gist none"}, text || `no text, from ${source || "an unknown source"}`),
    el("span", {class: "small"}, facts + " · "), el("span", {class: stage ? "small out" : "small"}, state)));
}

function options(select, names) {
  const chosen = select.value;
  select.replaceChildren(select.options[0], ...names.map(([value, text]) => el("option", {value}, text || value)));
  choose(select, chosen);
}

async function list() {
  const turn = ++latest, filters = $("filters").elements, query = values($("filters"));
  for (const name of ["min", "max", "order"]) { filters[name].disabled = !query.score; if (!query.score) delete query[name]; }
  $("clear").hidden = Object.values(query).every(value => value === "");
  const reply = await ask("/api/rows", {...query, page});
  if (turn !== latest) return;
  const pages = Math.max(1, Math.ceil(reply.total / about.rows_per_page));
  if (page >= pages) { page = pages - 1; return list(); }
  rows = reply.rows;
  const distinct = place => [...new Set(reply.groups.map(group => group[place]).filter(Boolean))].sort();
  options(filters.kind, distinct(0).map(name => [name]));
  options(filters.task, distinct(1).map(name => [name]));
  options(filters.reason, distinct(3).map(name => [name]));
  options(filters.stage, [["handed off", about.kept], ["dropped"], ...distinct(2).map(name => [name, `dropped by ${name}`])]);
  $("total").textContent = count(reply.total, "row");
  $("list").replaceChildren(...rows.map(item));
  if (!rows.length) $("list").append(el("li", {class: "note"}, $("clear").hidden ? "This run has no rows." : "No row matches."));
  $("page").textContent = `page ${number(page + 1)} of ${number(pages)}`;
  $("previous").disabled = page === 0; $("next").disabled = page + 1 >= pages;
  mark(); highlight();
}

function mark() {
  for (const button of document.querySelectorAll("ul.rows button")) button.setAttribute("aria-current", shown !== null && button.dataset.id === shown.row.id);
}

function highlight() {  // what was searched for, in the list and in the row
  if (!CSS.highlights) return;
  const terms = [...$("filters").elements.text.value.matchAll(/["“”„‟«»]([^"“”„‟«»]*)["“”„‟«»]?|([^\s"“”„‟«»]+)/g)].map(([, phrase, word]) => (phrase || word || "").trim()).filter(Boolean);
  const pattern = terms.map(term => term.split(/\s+/).map(word => word.replace(/[\\^$.*+?()[\]{}|\/]/g, "\\$&")).join("\\s+")).join("|");
  const ranges = [];
  for (const part of pattern ? [$("list"), ...document.querySelectorAll("#detail .answer, #passage")] : []) {
    const walker = document.createTreeWalker(part, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      if (walker.currentNode.parentElement.closest(".small, textarea")) continue;
      for (const match of walker.currentNode.data.matchAll(new RegExp(pattern, "giu"))) {
        const range = new Range();
        range.setStart(walker.currentNode, match.index); range.setEnd(walker.currentNode, match.index + match[0].length);
        if (ranges.push(range) > 2000) return CSS.highlights.set("hit", new Highlight(...ranges));
      }
    }
  }
  CSS.highlights.set("hit", new Highlight(...ranges));
}

// One row

const areas = () => [...document.querySelectorAll("[data-edit]")];
const unsaved = () => areas().some(area => area.value !== area.defaultValue);
function discard() {  // nothing else drops text that was typed
  if (unsaved() && !confirm("Discard the text that is not saved?")) return false;
  for (const area of areas()) area.value = area.defaultValue;
  return true;
}

function blank() {
  opened++; shown = null;
  $("detail").replaceChildren(...(view === "judge" || narrow() ? [] : [note("Choose a row."), el("dl", {class: "keys"},
    ...Object.entries({j: "next row", k: "previous row", e: "edit", "/": "search"}).flatMap(([key, does]) => [el("dt", {}, el("kbd", {}, key)), el("dd", {}, does)]))]));
  mark();
}

async function open(id, push = true) {
  if (!discard()) return;
  const turn = ++opened, reply = await ask("/api/row/" + encodeURIComponent(id));
  if (turn !== opened || !discard()) return;  // another row was opened, or text was typed meanwhile
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
  if (names.length) parts.push(el("h2", {}, "Scores"), el("div", {class: "wide", tabindex: "0", role: "region", "aria-label": "Scores"}, el("table", {},
    head(...names.map(name => [name, true])), el("tr", {}, ...names.map(name => el("td", {class: "n"}, score(scores[name])))))));
  parts.push(el("h2", {}, "Stages"), el("div", {class: "wide", tabindex: "0", role: "region", "aria-label": "Stages"}, el("table", {},
    head(["stage"], ["outcome"], ["reason"]), ...stages.map(stage =>
      el("tr", {}, el("td", {}, stage.stage), el("td", {}, stage.outcome), el("td", {}, [stage.reason, stage.detail].filter(Boolean).join(": ")))))));
  if (requests.length) parts.push(el("h2", {}, "Prompts and raw answers"));
  requests.forEach((request, place) => parts.push(el("details", place === 0 ? {open: ""} : {},
    el("summary", {}, `Request ${place + 1} of ${requests.length}: ${request.prompt || "prompt not stored"}`),
    ...request.messages.flatMap(message => [el("div", {class: "name"}, message.role), el("pre", {}, String(message.content))]),
    el("div", {class: "name"}, `raw answer ${request.model && "from " + request.model}`), el("pre", {}, request.answer || "not stored"))));
  if (related.length) parts.push(el("h2", {}, "Related rows"), el("ul", {class: "rows"}, ...related.map(other =>
    el("li", {}, el("button", {"data-id": other.id, onclick: () => open(other.id)}, el("span", {class: "gist"}, other.text),
      el("span", {class: "small"}, `${other.relation} · ${other.stage}`))))));
  const source = row.lineage && row.lineage.source;
  if (source) parts.push(el("p", {class: "small"}, `${source}, characters ${row.lineage.start} to ${row.lineage.end}`));
  return parts;
}

function texts({row, earlier_turns, original, edit, edit_state, edit_reason}) {
  const parts = [];
  for (const turn of earlier_turns) parts.push(el("div", {class: "name"}, `earlier message, ${turn.role}`), el("div", {class: "answer"}, turn.content));
  const expected = row.kind === "reading" ? ["text"] : ["question", "answer"];
  for (const name of TEXTS) {
    const text = row[name] || "";
    if (text || expected.includes(name)) parts.push(el("div", {class: "name", id: "name-" + name}, name),
      el("div", {class: text ? "answer" : "answer none", "data-field": name}, text || "empty"));
    if (name in original) parts.push(el("details", {}, el("summary", {}, `${name} before the edit`), el("div", {class: "answer"}, original[name])));
    if (name in edit && edit[name] !== text) parts.push(el("div", {class: `edit ${edit_state}`},
      el("div", {class: "name"}, `new ${name}, ${edit_state === "pending" && edit_reason ? "pending" : EDITS[edit_state] || edit_state}`), el("div", {class: "answer"}, edit[name])));
  }
  if (edit_state === "withdrawn") parts.push(note(EDITS.withdrawn));
  if (edit_state === "refused") parts.push(el("p", {class: "small out"}, `The edit is refused: ${edit_reason}.`));
  else if (edit_reason) parts.push(note(`The edit ${edit_reason}.`));
  return parts;
}

function passage({row, passage}) {
  if (passage.length) return el("div", {}, el("h2", {}, "Passage"),
    el("pre", {id: "passage", tabindex: "0"}, ...passage.map(({text, evidence}) => evidence ? el("mark", {}, text) : text)));
  return row.evidence ? el("div", {}, el("h2", {}, "Evidence"), el("pre", {}, row.evidence)) : null;
}

function actions({edit, verdict, may_judge, editable}) {
  const labels = Object.entries(KEYS).map(([key, word]) => el("button", {class: "act", "data-verdict": word, "aria-pressed": verdict === word, onclick: () => judge(word)}, `${word[0].toUpperCase() + word.slice(1)} (${key})`));
  return el("div", {id: "actions"}, may_judge ? el("div", {id: "verdicts"}, ...labels) : null,
    el("div", {id: "editing"}, ...(editable.length ? [el("button", {class: "act", id: "edit", onclick: startEdit}, "Edit (e)")] : []),
      ...(Object.keys(edit).length ? [el("button", {class: "act", id: "withdraw", onclick: () => saveEdit({})}, "Withdraw the edit")] : [])),
    may_judge ? null : note(verdict ? `Judged ${verdict}.` : "This row cannot be judged yet: rows are judged in random order (see Judge)."));
}

// Verdicts and edits

async function write(path, body) {  // one at a time, until the page shows the result
  if (writing) return;
  writing = true;
  for (const area of areas()) area.readOnly = true;
  try {
    await ask(path, {}, body);
    for (const area of areas()) area.defaultValue = area.value;
    if (view === "judge" && (body.verdict || Object.keys(body.edit).length)) { before.push(body.id); await queue(); }
    else { await open(body.id, false); if (view === "rows") await list(); else if (view === "edits") await edits(); }
  } finally {
    writing = false;
    for (const area of areas()) area.readOnly = false;
  }
}
const judge = verdict => write("/api/label", {id: shown.row.id, verdict});
const saveEdit = edit => write("/api/edit", {id: shown.row.id, edit, seen: shown.edit});

function startEdit() {
  const {row, edit, editable, verdict, may_judge} = shown;
  if (areas().length) return;
  for (const field of editable) {
    const text = el("textarea", {"data-edit": field, "aria-labelledby": "name-" + field}, edit[field] ?? row[field]);
    document.querySelector(`[data-field="${field}"]`).replaceChildren(text);
  }
  if ($("verdicts")) $("verdicts").hidden = true;
  const save = () => { const edit = typed(); if (Object.keys(edit).length) saveEdit(edit); else open(row.id, false); };
  $("editing").replaceChildren(el("button", {class: "act", id: "save", onclick: save}, "Save (Ctrl+Enter)"),
    el("button", {class: "act", id: "cancel", onclick: () => open(row.id, false)}, "Cancel (Esc)"),
    note(verdict || !may_judge ? "A run with the stage apply_edits applies the edit." : "A run with the stage apply_edits applies the edit. The row as it is counts as wrong."));
  document.querySelector("textarea").focus();
}

function typed() {  // a field that was not touched keeps its text: a textarea changes line ends
  const fields = areas().map(area => [area.dataset.edit, area.value === area.defaultValue ? shown.edit[area.dataset.edit] : area.value]);
  return Object.fromEntries(fields.filter(([, text]) => text !== undefined));
}

async function queue() {
  const reply = await ask("/api/queue");
  if (view !== "judge") return;
  if (reply.next.length) await open(reply.next[0], false); else if (discard()) blank();
  $("where").textContent = reply.closed || (!reply.drawn ? "There are no rows to judge: no row is of a kind with a promise." :
    reply.next.length ? `${number(reply.judged)} of ${number(reply.drawn)} judged` : `All ${number(reply.drawn)} rows are judged.`);
  $("done").max = Math.max(1, reply.drawn); $("done").value = reply.judged;
}

async function edits() {
  const turn = ++latest, reply = await ask("/api/edits");
  if (turn !== latest) return;
  const counted = {};
  for (const {state} of reply) counted[state] = (counted[state] || 0) + 1;
  $("edits").replaceChildren(reply.length ? el("p", {role: "status"}, Object.entries(counted).map(([state, n]) => `${number(n)} ${state}`).join(", ")) :
    note("The file of labels has no edits. Open a row and press e to write a better text."));
  $("edits").append(el("ul", {class: "rows"}, ...reply.map(({id, state, reason, has_row, source, fields}) => el("li", {},
    el("button", {"data-id": id, ...(has_row ? {onclick: () => open(id)} : {disabled: ""})}, el("span", {class: "gist"}, `${fields.join(", ") || "edit"} of ${id}`),
      el("span", {class: state === "refused" ? "small out" : "small"}, [[state, reason].filter(Boolean).join(": "), source].filter(Boolean).join(" · ")))))));
  mark();
}

// Threshold

async function threshold(moved) {
  const form = $("limits"), slider = form.elements.value, exact = form.elements.exact, {score: name, kind} = values(form);
  if (!name) { $("effect").replaceChildren(note("This run has no scores.")); return; }
  const turn = ++latest;
  if (!moved) {
    slider.disabled = exact.disabled = true;  // the reply sets both, and would replace what is typed before
    const {span: [low, high]} = await ask("/api/threshold", {score: name, kind, value: 0});
    if (turn !== latest) return;
    slider.disabled = low === null || low === high; exact.disabled = low === null;
    if (low === null) { exact.value = ""; $("effect").replaceChildren(note(`No ${about.kept === "handed off" ? "handed-off " : ""}row has this score.`)); return; }
    slider.min = low; slider.max = high; slider.value = limit = low;
    exact.value = String(limit);
  }
  const reply = await ask("/api/threshold", {score: name, kind, value: limit});
  if (turn !== latest) return;
  const [low, high] = reply.span;
  const [above, below] = reply.tasks.reduce((sum, row) => [sum[0] + row[2], sum[1] + row[3]], [0, 0]);
  const counted = Object.fromEntries(reply.verdicts.map(([name, over, under]) => [name, [over, under]]));
  const precision = side => { const [right, wrong] = ["right", "wrong"].map(name => (counted[name] || [0, 0])[side]); return right + wrong ? `${(100 * right / (right + wrong)).toFixed(1)} % of ${right + wrong} judged` : "none judged"; };
  const near = side => reply.nearest[side].length ? el("ul", {class: "rows"}, ...reply.nearest[side].map(item)) : note("No row.");
  $("effect").replaceChildren(...(low === high ? [note(`All rows have the same score, ${score(low)}.`)] :
    [histogram(name, reply.bars, low, high), el("div", {class: "ends small"}, el("span", {}, score(low)), el("span", {}, score(high)))]),
    el("p", {}, el("b", {}, number(above)), ` row${above === 1 ? "" : "s"} at or above, `, el("b", {}, number(below)), " below."),
    note(`Right above: ${precision(0)}; below: ${precision(1)}. Rows without the score are excluded.`),
    el("div", {class: "wide", tabindex: "0", role: "region", "aria-label": "Rows by task"}, el("table", {}, head(["kind"], ["task"], ["above", true], ["below", true]),
      ...reply.tasks.map(row => el("tr", {}, ...row.map((cell, place) => el("td", place > 1 ? {class: "n"} : {}, place > 1 ? number(cell) : cell)))))),
    el("h2", {}, "Just above"), near("above"), el("h2", {}, "Just below"), near("below"));
  mark();
}

function moveLimit(field) {
  const {value: slider, exact} = $("limits").elements, ends = [slider.min, slider.max].map(Number);
  if (field === slider) { limit = ends.find(end => Math.abs(end - slider.value) < 1e-9 * (ends[1] - ends[0])) ?? Number(slider.value); exact.value = String(limit); }
  else if (exact.value.trim() && isFinite(exact.value)) { limit = Number(exact.value); slider.value = limit; }
  else return;  // while a number is typed
  soon(() => threshold(true));
}

function histogram(name, bars, low, high) {
  const tallest = Math.max(...bars.map(bar => bar[1]), 1), width = 400 / bars.length, at = 400 * (limit - low) / (high - low);
  return drawn("svg", {class: "bars", viewBox: "0 0 400 100", preserveAspectRatio: "none", role: "img", "aria-label": `Histogram of ${name}`},
    ...bars.map(([from, rows], place) => drawn("rect", {x: place * width, y: 100 - 100 * rows / tallest, width: width * .9, height: 100 * rows / tallest, class: from >= limit ? "above" : "below"})),
    drawn("line", {class: "limit", x1: at, x2: at, y1: 0, y2: 100}));
}

// Views, keys and start

async function show(name, push = true) {
  if (name === "judge" && !discard()) return;  // the next row replaces the one being edited
  view = name;
  for (const other of VIEWS) { $(other).hidden = other !== name; $("tab-" + other).setAttribute("aria-selected", other === name); }
  document.querySelector("main").dataset.view = name;
  if (name === "judge") { blank(); $("where").textContent = "Reading the next row …"; }
  if (push) remember(true);
  await {rows: list, threshold: () => threshold(), judge: queue, edits}[name]();
}

function step(by) {
  const ids = rows.map(row => row[0]), at = shown ? ids.indexOf(shown.row.id) : -1;
  const id = ids[Math.min(ids.length - 1, Math.max(0, at + by))];
  if (id) open(id);
}

let waiting = 0;
function soon(work) { clearTimeout(waiting); waiting = setTimeout(work, 150); }
function filtered() { page = 0; soon(() => { remember(false); list(); }); }
function turnPage(by) { page += by; remember(true); list(); if (narrow()) $("total").scrollIntoView(); else $("rows").scrollTop = 0; }
$("filters").addEventListener("input", filtered);
$("filters").addEventListener("submit", event => event.preventDefault());
$("filters").elements.text.addEventListener("paste", event => {  // a field drops line ends, which would join words
  const text = event.clipboardData.getData("text");
  if (!/[\r\n]/.test(text)) return;
  event.preventDefault();
  event.target.setRangeText(text.replace(/\s+/g, " "), event.target.selectionStart, event.target.selectionEnd, "end");
  filtered();
});
$("clear").addEventListener("click", () => { for (const field of $("filters").elements) if (field.name) field.value = ""; filtered(); $("filters").elements.text.focus(); });
$("limits").addEventListener("submit", event => event.preventDefault());
$("limits").addEventListener("input", ({target}) => { if (target.matches("select")) threshold(); else moveLimit(target); });
$("previous").addEventListener("click", () => turnPage(-1));
$("next").addEventListener("click", () => turnPage(1));
for (const name of VIEWS) $("tab-" + name).addEventListener("click", () => show(name));
document.querySelector("[role=tablist]").addEventListener("keydown", event => {
  const by = {ArrowRight: 1, ArrowLeft: -1}[event.key];
  if (by) $("tab-" + VIEWS.at((VIEWS.indexOf(event.target.id.slice(4)) + by) % VIEWS.length)).focus();
});
addEventListener("keydown", event => {
  if (event.isComposing) return;
  if (event.target.matches("textarea")) {
    if (event.key === "Escape") $("cancel").click();
    else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("save").click();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input:not([type=range]), select")) return;
  const verdict = document.querySelector(`:not([hidden]) > [data-verdict="${KEYS[event.key]}"]`);
  if (event.key === "e" && $("edit")) { event.preventDefault(); startEdit(); }
  else if (KEYS[event.key] && verdict) judge(KEYS[event.key]);
  else if (event.key === "b" && view === "judge" && before.length) { if (discard()) open(before.pop(), false); }
  else if (event.key === "j" && view === "rows") step(1);
  else if (event.key === "k" && view === "rows") step(-1);
  else if (event.key === "/" && view === "rows") { event.preventDefault(); $("filters").elements.text.focus(); }
});
addEventListener("popstate", restore);
addEventListener("beforeunload", event => { if (unsaved()) event.preventDefault(); });
addEventListener("unhandledrejection", event => { $("problem").textContent = String(event.reason.message || event.reason); event.preventDefault(); });
options($("filters").elements.score, about.scores.map(name => [name]));
$("limits").elements.score.replaceChildren(...about.scores.map(name => el("option", {value: name}, name)));
options($("limits").elements.kind, about.kinds.map(name => [name]));
$("sources").replaceChildren(...about.sources.map(name => el("option", {value: name})));
blank();
restore();
