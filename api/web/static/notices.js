/** What stands in the place of results: that there are none, or what went wrong and what helps. */

import { listen } from "./key.js";
import { thousands } from "./numbers.js";

/** @param {HTMLElement} place */
export const clearNotice = (place) => place.replaceChildren();

/**
 * @param {HTMLElement} place
 * @param {import("./api.js").Problem} problem
 * @param {() => void} again
 */
export function showProblem(place, problem, again) {
  const titles = { 401: "This API needs a key", 429: "Too many questions at once", 503: "Not ready", 0: "No answer" };
  const box = boxOf(titles[/** @type {keyof typeof titles} */ (problem.status)] ?? "That did not work");
  box.setAttribute("role", "alert");
  box.append(paragraph(problem.message));
  if (problem.remedy) box.append(paragraph(problem.remedy));
  box.append(problem.status === 401 ? keyForm(again) : againButton(problem, again));
  place.replaceChildren(box);
}

/**
 * @param {HTMLElement} place
 * @param {string} q
 * @param {{text: string, address: string, count: number}[]} relaxed the filters, and what there is without each
 */
export function showEmpty(place, q, relaxed) {
  const box = boxOf("Nothing found");
  if (relaxed.length) {
    const list = document.createElement("ul");
    list.append(...relaxed.map(rowOf));
    box.append(paragraph("Nothing passes all of these filters. Leave one out:"), list);
  } else {
    box.append(paragraph(q ? "No item holds these words. Try others." : "This catalogue holds no item yet."));
  }
  place.replaceChildren(box);
}

/** @param {{text: string, address: string, count: number}} each */
function rowOf({ text, address, count }) {
  const row = document.createElement("li");
  const link = document.createElement("a");
  link.href = address;
  link.dataset.go = "";
  link.textContent = `Without ${text}`;
  const number = document.createElement("span");
  number.className = "count";
  number.textContent = thousands(count);
  row.append(link, " ", number);
  return row;
}

/** @param {string} title */
function boxOf(title) {
  const box = document.createElement("div");
  box.className = "notice";
  const heading = document.createElement("h2");
  heading.textContent = title;
  box.append(heading);
  return box;
}

/** @param {string} text */
function paragraph(text) {
  const element = document.createElement("p");
  element.textContent = text;
  return element;
}

/** @param {import("./api.js").Problem} problem @param {() => void} again */
function againButton(problem, again) {
  const line = paragraph("");
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button";
  button.textContent = "Try again";
  button.addEventListener("click", again);
  line.append(button);
  if (problem.wait) line.append(` This page asks again by itself in ${problem.wait} s.`);
  return line;
}

/** @param {() => void} again */
function keyForm(again) {
  const form = document.createElement("form");
  form.className = "unlock";
  const label = document.createElement("label");
  label.htmlFor = "key";
  label.textContent = "Read key";
  const input = document.createElement("input");
  Object.assign(input, { id: "key", type: "password", autocomplete: "off", required: true });
  const button = document.createElement("button");
  button.textContent = "Open";
  form.append(label, input, button);
  listen(form, again);
  return form;
}
