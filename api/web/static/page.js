/** One catalogue's page: its state, and what has to be asked and shown when that changes. */

import { Problem } from "./api.js";
import { callOf, curlOf } from "./call.js";
import { cardOf, titleOf } from "./cards.js";
import { all, one } from "./dom.js";
import { tell } from "./events.js";
import { chosenIn, find, showChosen, showCounts } from "./filters.js";
import { clearNotice, showEmpty, showProblem } from "./notices.js";
import { thousands } from "./numbers.js";
import { Search } from "./search.js";
import { chosen, isQuestion, PAGE_SIZE, placed, query, read } from "./state.js";
import { addressFor, readTray, remember, showTray } from "./tray.js";

/** @typedef {import("./state.js").Shape} Shape */
/** @typedef {import("./state.js").State} State */

const TYPING_MS = 120;
const LEAST_WAIT = 2;
const MOST_WAIT = 60;

/** The page of a catalogue. */
export class Page {
  constructor() {
    /** @type {Shape} */
    this.shape = JSON.parse(one("#shape").textContent);
    this.state = read(location.search, this.shape);
    this.search = new Search(this.shape);
    this.grid = one("[data-grid]");
    this.groups = one("[data-groups]");
    this.tray = one("[data-tray]");
    this.notice = one("[data-notice]");
    this.status = one("#status");
    this.words = one("#q");
    this.spread = one("#diversity");
    /** What the last change was, so that a burst of typing is one step back. */
    this.burst = "";
    this.timer = 0;
    this.retry = 0;
    this.tries = 0;
  }

  /** Listens to the reader. */
  begin() {
    readTray(this.tray, this.state);
    this.keepTitles();
    this.#listenToWords();
    this.#listenToFilters();
    this.#listenToClicks();
    document.addEventListener("keydown", (event) => this.pressed(event));
    addEventListener("popstate", () => this.#shown(read(location.search, this.shape)));
    const isWide = matchMedia("(min-width: 960px)");
    const fold = () => (one("#filters").open = isWide.matches);
    isWide.addEventListener("change", fold);
    fold();
    for (const input of all("[data-many] .find")) input.hidden = false;
    one("[data-copy]").hidden = !navigator.clipboard;
    if (document.body.dataset.status !== "200") this.again();
  }

  /**
   * Takes over a new state: address, controls and answer.
   *
   * @param {State} state
   * @param {{burst?: string, wait?: number, isJump?: boolean}} [how] `wait` milliseconds first; a
   *   jump takes the reader to the top of the new results
   */
  go(state, { burst = "", wait = 0, isJump = false } = {}) {
    if (query(state) === query(this.state)) return;
    const isSame = burst !== "" && burst === this.burst;
    history[isSame ? "replaceState" : "pushState"](null, "", addressFor(state));
    this.burst = burst;
    this.#shown(state, wait, isJump);
  }

  /** @param {State} state @param {number} [wait] @param {boolean} [isJump] */
  #shown(state, wait = 0, isJump = false) {
    this.state = state;
    const words = document.activeElement === this.words && this.words.value.trim() === state.q;
    if (this.words && !words) this.words.value = state.q;
    this.spread.value = String(state.diversity);
    one("[data-diversity]").textContent = String(state.diversity);
    one("[data-spread]").hidden = !isQuestion(state);
    showChosen(this.groups, state);
    showTray(this.tray, state, this.shape);
    this.#showSides();
    if (isJump) this.#jump();
    clearTimeout(this.timer);
    clearTimeout(this.retry);
    const signal = this.search.begin();
    this.tries = 0;
    this.timer = setTimeout(() => this.#ask(signal), wait);
  }

  /** What follows from the state beside the results. */
  #showSides() {
    const filters = chosen(this.state, this.shape).length;
    one("[data-badge]").textContent = filters ? ` ${filters}` : "";
    one("[data-counting]").textContent = this.state.q ? "Counts of the 240 best matches" : "";
    const base = new URL(this.search.base, location.href).href;
    one("[data-curl]").textContent = curlOf(callOf(this.state, this.shape, PAGE_SIZE), base);
    document.title = (this.state.q ? `${this.state.q.slice(0, 60)} – ` : "") + this.shape.catalogue;
  }

