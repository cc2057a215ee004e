/** Elements out of names, properties and children. Text stays text: nothing here reads HTML. */

const SVG = "http://www.w3.org/2000/svg";

/** Return a new HTML element; a function is a listener (`onclick`), false and null leave the property out. */
export function element(name, properties = {}, ...children) {
  return fill(document.createElement(name), properties, children);
}

/** Return a new SVG element. */
export function shape(name, properties = {}, ...children) {
  return fill(document.createElementNS(SVG, name), properties, children);
}

/** Show or hide an element. */
export function show(node, visible = true) {
  node.toggleAttribute("hidden", !visible); // an SVG element has no property for it
}

/** Return the element with this ID, which is part of the page. */
export function byId(id) {
  return document.getElementById(id);
}

function fill(made, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false && value !== undefined) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}
