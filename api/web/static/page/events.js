/** Tells the server what was clicked and liked, where it wants to know. */

import { addressOf, ask } from "./api.js";

/**
 * @param {string} catalogue
 * @param {"click" | "like"} kind
 * @param {string} id
 */
export function tell(catalogue, kind, id) {
  if (document.body.dataset.events !== "true") return;
  ask(`${addressOf(catalogue)}/events`, { body: { type: kind, id } }).catch(() => {});
}