  #jump() {
    scrollTo({ top: 0, behavior: "instant" });
    one("#results").focus({ preventScroll: true });
  }

  /** Asks once more. */
  again() {
    clearTimeout(this.retry);
    void this.#ask(this.search.begin());
  }

  /** @param {AbortSignal} signal */
  async #ask(signal) {
    const state = this.state;
    this.grid.classList.add("waiting");
    this.grid.setAttribute("aria-busy", "true");
    const counted = this.search.counts(state, signal).catch(() => null);
    try {
      const found = await this.search.results(state, signal);
      if (signal.aborted) return;
      this.#showResults(found, state);
      const counts = await counted;
      if (signal.aborted) return;
      if (counts) showCounts(this.groups, counts.facets, state, this.shape);
      this.#tell(found.returned, counts?.items);
      if (!found.returned) await this.#showWhyEmpty(state, signal);
      this.tries = 0;
    } catch (error) {
      if (!signal.aborted) this.#showFault(error);
    } finally {
      if (!signal.aborted) {
        this.grid.classList.remove("waiting");
        this.grid.removeAttribute("aria-busy");
      }
    }
  }

  /** @param {import("./search.js").Found} found @param {State} state */
  #showResults(found, state) {
    clearNotice(this.notice);
    this.grid.hidden = false;
    this.grid.replaceChildren(...found.items.map((hit) => this.#card(hit, state)));
    one("[data-more]").hidden = found.returned < found.requested;
  }

  /** @param {import("./cards.js").Hit} hit @param {State} state */
  #card(hit, state) {
    remember(hit.id, titleOf(hit, this.shape));
    return cardOf(hit, this.shape, {
      like: addressFor(placed(state, hit.id, "like", this.shape)),
      unlike: addressFor(placed(state, hit.id, "unlike", this.shape)),
    });
  }

  /** Says how many there are, also aloud. @param {number} shown @param {number} [all] */
  #tell(shown, all) {
    const of = all === undefined ? "" : ` of ${thousands(all)}`;
    const { order, labels } = this.shape;
    if (!shown) this.status.textContent = "Nothing found";
    else if (isQuestion(this.state)) this.status.textContent = `The ${shown} closest${of} items`;
    else this.status.textContent = `${shown}${of} items${order ? `, by ${labels[order].toLowerCase()}` : ""}`;
    this.total = all;
  }

  /** @param {State} state @param {AbortSignal} signal */
  async #showWhyEmpty(state, signal) {
    const relaxed = await this.search.relaxed(state, signal);
    const rows = relaxed.map(({ text, left, count }) => ({ text, count, address: addressFor(left) }));
    if (!signal.aborted) showEmpty(this.notice, state.q, rows);
  }

  /** @param {unknown} error */
  #showFault(error) {
    if (!(error instanceof Problem)) throw error;
    // What was there before stays where the fault will pass, and goes where it would mislead.
    this.grid.hidden = !error.isPassing;
    one("[data-more]").hidden = true;
    this.status.textContent = "";
    if (error.isPassing) {
      const backoff = LEAST_WAIT * 2 ** Math.min(this.tries, 4);
      error.wait = Math.min(Math.max(error.wait, backoff), MOST_WAIT);
      this.tries += 1;
      clearTimeout(this.retry);
      this.retry = setTimeout(() => this.again(), error.wait * 1000);
    }
    showProblem(this.notice, error, () => this.again());
  }

  /** The following page, below; the reader goes on at its first card. */
  async more() {
    const button = one("[data-more]");
    const state = this.state;
    button.setAttribute("aria-disabled", "true");
    try {
      const page = await this.search.more(state, this.grid.children.length);
      if (state !== this.state) return;
      const shown = new Set([...this.grid.children].map((card) => card.dataset.id));
      const cards = page.items.filter((hit) => !shown.has(hit.id)).map((hit) => this.#card(hit, state));
      this.grid.append(...cards);
      button.hidden = page.returned < page.requested || (isQuestion(state) && !page.next);
      this.#tell(this.grid.children.length, this.total);
      if (button.hidden) this.status.textContent += ". That is all";
      cards[0]?.focus();
    } catch (error) {
      if (state === this.state) this.#showFault(error);
    } finally {
      button.removeAttribute("aria-disabled");
    }
  }

  /** The titles that the server has rendered. */
  keepTitles() {
    for (const card of this.grid.children) {
      remember(card.dataset.id, card.querySelector(".title").textContent);
    }
  }

  #listenToWords() {
    one("#ask").addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      this.typed(0);
      if (matchMedia("(pointer: coarse)").matches) this.words?.blur();
    });
    this.words?.addEventListener("input", () => this.typed(TYPING_MS));
  }

  /** @param {number} wait */
  typed(wait) {
    const q = this.words?.value.trim() ?? "";
    const isFree = !q || this.shape.mixes;
    const state = isFree ? { ...this.state, q } : { ...this.state, q, like: [], unlike: [] };
    this.go(state, { burst: "words", wait });
  }

  #listenToFilters() {
    this.groups.addEventListener("input", (/** @type {Event} */ event) => {
      const input = /** @type {HTMLInputElement} */ (event.target);
      if (input.matches(".find")) return this.#find(input);
      const isBox = input.type === "checkbox";
      this.go(chosenIn(this.groups, this.state), { burst: isBox ? "" : input.name, wait: isBox ? 0 : 2 * TYPING_MS });
    });
    this.spread.addEventListener("input", () => {
      this.go({ ...this.state, diversity: Number(this.spread.value) }, { burst: "diversity", wait: TYPING_MS });
    });
  }

  /** Looks for a label, among all of them: the server has rendered the first. @param {HTMLInputElement} input */
  async #find(input) {
    if (!this.found) {
      this.found = this.search.counts(this.state, this.search.ending.signal);
      const counts = await this.found.catch(() => null);
      if (counts) showCounts(this.groups, counts.facets, this.state, this.shape);
    }
    find(input);
  }

  #listenToClicks() {
    document.addEventListener("click", (event) => {
      if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
      const target = /** @type {Element} */ (event.target);
      if (target.closest("[data-copy]")) return void this.#copy();
      const link = target.closest("a");
      if (!link) return;
      if (link.closest(".title")) tell(this.shape.catalogue, "click", this.#idOf(link));
      if (link.matches("[data-act]")) this.#act(event, link);
      else if (link.matches("[data-go]")) {
        event.preventDefault();
        this.go(read(new URL(link.href).search, this.shape), { isJump: true });
      } else if (link.matches("[data-more]")) {
        event.preventDefault();
        if (!link.hasAttribute("aria-disabled")) void this.more();
      }
    });
  }

  /** @param {Event} event @param {HTMLAnchorElement} link */
  #act(event, link) {
    event.preventDefault();
    const side = link.dataset.act === "like" ? "like" : "unlike";
    const id = this.#idOf(link);
    if (side === "like") tell(this.shape.catalogue, "like", id);
    this.go(placed(this.state, id, side, this.shape), { isJump: true });
  }

  /** @param {Element} link */
  #idOf(link) {
    return /** @type {HTMLElement} */ (link.closest(".card")).dataset.id ?? "";
  }

  async #copy() {
    await navigator.clipboard.writeText(one("[data-curl]").textContent);
    one("[data-copy]").textContent = "Copied";
  }

  /** `/` goes to the words; Esc clears them, or shuts a reason. @param {KeyboardEvent} event */
  pressed(event) {
    const active = /** @type {HTMLElement} */ (document.activeElement);
    const isTyping = active.matches("input:not([type=checkbox], [type=range]), textarea");
    if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey && this.words) {
      event.preventDefault();
      this.words.focus();
      this.words.select();
    }
    if (event.key !== "Escape") return;
    const why = active.closest(".why") ?? document.querySelector(".why:hover");
    if (why) {
      why.classList.add("shut");
      const reopen = () => why.classList.remove("shut");
      why.addEventListener("mouseleave", reopen, { once: true });
      why.addEventListener("focusout", reopen, { once: true });
    } else if (active === this.words && this.words.value) {
      event.preventDefault();
      this.words.value = "";
      this.typed(0);
    }
  }
}
