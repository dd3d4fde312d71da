/** What the reader types, ticks, clicks and presses, as new states of the page. */

import { all, one } from "./dom.js";
import { tell } from "./events.js";
import { chosenIn, find } from "./filters.js";
import { placed, read } from "./state.js";

/** @typedef {import("./page.js").Page} Page */

const TYPING_MS = 120;
/** Half a number is another number, and often none that can be asked for. */
const NUMBER_MS = 700;

/** Listens to the reader. @param {Page} page */
export function listenTo(page) {
  one("#ask").addEventListener("submit", (/** @type {Event} */ event) => {
    event.preventDefault();
    typed(page, 0);
    page.burst = "";
    if (page.timer) page.again();
    if (matchMedia("(pointer: coarse)").matches) page.words?.blur();
  });
  page.words?.addEventListener("input", () => typed(page, TYPING_MS));
  page.spread.addEventListener("input", () => {
    const diversity = Number(page.spread.value);
    page.go({ ...page.state, diversity }, { burst: "diversity", wait: TYPING_MS });
  });
  page.groups.addEventListener("input", (/** @type {any} */ event) => filtered(page, event.target));
  document.addEventListener("click", (event) => clicked(page, event));
  document.addEventListener("keydown", (event) => pressed(page, event));
  const isWide = matchMedia("(min-width: 960px)");
  const fold = () => (one("#filters").open = isWide.matches);
  isWide.addEventListener("change", fold);
  fold();
  for (const input of all("[data-many] .find")) input.hidden = false;
  if (page.groups.dataset.late !== undefined) void page.count();
  one("[data-copy]").hidden = !navigator.clipboard;
  // A picture that is not there leaves no hole.
  document.addEventListener("error", (event) => dropped(event.target), true);
  all("img.picture").filter((img) => img.complete && !img.naturalWidth).forEach(dropped);
}

/** @param {any} picture */
const dropped = (picture) => picture.matches?.("img.picture") && picture.remove();

/** @param {Page} page @param {number} wait */
function typed(page, wait) {
  const q = page.words?.value.trim() ?? "";
  const alone = q && !page.shape.mixes ? { like: [], unlike: [] } : {};
  page.go({ ...page.state, ...alone, q }, { burst: "words", wait });
}

/** @param {Page} page @param {HTMLInputElement} input */
function filtered(page, input) {
  if (input.matches(".find")) return void look(page, input);
  const how = input.type === "checkbox" ? {} : { burst: input.name, wait: NUMBER_MS };
  page.go(chosenIn(page.groups, page.state), how);
}

/** @type {WeakSet<Page>} */
const counted = new WeakSet();

/** Looks for a label among all: the server has rendered the first. @param {Page} page @param {HTMLInputElement} input */
async function look(page, input) {
  if (!counted.has(page)) await page.count();
  counted.add(page);
  find(input);
}

/** @param {Page} page @param {MouseEvent} event */
function clicked(page, event) {
  const isElsewhere = event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey;
  if (event.defaultPrevented || isElsewhere) return;
  const target = /** @type {Element} */ (event.target);
  if (target.closest("[data-copy]")) return void copy();
  const link = target.closest("a");
  const id = /** @type {HTMLElement | null} */ (link?.closest(".card"))?.dataset.id ?? "";
  if (!link) return;
  if (link.matches("[data-act], [data-go], [data-more]")) event.preventDefault();
  if (link.closest(".title")) tell(page.shape.catalogue, "click", id);
  else if (link.matches("[data-act]")) place(page, id, link.dataset.act === "like" ? "like" : "unlike");
  else if (link.matches("[data-go]")) page.go(read(new URL(link.href).search, page.shape), { isJump: true });
  else if (link.matches("[data-more]:not([aria-disabled])")) void page.more();
}

/** @param {Page} page @param {string} id @param {"like" | "unlike"} side */
function place(page, id, side) {
  if (side === "like") tell(page.shape.catalogue, "like", id);
  page.go(placed(page.state, id, side, page.shape), { isJump: true });
}

async function copy() {
  await navigator.clipboard.writeText(one("[data-curl]").textContent);
  one("[data-copy]").textContent = "Copied";
}

/** `/` goes to the words; Esc clears them, or shuts a reason. @param {Page} page @param {KeyboardEvent} event */
function pressed(page, event) {
  const active = /** @type {HTMLElement} */ (document.activeElement);
  const isTyping = active.matches("input:not([type=checkbox], [type=range])");
  if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey && page.words) {
    event.preventDefault();
    page.words.select();
  }
  if (event.key !== "Escape") return;
  const why = active.closest(".why") ?? one(".why:hover");
  if (why) shut(why);
  else if (active === page.words && page.words.value) {
    event.preventDefault();
    page.words.value = "";
    page.burst = "";
    typed(page, 0);
  }
}

/** Hides a reason until the reader has left it. @param {Element} why */
function shut(why) {
  why.classList.add("shut");
  for (const name of ["mouseleave", "focusout"]) {
    why.addEventListener(name, () => why.classList.remove("shut"), { once: true });
  }
}
