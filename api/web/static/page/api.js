/** The API of this server: asks it, and turns whatever goes wrong into a Problem. */

import { key } from "./key.js";

/** What the API, or the way to it, says is wrong. */
export class Problem extends Error {
  /**
   * @param {number} status 0 where there was no answer
   * @param {string} detail
   * @param {string} [remedy]
   * @param {number} [wait] seconds after which to ask again
   */
  constructor(status, detail, remedy = "", wait = 0) {
    super(detail);
    this.status = status;
    this.remedy = remedy;
    this.wait = wait;
  }

  /** Whether asking again may do. */
  get isPassing() {
    return [0, 429, 502, 503, 504].includes(this.status);
  }
}

const base = document.body.dataset.base ?? "/";

/** The address of a catalogue's calls. @param {string} catalogue */
export const addressOf = (catalogue) => `${base}v1/${encodeURIComponent(catalogue)}`;

/**
 * The JSON answer to a call. Throws Problem; an AbortError where `signal` was used.
 *
 * @param {string} address
 * @param {{body?: unknown, signal?: AbortSignal}} [how]
 * @returns {Promise<any>}
 */
export async function ask(address, { body, signal } = {}) {
  /** @type {Record<string, string>} */
  const headers = { Accept: "application/json" };
  const known = key();
  if (known) headers["X-API-Key"] = known;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const method = body === undefined ? "GET" : "POST";
  let response;
  try {
    response = await fetch(address, { method, headers, signal, body: body && JSON.stringify(body) });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(0, "The server does not answer", "It may be restarting, or you are offline");
  }
  if (response.ok) return response.json();
  throw await problemOf(response);
}

/** @param {Response} response */
async function problemOf(response) {
  const wait = Number(response.headers.get("Retry-After")) || 0;
  try {
    const { detail, remedy } = await response.json();
    return new Problem(response.status, detail || response.statusText, remedy, wait);
  } catch {
    const isLong = response.status === 414;
    const said = isLong ? "The question does not fit into an address" : `The server answered ${response.status}`;
    return new Problem(response.status, said, isLong ? "Ask with fewer words or filters" : "", wait);
  }
}
