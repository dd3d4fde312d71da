/** Finding and making elements. Text goes in as text, never as markup. */

/** @param {string} selector @param {ParentNode} [root] @returns {any} */
export const one = (selector, root = document) => root.querySelector(selector);

/** @param {string} selector @param {ParentNode} [root] @returns {any[]} */
export const all = (selector, root = document) => [...root.querySelectorAll(selector)];

/** @param {string} text */
export const capital = (text) => text.slice(0, 1).toUpperCase() + text.slice(1);

/** A copy of what a template of the page holds. @param {string} id @returns {any} */
export const copyOf = (id) => one(`#${id}`).content.firstElementChild.cloneNode(true);

/**
 * @param {string} tag
 * @param {Record<string, unknown>} [properties]
 * @param {...(string | Node)} children
 * @returns {any}
 */
export function make(tag, properties = {}, ...children) {
  const { label, ...own } = properties;
  const element = Object.assign(document.createElement(tag), own);
  if (label) element.setAttribute("aria-label", String(label));
  element.append(...children);
  return element;
}
