/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Elements. Whatever comes from the server is text: it becomes a text node or an attribute's value,
 * never markup. (The page's Content-Security-Policy refuses markup made of text, too.)
 */
const SVG = "http://www.w3.org/2000/svg";

function apply(element, attributes) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false)
      continue;
    if (name.startsWith("on"))
      element.addEventListener(name.slice(2), value);
    else
      element.setAttribute(name, value === true ? "" : String(value));
  }
}

function fill(element, children) {
  for (const child of children.flat(Infinity))
    if (child !== undefined && child !== null && child !== false)
      element.append(child instanceof Node ? child : String(child));
  return element;
}

/* An HTML element: h("p", {class: "x", onclick: f}, "text", h("b", null, "more")). */
export function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  apply(element, attributes);
  return fill(element, children);
}

/* The same of SVG. */
export function s(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  apply(element, attributes);
  return fill(element, children);
}

export function put(element, ...children) {
  element.replaceChildren();
  return fill(element, children);
}

/*
 * put() for what is renewed while somebody looks at it: nothing happens while its text is selected;
 * the box that has the keyboard's focus, and where boxes are scrolled to, stay.
 */
export function renew(element, ...children) {
  const chosen = getSelection();
  if (chosen && !chosen.isCollapsed && chosen.containsNode(element, true))
    return;
  const boxes = [...element.querySelectorAll(".scroll")];
  const held = boxes.map((b) => [b.scrollTop, b.scrollLeft]),
    focus = boxes.indexOf(document.activeElement);
  put(element, children);
  element.querySelectorAll(".scroll").forEach((box, i) => {
    [box.scrollTop, box.scrollLeft] = held[i] ?? [0, 0];
    if (i === focus)
      box.focus({ preventScroll: true });
  });
}

/* Only when it differs: what is selected stays selected, and a screen reader is not woken. */
export function setText(element, text) {
  if (element.textContent !== text)
    element.textContent = text;
}

export function button(text, attributes) {
  return h("button", { type: "button", ...attributes }, text);
}

/* A labelled field: the label is above it. */
export function field(label, input, more) {
  return h("label", { class: "field" }, h("span", null, label), input, more);
}

export function select(options, value, attributes) {
  return h("select", attributes, options.map(([key, text]) =>
    h("option", { value: key, selected: key === value }, text)));
}

/*
 * A table. Columns: {head, cell(row) -> node or text, number: right aligned, row: heads the row,
 * free: long words may break}.
 * It scrolls sideways in a box of its own, which the keyboard can reach.
 */
export function table(caption, columns, rows, attributes) {
  const head = h("tr", null, columns.map((c) =>
    h("th", { scope: "col", class: c.number && "number" }, c.head)));
  const body = rows.map((row) => h("tr", attributes?.row?.(row), columns.map((c) =>
    h(c.row ? "th" : "td", { scope: c.row && "row", class: c.number ? "number" : c.free && "free" },
      c.cell(row)))));
  return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption },
    h("table", { id: attributes?.id },
      h("caption", { class: attributes?.hideCaption && "hidden" }, caption),
      h("thead", null, head), h("tbody", null, body)));
}

export function card(title, ...children) {
  return h("section", { class: "card" }, h("h2", null, title), children);
}

export function empty(text) {
  return h("p", { class: "empty" }, text);
}
