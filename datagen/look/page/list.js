// The list of rows: filters, search, pages.

let rows = [], page = 0;  // of the list

function item([id, kind, task, source, stage, reason, question, answer, excerpt, verdict, edit, by]) {
  const state = stage ? `dropped by ${stage}: ${reason}` : about.kept;
  const facts = [kind, task, by === null || by === undefined ? "" : score(by), verdict, edit && `edit ${edit}`].filter(Boolean).join(" · ");
  const text = [question, answer].find(text => text && text.trim());
  return el("li", {}, el("button", {"data-id": id, onclick: () => open(id)},
    text ? el("span", {class: "gist"}, text) : null,
    excerpt ? el("span", {class: "gist excerpt"}, excerpt[0] === "passage" ? el("span", {class: "small"}, "passage: ") : null, excerpt[1]) : null,
    text || excerpt ? null : el("span", {class: "gist none"}, `no text, from ${source || "an unknown source"}`),
    el("span", {class: "small"}, facts + " · "), el("span", {class: stage ? "small out" : "small"}, state)));
}

async function list() {
  const filters = $("filters").elements, query = values($("filters"));
  for (const name of ["min", "max", "order"]) { filters[name].disabled = !query.score; if (!query.score) delete query[name]; }
  $("clear").hidden = Object.values(query).every(value => value === "");
  const reply = await latest("list", "/api/rows", {...query, page});
  if (!reply) return;
  const pages = Math.max(1, Math.ceil(reply.total / about.rows_per_page));
  if (page >= pages) { page = pages - 1; return list(); }
  rows = reply.rows;
  const distinct = place => [...new Set(reply.groups.map(group => group[place]).filter(Boolean))].sort();
  offer(filters.kind, distinct(0).map(name => [name]));
  offer(filters.task, distinct(1).map(name => [name]));
  offer(filters.reason, distinct(3).map(name => [name]));
  offer(filters.stage, [["handed off", about.kept], ["dropped"], ...distinct(2).map(name => [name, `dropped by ${name}`])]);
  $("total").textContent = count(reply.total, "row");
  $("list").replaceChildren(...rows.map(item));
  if (!rows.length) $("list").append(el("li", {class: "note"}, $("clear").hidden ? "This run has no rows." : "No row matches."));
  $("page").textContent = `page ${number(page + 1)} of ${number(pages)}`;
  $("previous").disabled = page === 0; $("next").disabled = page + 1 >= pages;
  mark(); highlight();
}

function offer(select, names) {  // one that filters keeps its options, so that another can be chosen at once
  const other = [...select.options].some(option => option.value && option.value !== select.value);
  if (!select.value || !other) options(select, names);
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

function step(by) {  // from the row that was asked for last, which may not be shown yet
  const ids = rows.map(row => row[0]), at = ids.indexOf(wanted.id);
  const id = ids[Math.min(ids.length - 1, Math.max(0, at + by))];
  if (id) open(id);
}

function filtered() { page = 0; soon("list", () => { remember(false); list(); }); }

function turnPage(by) {
  page += by;
  remember(true); list();
  if (narrow()) $("total").scrollIntoView(); else $("rows").scrollTop = 0;
}

$("filters").addEventListener("input", filtered);
$("filters").addEventListener("submit", event => event.preventDefault());
$("filters").elements.text.addEventListener("paste", event => {  // a field drops line ends, which would join words
  const text = event.clipboardData.getData("text");
  if (!/[\r\n]/.test(text)) return;
  event.preventDefault();
  event.target.setRangeText(text.replace(/\s+/g, " "), event.target.selectionStart, event.target.selectionEnd, "end");
  filtered();
});
$("clear").addEventListener("click", () => {
  for (const field of $("filters").elements) if (field.name) field.value = "";
  filtered();
  $("filters").elements.text.focus();
});
$("previous").addEventListener("click", () => turnPage(-1));
$("next").addEventListener("click", () => turnPage(1));
