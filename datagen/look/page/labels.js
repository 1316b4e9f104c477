// Verdicts and edits: given to the row that is shown, and their lists.

const KEYS = {r: "right", w: "wrong", s: "skip"};
let before = [];  // ids of the rows judged, for the way back
let writing = false, saved = Promise.resolve();  // a verdict or edit is on its way; resolved when it has arrived

const areas = () => [...document.querySelectorAll("[data-edit]")];
const unsaved = () => areas().some(area => area.value !== area.defaultValue);

function discard() {  // nothing else drops text that was typed
  if (unsaved() && !confirm("Discard the text that is not saved?")) return false;
  for (const area of areas()) area.value = area.defaultValue;
  return true;
}

function actions({edit, verdict, may_judge, editable}) {
  const labels = Object.entries(KEYS).map(([key, word]) => el("button", {class: "act", "data-verdict": word, "aria-pressed": verdict === word, onclick: () => judge(word)}, `${word[0].toUpperCase() + word.slice(1)} (${key})`));
  return el("div", {id: "actions"}, may_judge ? el("div", {id: "verdicts"}, ...labels) : null,
    el("div", {id: "editing"}, ...(editable.length ? [el("button", {class: "act", id: "edit", onclick: startEdit}, "Edit (e)")] : []),
      ...(Object.keys(edit).length ? [el("button", {class: "act", id: "withdraw", onclick: () => saveEdit({})}, "Withdraw the edit")] : [])),
    may_judge ? null : note(verdict ? `Judged ${verdict}.` : "This row cannot be judged yet: rows are judged in random order (see Judge)."));
}

async function write(path, body) {  // one at a time, until the page shows the result
  if (writing) return;
  writing = true;
  for (const area of areas()) area.readOnly = true;
  const row = wanted.id === body.id ? wanted : null, request = ask(path, {}, {body});  // null: another row is on its way
  saved = request.catch(() => {});
  try {
    await request;
    for (const area of areas()) area.defaultValue = area.value;
    if (view === "judge" && (body.verdict || Object.keys(body.edit).length)) { before.push(body.id); await queue(row); return; }
    if (wanted === row) await open(body.id, false);
    if (view === "rows") await list(); else if (view === "edits") await edits();
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

async function queue(row = wanted) {  // open the next row, unless another one than `row` was asked for meanwhile
  const reply = await latest("queue", "/api/queue", {});
  if (!reply || view !== "judge") return;
  if (wanted === row || !wanted.id) { if (reply.next.length) await open(reply.next[0], false); else if (discard()) blank(); }
  $("where").textContent = reply.closed || (!reply.drawn ? "There are no rows to judge: no row is of a kind with a promise." :
    reply.next.length ? `${number(reply.judged)} of ${number(reply.drawn)} judged` : `All ${number(reply.drawn)} rows are judged.`);
  $("done").max = Math.max(1, reply.drawn); $("done").value = reply.judged;
}

async function back() {
  await saved;
  if (before.length && discard()) open(before.pop(), false);
}

async function edits() {
  const reply = await latest("edits", "/api/edits", {});
  if (!reply) return;
  const counted = {};
  for (const {state} of reply) counted[state] = (counted[state] || 0) + 1;
  $("edits").replaceChildren(reply.length ? el("p", {role: "status"}, Object.entries(counted).map(([state, n]) => `${number(n)} ${state}`).join(", ")) :
    note("The file of labels has no edits. Open a row and press e to write a better text."));
  $("edits").append(el("ul", {class: "rows"}, ...reply.map(({id, state, reason, has_row, source, fields}) => el("li", {},
    el("button", {"data-id": id, ...(has_row ? {onclick: () => open(id)} : {disabled: ""})}, el("span", {class: "gist"}, `${fields.join(", ") || "edit"} of ${id}`),
      el("span", {class: state === "refused" ? "small out" : "small"}, [[state, reason].filter(Boolean).join(": "), source].filter(Boolean).join(" · ")))))));
  mark();
}
