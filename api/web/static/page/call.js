/**
 * A state as one call of the API. `api/questions.py` does the same.
 *
 * @typedef {{verb: "browse" | "similar" | "search" | "recommend", args: Record<string, any>}} Call
 */

import { key } from "./key.js";
import { isQuestion, where } from "./state.js";

/** @typedef {import("./state.js").Shape} Shape */
/** @typedef {import("./state.js").State} State */

/**
 * Nothing asked: the items as they are. One like alone: what is similar to it. Words alone: a
 * search. Else likes and dislikes, among which the words are one more like.
 *
 * @param {State} state @param {Shape} shape @param {number} limit @returns {Call}
 */
export function callOf(state, shape, limit) {
  const conditions = where(state);
  const page = { limit, ...(conditions.length && { where: conditions }) };
  if (!isQuestion(state)) {
    return { verb: "browse", args: { ...(shape.order && { order: shape.order }), ...page } };
  }
  const common = { ...page, explain: true, ...(state.diversity && { diversity: state.diversity }) };
  if (state.like.length === 1 && !state.q && !state.unlike.length) {
    return { verb: "similar", args: { id: state.like[0], ...common } };
  }
  const mode = state.q && shape.mode !== "vector" ? { mode: shape.mode } : {};
  if (!state.like.length && !state.unlike.length) {
    return { verb: "search", args: { q: state.q, ...mode, ...common } };
  }
  const like = [...state.like, ...(state.q ? [{ text: state.q }] : [])];
  return { verb: "recommend", args: { like, unlike: state.unlike, ...mode, ...common } };
}

/** A call that reads as a path below the catalogue's. @param {string} verb @param {Record<string, any>} args */
export function pathOf(verb, args) {
  const pairs = new URLSearchParams();
  for (const [name, value] of Object.entries(args)) {
    [value].flat().forEach((each) => pairs.append(name, String(each)));
  }
  return `${verb}?${pairs}`;
}

/** The same as a command for a shell. @param {Call} call @param {string} base the catalogue's address */
export function curlOf(call, base) {
  const secret = key() ? ' -H "X-API-Key: $KEY"' : "";
  if (call.verb !== "recommend") return `curl ${quoted(`${base}/${pathOf(call.verb, call.args)}`)}${secret}`;
  const header = "-H 'Content-Type: application/json'";
  return `curl ${quoted(`${base}/recommend`)}${secret} ${header} -d ${quoted(JSON.stringify(call.args))}`;
}

/** @param {string} text */
const quoted = (text) => `'${text.replaceAll("'", "'\"'\"'")}'`;
