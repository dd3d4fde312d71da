/** Cards out of the page's own template: what the server renders, with other text in it. */

import { shownNumber } from "./numbers.js";

const MAX_TAGS = 5;
const MAX_TAGS_OF_ONE = 4;
const MAX_TITLE = 300;
const MAX_TEXT = 400;
const ADDRESS = /^(https?:\/\/[^\s\\]+|\.{0,2}\/(?!\/)[^\s\\]*|[\w~%-][\w.~%/-]*\.\w{2,5})$/i;

let made = 1000;

/**
 * @typedef {object} Hit
 * @property {string} id
 * @property {number | null} score
 * @property {number | null} relevance
 * @property {Record<string, any>} fields
 * @property {{sentence?: string}} [why]
 */

/**
 * One item as its card.
 *
 * @param {Hit} hit
 * @param {import("./state.js").Shape} shape
 * @param {{like: string, unlike: string}} addresses where its two links lead
 * @returns {HTMLElement}
 */
export function cardOf(hit, shape, addresses) {
  const template = /** @type {HTMLTemplateElement} */ (document.getElementById("card"));
  const card = /** @type {HTMLElement} */ (template.content.firstElementChild?.cloneNode(true));
  const title = titleOf(hit, shape);
  card.dataset.id = hit.id;
  fillPicture(card, safe(hit.fields[shape.picture ?? ""]));
  fillTitle(part(card, ".title"), title, safe(hit.fields[shape.link ?? ""]));
  fillList(part(card, ".facts"), factsOf(hit, shape));
  fillText(part(card, ".text"), brief(hit.fields[shape.text ?? ""], MAX_TEXT));
  fillList(part(card, ".tags"), tagsOf(hit, shape));
  fillFit(card, hit);
  for (const act of /** @type {const} */ (["like", "unlike"])) {
    const link = card.querySelector(`[data-act="${act}"]`);
    link?.setAttribute("href", addresses[act]);
    link?.setAttribute("aria-label", `${link.textContent}: ${brief(title, 80)}`);
  }
  return card;
}

/** What an item is called: its title, or its id. @param {{id: string, fields: Record<string, any>}} item @param {import("./state.js").Shape} shape */
export function titleOf(item, shape) {
  return brief(item.fields[shape.title ?? ""], MAX_TITLE) || brief(item.id, MAX_TITLE);
}

/** @param {ParentNode} card @param {string} selector @returns {HTMLElement} */
const part = (card, selector) => /** @type {HTMLElement} */ (card.querySelector(selector));

/** @param {HTMLElement} card @param {string | null} address */
function fillPicture(card, address) {
  const picture = /** @type {HTMLImageElement} */ (part(card, ".picture"));
  if (address) picture.src = address;
  else picture.remove();
}

/** @param {HTMLElement} heading @param {string} title @param {string | null} address */
function fillTitle(heading, title, address) {
  heading.textContent = title;
  if (!address) return;
  const link = document.createElement("a");
  link.href = address;
  link.rel = "noopener";
  link.textContent = title;
  heading.replaceChildren(link);
}

/** @param {HTMLElement} element @param {string} text */
function fillText(element, text) {
  element.textContent = text;
  if (!text) element.remove();
}

/** @param {HTMLElement} list @param {[string, string][]} rows what each is, and it */
function fillList(list, rows) {
  list.replaceChildren(
    ...rows.map(([label, value]) => {
      const row = document.createElement("li");
      row.dir = "auto";
      if (label) {
        const of = document.createElement("span");
        of.className = "of";
        of.textContent = label;
        row.append(of, " ");
      }
      row.append(value);
      return row;
    }),
  );
  if (!rows.length) list.remove();
}

/** How near it is, and why. @param {HTMLElement} card @param {Hit} hit */
function fillFit(card, hit) {
  const [meter, figure, why] = ["meter", ".figure", ".why"].map((selector) => part(card, selector));
  if (hit.relevance === null) meter.remove();
  else /** @type {HTMLMeterElement} */ (meter).value = hit.relevance;
  const shown = hit.relevance ?? hit.score;
  fillText(figure, shown === null ? "" : shown.toFixed(2));
  const sentence = hit.why?.sentence;
  if (!sentence) {
    why.remove();
    if (shown === null) part(card, ".fit").remove();
    return;
  }
  made += 1;
  part(why, ".reason").textContent = `${sentence[0].toUpperCase()}${sentence.slice(1)}.`;
  part(why, ".reason").id = `why-${made}`;
  part(why, "button").setAttribute("aria-describedby", `why-${made}`);
}

/** @param {Hit} hit @param {import("./state.js").Shape} shape @returns {[string, string][]} */
function factsOf(hit, shape) {
  return shape.facts
    .filter((name) => typeof hit.fields[name] === "number")
    .map((name) => {
      const isPlain = shape.years.includes(name) || shape.dates.includes(name);
      return [isPlain ? "" : shape.labels[name], shownNumber(hit.fields[name], name, shape)];
    });
}

/** @param {Hit} hit @param {import("./state.js").Shape} shape @returns {[string, string][]} */
function tagsOf(hit, shape) {
  const labels = shape.tags.flatMap((name) => (hit.fields[name] ?? []).slice(0, MAX_TAGS_OF_ONE));
  return [...new Set(labels)].slice(0, MAX_TAGS).map((label) => ["", brief(label, 60)]);
}

/** A value as an address that is safe to follow: of the web, or relative. @param {unknown} value */
function safe(value) {
  const first = Array.isArray(value) ? value[0] : value;
  const text = typeof first === "string" ? first.trim() : "";
  return text.length <= 2048 && ADDRESS.test(text) ? text : null;
}

/** @param {unknown} value @param {number} limit @returns {string} */
export function brief(value, limit) {
  const whole = Array.isArray(value) ? value.join(", ") : value;
  if (typeof whole !== "string") return "";
  const text = whole.slice(0, 4 * limit).trim().replace(/\s+/g, " ");
  const letters = [...text];
  return letters.length <= limit ? text : `${letters.slice(0, limit - 1).join("").trimEnd()}…`;
}
