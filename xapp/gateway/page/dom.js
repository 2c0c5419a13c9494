// Builds elements. Text is always text: nothing here parses markup.

export const $ = (id) => document.getElementById(id);

/** An element with attributes and children, which are elements or texts. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const SVG = "http://www.w3.org/2000/svg";

/** A line through the values, from 0 to their largest. */
export function sparkline(values, label) {
  const svg = document.createElementNS(SVG, "svg");
  const line = document.createElementNS(SVG, "polyline");
  const most = Math.max(...values, 1e-9);
  const last = Math.max(values.length - 1, 1);
  line.setAttribute("points", values.map((value, at) => `${(at / last) * 100},${30 - (value / most) * 28}`).join(" "));
  svg.setAttribute("viewBox", "0 0 100 31");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", label);
  svg.append(line);
  return svg;
}
