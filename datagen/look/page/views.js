// Views, the address, keys and the start.

const VIEWS = {rows: list, threshold, judge: () => queue(), edits};

async function show(name, push = true) {
  if (name === "judge") {  // the next row replaces the one being edited
    await saved;
    if (!discard()) return;
  }
  view = name;
  for (const other of Object.keys(VIEWS)) { $(other).hidden = other !== name; $("tab-" + other).setAttribute("aria-selected", other === name); }
  document.querySelector("main").dataset.view = name;
  if (name === "judge") { blank(); $("where").textContent = "Reading the next row …"; }
  if (push) remember(true);
  await VIEWS[name]();
}

// The address keeps the view, the row and the filters, for the back button and for a reload.

function remember(push) {
  const filters = Object.entries(values($("filters"))).filter(([, value]) => value !== "");
  const state = [["view", view === "rows" ? "" : view], ["page", page || ""], ["row", shown && view !== "judge" ? shown.row.id : ""]];
  const address = "#" + new URLSearchParams([...filters, ...state.filter(([, value]) => value !== "")]);
  if (address === (location.hash || "#")) return;
  if (push) history.pushState(null, "", address); else history.replaceState(null, "", address);
}

async function restore() {
  const address = location.hash, state = new URLSearchParams(address.slice(1)), row = wanted;
  for (const field of $("filters").elements) if (field.name) choose(field, state.get(field.name) || "");
  $("more").open ||= ["source", "verdict", "edit", "score"].some(name => state.get(name));
  page = Number(state.get("page")) || 0;
  const name = Object.hasOwn(VIEWS, state.get("view")) ? state.get("view") : "rows", id = state.get("row");
  await show(name, false);
  if (name === "judge" || wanted !== row || location.hash !== address) return;  // a row or an address was opened meanwhile
  if (id && id !== shown?.row.id) await open(id, false); else if (!id && discard()) blank();
}

for (const name of Object.keys(VIEWS)) $("tab-" + name).addEventListener("click", () => show(name));
document.querySelector("[role=tablist]").addEventListener("keydown", event => {
  const by = {ArrowRight: 1, ArrowLeft: -1}[event.key], names = Object.keys(VIEWS);
  if (by) $("tab-" + names.at((names.indexOf(event.target.id.slice(4)) + by) % names.length)).focus();
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
  else if (event.key === "b" && view === "judge") back();
  else if (event.key === "j" && view === "rows") step(1);
  else if (event.key === "k" && view === "rows") step(-1);
  else if (event.key === "/" && view === "rows") { event.preventDefault(); $("filters").elements.text.focus(); }
});
addEventListener("popstate", restore);
addEventListener("beforeunload", event => { if (unsaved()) event.preventDefault(); });
addEventListener("unhandledrejection", event => { tell(event.reason); event.preventDefault(); });

options($("filters").elements.score, about.scores.map(name => [name]));
$("limits").elements.score.replaceChildren(...about.scores.map(name => el("option", {value: name}, name)));
options($("limits").elements.kind, about.kinds.map(name => [name]));
$("sources").replaceChildren(...about.sources.map(name => el("option", {value: name})));
blank();
restore();
