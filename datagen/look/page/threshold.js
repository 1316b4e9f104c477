// The threshold on a score, and the rows above and below it.

let limit = 0, limited = "";  // the threshold, and the score and kind that it belongs to

async function threshold() {
  const form = $("limits"), slider = form.elements.value, exact = form.elements.exact, {score: name, kind} = values(form);
  if (!name) { $("effect").replaceChildren(note("This run has no scores.")); return; }
  clearTimeout(timers.limit);
  if (limited !== JSON.stringify([name, kind])) {
    limited = "";
    slider.disabled = exact.disabled = true;  // the reply sets both, and would replace what is typed before
    $("effect").replaceChildren(note("Reading the score …"));
    const reply = await latest("effect", "/api/threshold", {score: name, kind, value: 0});
    if (!reply) return;
    const [low, high] = reply.span;
    slider.disabled = low === null || low === high; exact.disabled = low === null;
    if (low === null) { exact.value = ""; $("effect").replaceChildren(note(`No ${about.kept === "handed off" ? "handed-off " : ""}row has this score.`)); return; }
    slider.step = gap(low, high);
    slider.min = limit = rounded(low, slider.step, Math.floor);
    slider.max = rounded(high, slider.step, Math.ceil);
    slider.value = limit; exact.value = String(limit);
    limited = JSON.stringify([name, kind]);
  }
  const reply = await latest("effect", "/api/threshold", {score: name, kind, value: limit});
  if (reply) $("effect").replaceChildren(...effect(name, reply));
  mark();
}

function effect(name, {span: [low, high], bars, tasks, verdicts, nearest}) {
  const [above, below] = tasks.reduce((sum, row) => [sum[0] + row[2], sum[1] + row[3]], [0, 0]);
  const counted = Object.fromEntries(verdicts.map(([name, over, under]) => [name, [over, under]]));
  const precision = side => { const [right, wrong] = ["right", "wrong"].map(name => (counted[name] || [0, 0])[side]); return right + wrong ? `${(100 * right / (right + wrong)).toFixed(1)} % of ${right + wrong} judged` : "none judged"; };
  const near = side => nearest[side].length ? el("ul", {class: "rows"}, ...nearest[side].map(item)) : note("No row.");
  return [...(low === high ? [note(`All rows have the same score, ${score(low)}.`)] :
    [histogram(name, bars, low, high), el("div", {class: "ends small"}, el("span", {}, score(low)), el("span", {}, score(high)))]),
    el("p", {}, el("b", {}, number(above)), ` row${above === 1 ? "" : "s"} at or above, `, el("b", {}, number(below)), " below."),
    note(`Right above: ${precision(0)}; below: ${precision(1)}. Rows without the score are excluded.`),
    wide("Rows by task", head(["kind"], ["task"], ["above", true], ["below", true]),
      ...tasks.map(row => el("tr", {}, ...row.map((cell, place) => el("td", place > 1 ? {class: "n"} : {}, place > 1 ? number(cell) : cell))))),
    el("h2", {}, "Just above"), near("above"), el("h2", {}, "Just below"), near("below")];
}

function histogram(name, bars, low, high) {
  const tallest = Math.max(...bars.map(bar => bar[1]), 1), width = 400 / bars.length, at = 400 * (limit - low) / (high - low);
  return drawn("svg", {class: "bars", viewBox: "0 0 400 100", preserveAspectRatio: "none", role: "img", "aria-label": `Histogram of ${name}`},
    ...bars.map(([from, rows], place) => drawn("rect", {x: place * width, y: 100 - 100 * rows / tallest, width: width * .9, height: 100 * rows / tallest, class: from >= limit ? "above" : "below"})),
    drawn("line", {class: "limit", x1: at, x2: at, y1: 0, y2: 100}));
}

// The slider moves in 100 to 1,000 steps of few digits, from a value that keeps every row.

function gap(low, high) {
  const least = Math.max(Math.abs(low), Math.abs(high)) * 1e-12;  // what a number of 64 bits distinguishes
  return Number(`1e${Math.floor(Math.log10(Math.max(high - low, least) || 1)) - 2}`);
}

function rounded(value, step, round) {
  const near = Number((round(value / step) * step).toPrecision(12));
  return round === Math.floor ? Math.min(near, value) : Math.max(near, value);
}

function moveLimit(field) {
  const {value: slider, exact} = $("limits").elements;
  if (field === slider) { limit = Number(slider.value); exact.value = String(limit); }
  else if (exact.value.trim() && isFinite(exact.value)) { limit = Number(exact.value); slider.value = limit; }
  else return;  // while a number is typed
  soon("limit", threshold);
}

$("limits").addEventListener("submit", event => event.preventDefault());
$("limits").addEventListener("input", ({target}) => { if (target.matches("select")) threshold(); else moveLimit(target); });
