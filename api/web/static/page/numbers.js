/** Numbers as cards show them. `api/shape.py` does the same. */

/** @typedef {import("./state.js").Shape} Shape */

const grouped = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });

/** @param {number} count */
export const thousands = (count) => count.toLocaleString("en");

/**
 * Dates as days, years plain, others with thousands parted.
 *
 * @param {number} value
 * @param {string} name the field's
 * @param {Shape} shape
 */
export function shownNumber(value, name, shape) {
  if (shape.dates.includes(name)) {
    const day = dayOf(value);
    if (day) return day;
  }
  if (shape.years.includes(name) || value === 0) return String(value);
  if (Math.abs(value) >= 1e15 || Math.abs(value) < 0.005) return String(Number(value.toPrecision(3)));
  return grouped.format(value);
}

/** The day of so many seconds since 1970; "" outside the years 1 to 9999. @param {number} seconds */
function dayOf(seconds) {
  const day = new Date(Math.trunc(seconds) * 1000);
  const year = day.getTime() === day.getTime() ? day.getUTCFullYear() : 0;
  return year >= 1 && year <= 9999 ? day.toISOString().slice(0, 10) : "";
}
