/** The tray: likes, dislikes and filters in use, as chips that can be taken off. */

import { addressOf, ask } from "./api.js";
import { brief, titleOf } from "./cards.js";
import { chosen, placed, query } from "./state.js";

/** Titles by id: of the cards that were shown, and of what was in the address. @type {Map<string, string>} */
const titles = new Map();

/** @param {string} id @param {string} title */
export const remember = (id, title) => titles.set(id, title);

/** What the server has put into the tray. @param {HTMLElement} tray @param {import("./state.js").State} state */
export function readTray(tray, state) {
  const texts = [...tray.querySelectorAll(".like .what, .unlike .what")].map((what) => what.textContent ?? "");
  [...state.like, ...state.unlike].forEach((id, at) => texts[at] && remember(id, texts[at]));
}

/**
 * @param {HTMLElement} tray
 * @param {import("./state.js").State} state
 * @param {import("./state.js").Shape} shape
 */
export function showTray(tray, state, shape) {
  const filters = chosen(state, shape);
  const sides = /** @type {const} */ ([["like", "More like"], ["unlike", "Less like"]]);
  const chips = sides.flatMap(([side, sign]) =>
    state[side].map((id) => chipOf(titles.get(id) ?? id, placed(state, id, null, shape), side, sign, id)),
  );
  chips.push(...filters.map(({ text, left }) => chipOf(text, left)));
  const list = /** @type {HTMLElement} */ (tray.querySelector("[data-chips]"));
  const clear = /** @type {HTMLElement} */ (list.querySelector(".clear"));
  clear.querySelector("a")?.setAttribute("href", addressFor({ ...state, tags: {}, ranges: {}, like: [], unlike: [] }));
  list.replaceChildren(...chips, clear);
  tray.hidden = !chips.length;
  void nameUnknown(list, state, shape);
}

/** @param {import("./state.js").State} state */
export function addressFor(state) {
  const search = query(state);
  return location.pathname + (search ? `?${search}` : "");
}

/**
 * @param {string} text
 * @param {import("./state.js").State} left
 * @param {string} [kind]
 * @param {string} [sign]
 * @param {string} [id]
 */
function chipOf(text, left, kind = "", sign = "", id = "") {
  const chip = document.createElement("li");
  chip.className = `chip ${kind}`.trim();
  if (sign) chip.append(spanOf("sign", sign), " ");
  const what = spanOf("what", brief(text, 300));
  what.dir = "auto";
  const off = document.createElement("a");
  off.href = addressFor(left);
  off.dataset.go = "";
  off.textContent = "×";
  off.setAttribute("aria-label", `Remove ${brief(text, 80)}`);
  if (id) chip.dataset.id = id;
  chip.append(what, off);
  return chip;
}

/** @param {string} name @param {string} text */
function spanOf(name, text) {
  const span = document.createElement("span");
  span.className = name;
  span.textContent = text;
  return span;
}

/** Asks for the titles that are not known yet. @param {HTMLElement} list @param {import("./state.js").State} state @param {import("./state.js").Shape} shape */
async function nameUnknown(list, state, shape) {
  if (!shape.title) return;
  const unknown = [...state.like, ...state.unlike].filter((id) => !titles.has(id));
  for (const id of unknown) {
    remember(id, id);
    try {
      const pairs = new URLSearchParams({ id, fields: shape.title });
      const title = titleOf(await ask(`${addressOf(shape.catalogue)}/items?${pairs}`), shape);
      remember(id, title);
      const chip = [...list.children].find((each) => /** @type {HTMLElement} */ (each).dataset.id === id);
      const what = chip?.querySelector(".what");
      if (what) what.textContent = title;
    } catch {
      // It is called by its id then.
    }
  }
}
