// Requests. Replies may arrive late and out of order: for each part of the page, only the newest request counts.

const newest = {};  // part of the page -> the controller of its newest request
let asked = 0, toldAt = 0;  // requests so far, now and when the problem was shown

async function ask(path, parameters, {body, signal} = {}) {
  const mine = ++asked, query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== ""));
  const post = body && {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body)};
  let response, text;
  try {
    response = await fetch(path + (String(query) && "?" + query), {...post, signal});
    text = await response.text();
  } catch { throw new Error("The server does not respond. Start datagen browse again and open the address that it prints."); }
  let value;
  try { value = JSON.parse(text); } catch { value = {error: text || response.statusText || `error ${response.status}`}; }
  if (value.error && response.status === 403) value.error = `This page has no access. Open the address that datagen browse printed. ${value.error}`;
  if (value.error) throw new Error(value.error);
  if (mine > toldAt) $("problem").textContent = "";  // an older request says nothing about a later problem
  return value;
}

function supersede(part) {
  newest[part]?.abort();
  return newest[part] = new AbortController();
}

async function latest(part, path, parameters) {  // the reply; null if a newer request replaced this one
  const {signal} = supersede(part);
  try {
    const reply = await ask(path, parameters, {signal});
    return signal.aborted ? null : reply;
  } catch (error) {
    if (signal.aborted) return null;
    throw error;
  }
}

function tell(problem) { $("problem").textContent = String(problem.message || problem); toldAt = asked; }
