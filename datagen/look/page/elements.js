// What all parts of the page use: the run, the view, elements, formats of numbers.

"use strict";
const about = JSON.parse(document.getElementById("about").textContent);
let view = "rows";

const $ = id => document.getElementById(id);

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

const note = text => el("p", {class: "note"}, text);
const head = (...names) => el("thead", {}, el("tr", {}, ...names.map(([name, numeric]) =>
  el("th", {scope: "col", ...(numeric ? {class: "n"} : {})}, name))));
const wide = (label, ...content) => el("div", {class: "wide", tabindex: "0", role: "region", "aria-label": label}, el("table", {}, ...content));

const number = n => n.toLocaleString("en");
const count = (n, one) => `${number(n)} ${one}${n === 1 ? "" : "s"}`;
const score = n => n === null ? "" : Number(n.toPrecision(4)).toString();

const values = form => Object.fromEntries(new FormData(form));
const narrow = () => matchMedia("(max-width: 61.9rem)").matches;

function choose(field, value) {
  if (field.tagName === "SELECT" && ![...field.options].some(option => option.value === value)) field.append(el("option", {value}, value));
  field.value = value;
}

function options(select, names) {
  const chosen = select.value;
  select.replaceChildren(select.options[0], ...names.map(([value, text]) => el("option", {value}, text || value)));
  choose(select, chosen);
}

const timers = {};
function soon(name, work) { clearTimeout(timers[name]); timers[name] = setTimeout(work, 150); }
