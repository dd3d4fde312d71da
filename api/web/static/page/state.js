/**
 * The page's whole state, out of its address and back into one. `api/asked.py` does the same.
 *
 * @typedef {object} State
 * @property {string} q
 * @property {Record<string, string[]>} tags ticked labels by field
 * @property {Record<string, [string, string]>} ranges the two ends by field, "" for an open one
 * @property {string[]} like
 * @property {string[]} unlike
 * @property {number} diversity 0 to 1
 *
 * @typedef {Record<string, any>} Shape what of the catalogue is shown where: see `api/shape.py`
 */

export const PAGE_SIZE = 24;
const MAX_TRAY = 20;
const TAG = "tag.";
const ENDS = ["min.", "max."];

/** What an address says, behind its question mark. @param {string} search @param {Shape} shape @returns {State} */
export function read(search, shape) {
  const given = new URLSearchParams(search);
  /** @type {State} */
  const state = { q: (given.get("q") ?? "").trim(), tags: bare(), ranges: bare(), like: [], unlike: [], diversity: 0 };
  for (const [name, type] of Object.entries(shape.types)) {
    if (type === "tag") {
      const labels = listed(given, TAG + name);
      if (labels.length) state.tags[name] = labels;
    } else if (type === "number") {
      const [least, most] = ENDS.map((start) => (given.get(start + name) ?? "").trim());
      if (least || most) state.ranges[name] = [least, most];
    }
  }
  state.like = listed(given, "like").slice(-MAX_TRAY);
  state.unlike = listed(given, "unlike").filter((id) => !state.like.includes(id)).slice(-MAX_TRAY);
  const diversity = Number(given.get("diversity") ?? 0);
  state.diversity = diversity >= 0 ? Math.min(diversity, 1) : 0;
  return fitting(state, shape);
}

/** The state as it stands in an address; "" for the plain page. @param {State} state */
export function query(state) {
  const pairs = new URLSearchParams();
  if (state.q) pairs.append("q", state.q);
  state.like.forEach((id) => pairs.append("like", id));
  state.unlike.forEach((id) => pairs.append("unlike", id));
  if (state.diversity) pairs.append("diversity", String(state.diversity));
  for (const [name, labels] of Object.entries(state.tags)) {
    labels.forEach((label) => pairs.append(TAG + name, label));
  }
  for (const [name, ends] of Object.entries(state.ranges)) {
    ENDS.forEach((start, at) => ends[at] && pairs.append(start + name, ends[at]));
  }
  return pairs.toString();
}

/** The filters as conditions, one a field. @param {State} state */
export function where(state) {
  return [
    ...Object.entries(state.tags).map(
      ([name, labels]) => `${name}=${labels.map((label) => label.replaceAll("|", "\\|")).join("|")}`,
    ),
    ...Object.entries(state.ranges).map(([name, [least, most]]) => `${name}=${least}..${most}`),
  ];
}

/**
 * The same by name, without what every object inherits: a field may be called "constructor".
 *
 * @template T
 * @param {Record<string, T>} [own]
 * @returns {Record<string, T>}
 */
export const bare = (own) => Object.assign(Object.create(null), own);

/** Whether anything is asked, beside filters. @param {State} state */
export const isQuestion = (state) => Boolean(state.q || state.like.length || state.unlike.length);

/**
 * The state with an item moved to a side of the tray, or off it.
 * @param {State} state @param {string} id @param {"like" | "unlike" | null} side @param {Shape} shape
 */
export function placed(state, id, side, shape) {
  const [like, unlike] = [state.like, state.unlike].map((ids) => ids.filter((each) => each !== id));
  if (side === "like") like.push(id);
  if (side === "unlike") unlike.push(id);
  const moved = { ...state, like: like.slice(-MAX_TRAY), unlike: unlike.slice(-MAX_TRAY) };
  return side ? fitting(moved, shape) : moved;
}

/** @param {State} state @param {string} name @param {string} [label] */
function withoutFilter(state, name, label) {
  const [tags, ranges] = [bare(state.tags), bare(state.ranges)];
  const left = (tags[name] ?? []).filter((each) => label !== undefined && each !== label);
  if (left.length) tags[name] = left;
  else delete tags[name];
  delete ranges[name];
  return { ...state, tags, ranges };
}

/**
 * The filters in use, each with what a chip says and the state without it.
 *
 * @param {State} state
 * @param {Shape} shape
 */
export function chosen(state, shape) {
  const tags = Object.entries(state.tags).flatMap(([name, labels]) =>
    labels.map((label) => ({ text: `${shape.labels[name]}: ${label}`, left: withoutFilter(state, name, label) })),
  );
  const ranges = Object.entries(state.ranges).map(([name, [least, most]]) => {
    const text = least && most ? `${least} to ${most}` : least ? `from ${least}` : `to ${most}`;
    return { text: `${shape.labels[name]} ${text}`, left: withoutFilter(state, name) };
  });
  return [...tags, ...ranges];
}

/** The state without what this catalogue cannot be asked together. @param {State} state @param {Shape} shape */
function fitting(state, shape) {
  const like = shape.many ? state.like : state.like.slice(-1);
  const unlike = shape.many ? state.unlike : [];
  const isFree = shape.mode !== null && (shape.mixes || !(like.length || unlike.length));
  return { ...state, like, unlike, q: isFree ? state.q : "" };
}

/** @param {URLSearchParams} given @param {string} name */
function listed(given, name) {
  return [...new Set(given.getAll(name).filter((text) => text.trim()))];
}
