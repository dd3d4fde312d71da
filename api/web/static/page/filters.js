/** The filters beside the results: counts that follow, boxes that stay where the reader left them. */

import { all, copyOf, make, one } from "./dom.js";
import { shownNumber, thousands } from "./numbers.js";
import { bare } from "./state.js";

/** @typedef {import("./state.js").Shape} Shape */
/** @typedef {import("./state.js").State} State */

const SHOWN = 8;
const LISTED = 50;
const FOUND = 100;
const MANY = 25;
const COUNTED = 1000;

/**
 * @typedef {{type: string, values?: Row[], min?: number | null, max?: number | null}} Facet
 * @typedef {{value: string, count: number, ticked?: boolean}} Row
 */

/** The labels that are known of each group, for those who look for one. @type {WeakMap<Element, Row[]>} */
const known = new WeakMap();

/**
 * Shows the counts of an answer of the API.
 *
 * @param {HTMLElement} groups
 * @param {Record<string, Facet>} facets
 * @param {State} state
 * @param {Shape} shape
 */
export function showCounts(groups, facets, state, shape) {
  for (const group of groupsOf(groups)) {
    const name = group.dataset.field ?? "";
    const facet = facets[name];
    if (!facet) continue;
    if (facet.type === "tag") showLabels(group, facet, state.tags[name] ?? []);
    else showRange(group, facet, name in state.ranges, shape);
  }
}

/** Puts boxes and ends as the state has them. @param {HTMLElement} groups @param {State} state */
export function showChosen(groups, state) {
  for (const group of groupsOf(groups)) {
    const name = group.dataset.field ?? "";
    for (const box of boxesOf(group)) box.checked = (state.tags[name] ?? []).includes(box.value);
    const ends = state.ranges[name] ?? ["", ""];
    all(".ends input", group).forEach((input, at) => {
      if (input !== document.activeElement && input.value !== ends[at]) input.value = ends[at];
    });
  }
}

/** The state with what is ticked and typed. @param {HTMLElement} groups @param {State} state @returns {State} */
export function chosenIn(groups, state) {
  const tags = bare(state.tags);
  /** @type {State["ranges"]} */
  const ranges = bare();
  for (const group of groupsOf(groups)) {
    const name = group.dataset.field ?? "";
    if (group.dataset.type === "tag") {
      // A label that is ticked and not listed just now stays ticked.
      const listed = boxesOf(group);
      const unlisted = (tags[name] ?? []).filter((label) => !listed.some((box) => box.value === label));
      const labels = [...unlisted, ...listed.filter((box) => box.checked).map((box) => box.value)];
      delete tags[name];
      if (labels.length) tags[name] = [...new Set(labels)];
      continue;
    }
    const [least, most] = all(".ends input", group).map((input) => input.value.trim());
    if (least || most) ranges[name] = [least, most];
  }
  return { ...state, tags, ranges };
}

/** Lists the labels that hold what was typed. @param {HTMLInputElement} input */
export function find(input) {
  const group = /** @type {HTMLElement} */ (input.closest(".group"));
  list(group, known.get(group) ?? []);
}

/** @param {HTMLElement} groups @returns {HTMLElement[]} */
const groupsOf = (groups) => all(".group", groups);

/** @param {HTMLElement} group @returns {HTMLInputElement[]} */
const boxesOf = (group) => all("input[type=checkbox]", group);

/** @param {HTMLElement} group @param {Facet} facet @param {string[]} ticked */
function showLabels(group, facet, ticked) {
  const lower = new Map(ticked.map((label) => [label.toLowerCase(), label]));
  const rows = (facet.values ?? []).map(({ value, count }) => {
    const own = lower.get(value.toLowerCase());
    return { value: own ?? value, count, ticked: own !== undefined };
  });
  const counted = new Set(rows.map((row) => row.value));
  const missing = ticked.filter((label) => !counted.has(label));
  const all = [
    ...rows.filter((row) => row.ticked),
    ...missing.map((value) => ({ value, count: 0, ticked: true })),
    ...rows.filter((row) => !row.ticked),
  ];
  known.set(group, all);
  list(group, all);
}

/** @param {HTMLElement} group @param {Row[]} rows */
function list(group, rows) {
  const [input, rest] = [one(".find", group), one(".rest", group)];
  const wanted = input.value.trim().toLowerCase();
  input.hidden = rows.length <= MANY && !wanted;
  group.hidden = !rows.length;
  const seen = Math.max(SHOWN, rows.filter((row) => row.ticked).length);
  const cut = rows.length <= seen + 2 ? rows.length : seen;
  const first = wanted ? rows.filter((row) => row.value.toLowerCase().includes(wanted)).slice(0, FOUND) : rows.slice(0, cut);
  const more = wanted ? [] : rows.slice(cut, LISTED);
  /** @type {any} */
  const focused = group.contains(document.activeElement) ? document.activeElement : null;
  const [top, under] = all(".values", group);
  const name = group.dataset.field ?? "";
  top.replaceChildren(...first.map((row) => rowOf(name, row)));
  if (wanted && !first.length) top.append(make("li", { className: "known" }, noneOf(rows.length)));
  under.replaceChildren(...more.map((row) => rowOf(name, row)));
  rest.hidden = !more.length;
  if (focused && !focused.isConnected) {
    boxesOf(group).find((box) => box.value === focused.value)?.focus({ preventScroll: true });
  }
}

/** The API counts the most frequent labels alone. @param {number} count */
const noneOf = (count) => (count < COUNTED ? "None" : `None of the ${thousands(count)} most frequent`);

/** @param {string} name @param {Row} row @returns {Node} */
function rowOf(name, row) {
  const item = copyOf("value");
  Object.assign(one("input", item), { name: `tag.${name}`, value: row.value, checked: row.ticked });
  one(".name", item).textContent = row.value;
  one(".count", item).textContent = thousands(row.count);
  return item;
}

/** @param {HTMLElement} group @param {Facet} facet @param {boolean} isUsed @param {Shape} shape */
function showRange(group, facet, isUsed, shape) {
  const { min, max } = facet;
  const isKnown = typeof min === "number" && typeof max === "number";
  group.hidden = !isUsed && (!isKnown || min === max);
  const name = group.dataset.field ?? "";
  const ends = isKnown ? [min, max].map((end) => shownNumber(end, name, shape)) : ["", ""];
  one(".known", group).textContent = isKnown ? ends.join(" to ") : "";
  all("input[type=number]", group).forEach((input, at) => {
    input.placeholder = ends[at].replaceAll(",", "");
  });
}
