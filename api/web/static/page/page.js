/** One catalogue's page: its state, and what has to be asked and shown when that changes. */

import { Problem } from "./api.js";
import { callOf, curlOf } from "./call.js";
import { cardOf, titleOf } from "./cards.js";
import { all, capital, one } from "./dom.js";
import { showChosen, showCounts } from "./filters.js";
import { showEmpty, showProblem } from "./notices.js";
import { thousands } from "./numbers.js";
import { Search } from "./search.js";
import { chosen, isQuestion, PAGE_SIZE, placed, query, read } from "./state.js";
import { addressFor, readTray, remember, showTray, titleKnown } from "./tray.js";

/** @typedef {import("./state.js").State} State */

const BURST_MS = 3000;
const MORE = "Show more";
const LEAST_WAIT = 2;
const MOST_WAIT = 60;

/** The page of a catalogue. */
export class Page {
  constructor() {
    /** @type {import("./state.js").Shape} */
    this.shape = JSON.parse(one("#shape").textContent);
    this.state = read(location.search, this.shape);
    this.search = new Search(this.shape);
    this.grid = one("[data-grid]");
    this.groups = one("[data-groups]");
    this.tray = one("[data-tray]");
    this.notice = one("[data-notice]");
    this.status = one("#status");
    /** How many items pass the filters, where that is known. @type {number | undefined} */
    this.total = Number(this.status.dataset.total ?? NaN) || undefined;
    this.button = one("[data-more]");
    this.words = one("#q");
    this.spread = one("#diversity");
    /** What the last change was, and when, so that a burst of typing is one step back. */
    this.burst = "";
    this.changed = 0;
    this.timer = 0;
    this.retry = 0;
    this.tries = 0;
    readTray(this.tray, this.state);
    for (const card of this.grid.children) remember(card.dataset.id, one(".title", card).textContent);
    addEventListener("popstate", () => this.#take(read(location.search, this.shape)));
    if (["429", "503"].includes(document.body.dataset.status ?? "")) this.again();
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
    const isSame = burst !== "" && burst === this.burst && Date.now() - this.changed < BURST_MS;
    history[isSame ? "replaceState" : "pushState"](null, "", addressFor(state));
    this.#take(state, wait);
    this.burst = burst;
    this.changed = Date.now();
    if (!isJump) return;
    scrollTo({ top: 0, behavior: "instant" });
    one("#results").focus({ preventScroll: true });
  }

  /** Asks once more; at once what was to be asked in a moment. */
  again() {
    clearTimeout(this.retry);
    clearTimeout(this.timer);
    this.timer = 0;
    void this.#ask(this.search.begin());
  }

  /** Asks for the counts alone, for what the server has rendered. */
  async count() {
    const { state, search } = this;
    const counts = await search.counts(state, search.ending.signal).catch(() => null);
    if (counts && state === this.state) showCounts(this.groups, counts.facets, state, this.shape);
  }

  /** The following page, below; the reader goes on at its first card. */
  async more() {
    const state = this.state;
    this.button.setAttribute("aria-disabled", "true");
    try {
      const page = await this.search.more(state, this.grid.children.length);
      if (state !== this.state) return;
      const known = new Set(all(".card", this.grid).map((card) => card.dataset.id));
      const cards = page.items.filter((hit) => !known.has(hit.id)).map((hit) => this.#card(hit, state));
      this.grid.append(...cards);
      this.button.hidden = page.returned < page.requested || (isQuestion(state) && !page.next);
      this.button.textContent = MORE;
      this.#tell(this.grid.children.length, this.total);
      if (this.button.hidden) this.status.textContent += ". That is all";
      cards[0]?.focus();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      // Told where the reader is; the cards above stay.
      if (state === this.state) this.button.textContent = `${capital(error.message)}. Try again`;
    } finally {
      this.button.removeAttribute("aria-disabled");
    }
  }

  /** @param {State} state @param {number} [wait] */
  #take(state, wait = 0) {
    this.state = state;
    this.burst = "";
    this.tries = 0;
    this.#showControls();
    clearTimeout(this.timer);
    clearTimeout(this.retry);
    this.search.begin();
    this.timer = setTimeout(() => this.again(), wait);
  }

  /** What follows from the state beside the results. */
  #showControls() {
    const { state, shape } = this;
    // What is being typed, a space at its end among it, is the reader's.
    if (this.words && this.words.value.trim() !== state.q) this.words.value = state.q;
    this.spread.value = String(state.diversity);
    one("[data-diversity]").textContent = String(state.diversity);
    one("[data-spread]").hidden = !isQuestion(state);
    showChosen(this.groups, state);
    showTray(this.tray, state, shape);
    one("[data-badge]").textContent = chosen(state, shape).length ? ` ${chosen(state, shape).length}` : "";
    const counting = one("[data-counting]");
    counting.textContent = state.q ? counting.dataset.counting : "";
    const base = new URL(this.search.base, location.href).href;
    one("[data-curl]").textContent = curlOf(callOf(state, shape, PAGE_SIZE), base);
    document.title = (state.q ? `${state.q.slice(0, 60)} – ` : "") + shape.catalogue;
  }

