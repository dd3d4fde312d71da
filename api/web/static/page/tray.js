/** The tray: likes, dislikes and filters in use, as chips that can be taken off. */

import { addressOf, ask } from "./api.js";
import { brief, titleOf } from "./cards.js";
import { all, make, one } from "./dom.js";
import { chosen, placed, query } from "./state.js";

/** @typedef {import("./state.js").Shape} Shape */
/** @typedef {import("./state.js").State} State */

/** Titles by id: of the cards that were shown, and of what was in the address. @type {Map<string, string>} */
const titles = new Map();

/** @param {string} id @param {string} title */
export const remember = (id, title) => titles.set(id, title);

/** @param {string} id */
export const titleKnown = (id) => titles.get(id) ?? id;

/** What the server has put into the tray. @param {HTMLElement} tray @param {State} state */
export function readTray(tray, state) {
  const texts = all(".like .what, .unlike .what", tray).map((what) => what.textContent);
  [...state.like, ...state.unlike].forEach((id, at) => texts[at] && remember(id, texts[at]));
}

/** @param {HTMLElement} tray @param {State} state @param {Shape} shape */
export function showTray(tray, state, shape) {
  const filters = chosen(state, shape);
  const sides = /** @type {const} */ ([["like", "More like"], ["unlike", "Less like"]]);
  const chips = sides.flatMap(([side, sign]) =>
    state[side].map((id) => chipOf(titleKnown(id), placed(state, id, null, shape), side, sign, id)),
  );
  chips.push(...filters.map(({ text, left }) => chipOf(text, left)));
  const list = one("[data-chips]", tray);
  const clear = one(".clear", list);
  one("a", clear).href = addressFor({ ...state, tags: {}, ranges: {}, like: [], unlike: [] });
  list.replaceChildren(...chips, clear);
  tray.hidden = !chips.length;
  void nameUnknown(list, state, shape);
}

/** @param {State} state */
export function addressFor(state) {
  const search = query(state);
  return location.pathname + (search ? `?${search}` : "");
}

/** @param {string} text @param {State} left @param {string} [kind] @param {string} [sign] @param {string} [id] */
function chipOf(text, left, kind = "", sign = "", id = "") {
  const what = make("span", { className: "what", dir: "auto" }, brief(text, 300));
  const off = make("a", { href: addressFor(left), label: `Remove ${brief(text, 80)}` }, "×");
  off.dataset.go = "";
  const signs = sign ? [make("span", { className: "sign" }, sign), " "] : [];
  const chip = make("li", { className: `chip ${kind}`.trim() }, ...signs, what, off);
  if (id) chip.dataset.id = id;
  return chip;
}

/** Asks for the titles that are not known yet. @param {HTMLElement} list @param {State} state @param {Shape} shape */
async function nameUnknown(list, state, shape) {
  if (!shape.title) return;
  const unknown = [...state.like, ...state.unlike].filter((id) => !titles.has(id));
  for (const id of unknown) {
    remember(id, id);
    try {
      const pairs = new URLSearchParams({ id, fields: shape.title });
      const title = titleOf(await ask(`${addressOf(shape.catalogue)}/items?${pairs}`), shape);
      remember(id, title);
      const chip = all(".chip", list).find((each) => each.dataset.id === id);
      if (chip) one(".what", chip).textContent = title;
    } catch {
      // It is called by its id then.
    }
  }
}
