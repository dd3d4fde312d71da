/** Cards out of the page's own template: what the server renders, with other text in it. */

import { all, capital, copyOf, make, one } from "./dom.js";
import { shownNumber } from "./numbers.js";

/** @typedef {import("./state.js").Shape} Shape */

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
 * @property {{sentence?: string, nearest?: string, words?: {share: number}}} [why]
 */

/**
 * One item as its card.
 *
 * @param {Hit} hit
 * @param {Shape} shape
 * @param {{like: string, unlike: string}} addresses where its two links lead
 * @param {(id: string) => string} named what a like is called
 * @returns {HTMLElement}
 */
export function cardOf(hit, shape, addresses, named) {
  const card = copyOf("card");
  const title = titleOf(hit, shape);
  card.dataset.id = hit.id;
  fillPicture(card, safe(hit.fields[shape.picture ?? ""]));
  fillTitle(one(".title", card), title, safe(hit.fields[shape.link ?? ""]));
  fillList(one(".facts", card), factsOf(hit, shape));
  fillText(one(".text", card), brief(hit.fields[shape.text ?? ""], MAX_TEXT));
  fillList(one(".tags", card), tagsOf(hit, shape));
  fillFit(card, hit, named);
  for (const link of all("[data-act]", card)) {
    link.href = link.dataset.act === "like" ? addresses.like : addresses.unlike;
    link.setAttribute("aria-label", `${link.textContent}: ${brief(title, 80)}`);
  }
  return card;
}

/**
 * What an item is called: its title, or its id.
 *
 * @param {{id: string, fields: Record<string, any>}} item
 * @param {Shape} shape
 */
export function titleOf(item, shape) {
  return brief(item.fields[shape.title ?? ""], MAX_TITLE) || brief(item.id, MAX_TITLE);
}

/** @param {HTMLElement} card @param {string | null} address */
function fillPicture(card, address) {
  const picture = one(".picture", card);
  if (address) picture.src = address;
  else picture.remove();
}

/** @param {HTMLElement} heading @param {string} title @param {string | null} address */
function fillTitle(heading, title, address) {
  heading.replaceChildren(address ? make("a", { href: address, rel: "noopener" }, title) : title);
}

/** @param {HTMLElement} element @param {string} text */
function fillText(element, text) {
  element.textContent = text;
  if (!text) element.remove();
}

/** @param {HTMLElement} list @param {[string, string][]} rows what each is, and it */
function fillList(list, rows) {
  const items = rows.map(([label, value]) =>
    make("li", { dir: "auto" }, ...(label ? [make("span", { className: "of" }, label), " "] : []), value),
  );
  list.replaceChildren(...items);
  if (!rows.length) list.remove();
}

/** How near it is, and why. @param {HTMLElement} card @param {Hit} hit @param {(id: string) => string} named */
function fillFit(card, hit, named) {
  const [meter, figure, why] = ["meter", ".figure", ".why"].map((selector) => one(selector, card));
  if (hit.relevance === null) meter.remove();
  else meter.value = hit.relevance;
  const shown = hit.relevance ?? hit.score;
  fillText(figure, shown === null ? "" : shown.toFixed(2));
  if (hit.relevance === null) figure.removeAttribute("title");
  const share = hit.why?.words?.share;
  fillText(one(".words", card), share === undefined ? "" : `words ${share.toFixed(2)}`);
  const nearest = hit.why?.nearest ?? "";
  const sentence = hit.why?.sentence?.replace(`nearest to ${nearest}`, () => `nearest to ${brief(named(nearest), 80)}`);
  if (!sentence) {
    why.remove();
    if (shown === null) one(".fit", card).remove();
    return;
  }
  made += 1;
  one(".reason", why).textContent = `${capital(sentence)}.`;
  one(".reason", why).id = `why-${made}`;
  one("button", why).setAttribute("aria-describedby", `why-${made}`);
}

/** @param {Hit} hit @param {Shape} shape @returns {[string, string][]} */
function factsOf(hit, shape) {
  return shape.facts
    .filter((name) => typeof hit.fields[name] === "number")
    .map((name) => {
      const isPlain = shape.years.includes(name) || shape.dates.includes(name);
      return [isPlain ? "" : shape.labels[name], shownNumber(hit.fields[name], name, shape)];
    });
}

/** @param {Hit} hit @param {Shape} shape @returns {[string, string][]} */
function tagsOf(hit, shape) {
  const labels = shape.tags
    .filter((name) => Object.hasOwn(hit.fields, name))
    .flatMap((name) => hit.fields[name].slice(0, MAX_TAGS_OF_ONE));
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
