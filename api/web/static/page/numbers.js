/** Numbers as cards show them. `api/shape.py` does the same. */

/** @typedef {import("./state.js").Shape} Shape */

const LAST_YEAR = 9999;
const parted = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });
const plain = new Intl.NumberFormat("en", { maximumFractionDigits: 2, useGrouping: false });

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
  const isDate = shape.dates.includes(name);
  const day = isDate && dayOf(Math.trunc(value));
  if (day) return day;
  const size = Math.abs(value);
  if (size >= 1e15) return value.toExponential(2).replace(/\.?0+e/, "e");
  if (size && size < 0.005) return String(Number(value.toPrecision(3)));
  return (isDate || shape.years.includes(name) ? plain : parted).format(value);
}

/** The day of so many seconds since 1970; "" for a year, and outside the years 1 to 9999. @param {number} seconds */
function dayOf(seconds) {
  if (seconds > 0 && seconds <= LAST_YEAR) return "";
  const day = new Date(seconds * 1000);
  const year = Number.isNaN(day.getTime()) ? 0 : day.getUTCFullYear();
  return year >= 1 && year <= LAST_YEAR ? day.toISOString().slice(0, 10) : "";
}
