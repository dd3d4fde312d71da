/** Asks the API what the state asks: results, counts and further pages, never out of order. */

import { addressOf, ask } from "./api.js";
import { callOf, pathOf } from "./call.js";
import { chosen, PAGE_SIZE, where } from "./state.js";

/** @typedef {import("./state.js").Shape} Shape */
/** @typedef {import("./state.js").State} State */

/**
 * @typedef {{items: import("./cards.js").Hit[], requested: number, returned: number, next: string | null}} Found
 */

/** Questions about one catalogue. A new one ends the one before. */
export class Search {
  /** @param {Shape} shape */
  constructor(shape) {
    this.shape = shape;
    this.base = addressOf(shape.catalogue);
    this.ending = new AbortController();
    /** @type {string | null} */
    this.next = null;
  }

  /** Ends what is being asked. @returns {AbortSignal} */
  begin() {
    this.ending.abort();
    this.ending = new AbortController();
    this.next = null;
    return this.ending.signal;
  }

  /** The first page. Throws Problem. @param {State} state @param {AbortSignal} signal @returns {Promise<Found>} */
  results(state, signal) {
    return this.#asked(callOf(state, this.shape, PAGE_SIZE), {}, signal);
  }

  /** The counts beside the filters. Throws Problem. @param {State} state @param {AbortSignal} signal */
  counts(state, signal) {
    const args = { where: where(state), ...(state.q && { q: state.q }), disjunctive: true };
    return ask(`${this.base}/${pathOf("facets", args)}`, { signal });
  }

  /**
   * The page after the `shown` items. Throws Problem.
   *
   * Only here is the list kept on the server: what was shown is asked for once more, with what
   * follows it. Those who only look at the first page leave nothing behind.
   *
   * @param {State} state
   * @param {number} shown
   * @returns {Promise<Found>}
   */
  async more(state, shown) {
    const signal = this.ending.signal;
    const call = callOf(state, this.shape, PAGE_SIZE);
    if (call.verb === "browse") return this.#asked(call, { offset: shown }, signal);
    if (!this.next) {
      const first = await this.#asked(call, { limit: shown, fields: [], next: "start" }, signal);
      this.next = first.next;
    }
    if (!this.next) return { items: [], requested: PAGE_SIZE, returned: 0, next: null };
    const page = await this.#asked(call, { next: this.next }, signal);
    this.next = page.next;
    return page;
  }

  /** For each filter in use how many items there are without it. @param {State} state @param {AbortSignal} signal */
  async relaxed(state, signal) {
    return Promise.all(
      chosen(state, this.shape).map(async ({ text, left }) => {
        const path = pathOf("facets", { fields: "", where: where(left) });
        return { text, left, count: (await ask(`${this.base}/${path}`, { signal })).items };
      }),
    );
  }

  /** @param {import("./call.js").Call} call @param {Record<string, unknown>} more @param {AbortSignal} signal */
  #asked({ verb, args }, more, signal) {
    const whole = { ...args, ...more };
    if (verb === "recommend") return ask(`${this.base}/recommend`, { body: whole, signal });
    // An empty list has to stand in the address, too.
    if (Array.isArray(whole.fields)) whole.fields = whole.fields.join(",");
    return ask(`${this.base}/${pathOf(verb, whole)}`, { signal });
  }
}
