/** The read key, where the API asks for one: typed by the reader, kept by this tab alone. */

const base = document.body.dataset.base ?? "/";
const NAME = `recommender-key ${base}`;

/** @returns {string | null} */
export function key() {
  try {
    return sessionStorage.getItem(NAME);
  } catch {
    return held;
  }
}

/** Where storage is refused, the key lasts as long as the page. @type {string | null} */
let held = null;

/** @param {string} value */
function keep(value) {
  held = value;
  try {
    sessionStorage.setItem(NAME, value);
  } catch {
    // The variable has it.
  }
}

/**
 * Fetches the page that was refused with the key, and shows it in the place of this one.
 *
 * @param {(fault: string) => void} say
 * @returns {Promise<boolean>} whether it is shown
 */
export async function unlock(say) {
  const known = key();
  if (!known) return false;
  try {
    const response = await fetch(location.href, { headers: { "X-API-Key": known } });
    if (response.status === 401) {
      say("This key does not open it.");
      return false;
    }
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    document.title = fresh.title;
    for (const [name, value] of Object.entries(fresh.body.dataset)) document.body.dataset[name] = value;
    document.body.replaceChildren(...fresh.body.childNodes);
    return true;
  } catch {
    say("The server does not answer. Try again.");
    return false;
  }
}

/**
 * A form that takes the key; `open` is called when it is there.
 *
 * @param {HTMLFormElement} form
 * @param {() => void} open
 */
export function listen(form, open) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const input = form.querySelector("input");
    if (!input?.value.trim()) return;
    keep(input.value.trim());
    open();
  });
}
