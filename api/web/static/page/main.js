/** The page comes alive: what the server has rendered follows what is typed, ticked and clicked. */

import { listenTo } from "./controls.js";
import { listen, unlock } from "./key.js";
import { Page } from "./page.js";

const AGAIN_MS = 4000;

/** Makes the page alive that is shown now. */
function begin() {
  const form = /** @type {HTMLFormElement | null} */ (document.querySelector("[data-unlock]"));
  if (form) return lock(form);
  if (document.getElementById("shape")) listenTo(new Page());
  else if (document.body.dataset.status === "503") setTimeout(lookAgain, AGAIN_MS);
}

/** A page that was refused: opened by the key of this tab, or by one that is typed. @param {HTMLFormElement} form */
function lock(form) {
  const fault = document.querySelector("[data-fault]");
  const open = async () => {
    const isShown = await unlock((text) => fault && (fault.textContent = text));
    if (isShown) begin();
  };
  listen(form, open);
  void open();
}

/** Shows the page when the server can; until then nothing is read aloud again. */
async function lookAgain() {
  const answer = await fetch(location.href, { method: "HEAD" }).catch(() => null);
  if (answer && answer.status !== 503) location.reload();
  else setTimeout(lookAgain, AGAIN_MS);
}

begin();