  /** @param {AbortSignal} signal */
  async #ask(signal) {
    const state = this.state;
    this.#wait(true);
    const counted = this.search.counts(state, signal).catch(() => null);
    try {
      const found = await this.search.results(state, signal);
      if (signal.aborted) return;
      this.tries = 0;
      this.#showResults(found, state);
      const counts = await counted;
      if (signal.aborted) return;
      if (counts) showCounts(this.groups, counts.facets, state, this.shape);
      this.#tell(found.returned, counts?.items);
      if (!found.returned) await this.#showWhyEmpty(state, signal, counts?.items ?? 0);
    } catch (error) {
      if (!signal.aborted) this.#showFault(error);
    } finally {
      if (!signal.aborted) this.#wait(false);
    }
  }

  /** @param {boolean} isWaiting */
  #wait(isWaiting) {
    this.grid.classList.toggle("waiting", isWaiting);
    this.grid.ariaBusy = isWaiting ? "true" : null;
  }

  /** @param {import("./search.js").Found} found @param {State} state */
  #showResults(found, state) {
    this.notice.replaceChildren();
    this.grid.hidden = false;
    this.grid.replaceChildren(...found.items.map((hit) => this.#card(hit, state)));
    this.button.hidden = found.returned < found.requested;
    this.button.textContent = MORE;
  }

  /** @param {import("./cards.js").Hit} hit @param {State} state */
  #card(hit, state) {
    remember(hit.id, titleOf(hit, this.shape));
    const addresses = {
      like: addressFor(placed(state, hit.id, "like", this.shape)),
      unlike: addressFor(placed(state, hit.id, "unlike", this.shape)),
    };
    return cardOf(hit, this.shape, addresses, titleKnown);
  }

  /** Says how many there are, also aloud. @param {number} shown @param {number} [total] */
  #tell(shown, total) {
    this.total = total;
    this.status.textContent = shown ? this.#told(shown, total) : "Nothing found";
  }

  /** The same as `_status.html`. @param {number} shown @param {number} [total] */
  #told(shown, total) {
    const { state, shape } = this;
    const isAll = shown === total;
    const of = isAll || total === undefined ? "" : ` of ${thousands(total)}`;
    const items = `${thousands(shown)}${of} ${(total ?? shown) === 1 ? "item" : "items"}`;
    if (!isQuestion(state)) return shape.order ? `${items}, by ${shape.labels[shape.order].toLowerCase()}` : items;
    if (!state.like.length && !state.q) return `${items}, least like your dislikes first`;
    if (state.diversity) return `${items}, close and unlike each other`;
    return isAll ? items + (shown > 1 ? ", closest first" : "") : `The ${shown > 1 ? `${thousands(shown)} ` : ""}closest${of} items`;
  }

  /** @param {State} state @param {AbortSignal} signal @param {number} total */
  async #showWhyEmpty(state, signal, total) {
    const relaxed = await this.search.relaxed(state, signal);
    const more = relaxed.filter(({ count }) => count > total);
    const rows = more.map(({ text, left, count }) => ({ text, count, address: addressFor(left) }));
    if (!signal.aborted) showEmpty(this.notice, state.q, relaxed.length > 0 && !total, rows);
  }

  /** @param {unknown} error */
  #showFault(error) {
    if (!(error instanceof Problem)) throw error;
    // What was there before stays where the fault will pass, and goes where it would mislead.
    this.grid.hidden = !error.isPassing;
    this.button.hidden = true;
    this.status.textContent = "";
    if (error.isPassing) {
      const backoff = LEAST_WAIT * 2 ** Math.min(this.tries, 4);
      error.wait = Math.min(Math.max(error.wait, backoff), MOST_WAIT);
      this.tries += 1;
      clearTimeout(this.retry);
      this.retry = setTimeout(() => this.again(), error.wait * 1000);
    }
    showProblem(this.notice, error, () => this.again(), location.pathname);
  }
}
