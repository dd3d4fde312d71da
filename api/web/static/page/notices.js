/** What stands in the place of results: that there are none, or what went wrong and what helps. */

import { capital, make } from "./dom.js";
import { listen } from "./key.js";
import { thousands } from "./numbers.js";

/** @type {Record<number, string>} */
const TITLES = {
  0: "No answer",
  401: "This API needs a key",
  414: "Too long",
  429: "Too many questions at once",
  503: "Not ready",
};

/**
 * @param {HTMLElement} place
 * @param {import("./api.js").Problem} problem
 * @param {() => void} again
 * @param {string} plain the address with nothing asked
 */
export function showProblem(place, problem, again, plain) {
  const help =
    problem.status === 401 ? keyForm(again) : problem.isPassing ? againButton(problem, again) : overLink(plain);
  const texts = [capital(problem.message), problem.remedy].filter(Boolean).map((text) => make("p", {}, text));
  const box = boxOf(TITLES[problem.status] ?? "That did not work", ...texts, help);
  box.setAttribute("role", "alert");
  place.replaceChildren(box);
}

/**
 * @param {HTMLElement} place
 * @param {string} q
 * @param {boolean} isFiltered whether no item passes the filters, whatever is asked
 * @param {{text: string, address: string, count: number}[]} relaxed what there is without each filter
 */
export function showEmpty(place, q, isFiltered, relaxed) {
  const rows = relaxed.map(({ text, address, count }) => {
    const link = make("a", { href: address }, `Without ${text}`);
    link.dataset.go = "";
    return make("li", {}, link, " ", make("span", { className: "count" }, thousands(count)));
  });
  const nothing = q ? "No item holds these words" : "There is nothing else here";
  const title = isFiltered ? "Nothing passes all of these filters" : nothing;
  const hint = isFiltered ? "Leave out more than one." : q && "Try others.";
  const help = rows.length ? [make("p", {}, "Leave one out:"), make("ul", {}, ...rows)] : hint ? [make("p", {}, hint)] : [];
  place.replaceChildren(boxOf(title, ...help));
}

/** @param {string} title @param {...Node} children @returns {HTMLElement} */
const boxOf = (title, ...children) => make("div", { className: "notice" }, make("h2", {}, title), ...children);

/** @param {import("./api.js").Problem} problem @param {() => void} again */
function againButton(problem, again) {
  const button = make("button", { type: "button", className: "button", onclick: again }, "Try again");
  return make("p", {}, button, problem.wait ? ` This page asks again by itself in ${problem.wait} s.` : "");
}

/** @param {string} plain */
function overLink(plain) {
  const link = make("a", { className: "button", href: plain }, "Start over");
  link.dataset.go = "";
  return make("p", {}, link);
}

/** @param {() => void} again */
function keyForm(again) {
  const input = make("input", { id: "key", type: "password", autocomplete: "off", required: true });
  const label = make("label", { htmlFor: "key" }, "Read key");
  const form = make("form", { className: "unlock" }, label, input, make("button", {}, "Open"));
  listen(form, again);
  return form;
}
