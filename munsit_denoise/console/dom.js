// Elements from plain values. Text is always text: nothing here parses HTML.

import { t } from "./i18n.js";

/**
 * @typedef {string | number | Node | null | undefined | false} Child
 * @typedef {Record<string, any>} Attributes
 */

/**
 * Make an element. `on...` attributes are listeners, `class` and `data-...` as usual, a boolean is there or not.
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {Attributes} [attributes]
 * @param {...(Child | Child[])} children
 * @returns {HTMLElementTagNameMap[Name]}
 */
export function h(name, attributes = {}, ...children) {
	const element = document.createElement(name);
	if (element instanceof HTMLButtonElement) element.type = "button";
	for (const [key, value] of Object.entries(attributes)) {
		if (value === null || value === undefined || value === false) continue;
		if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
		else if (key === "value" && "value" in element) element.value = value;
		else element.setAttribute(key, value === true ? "" : String(value));
	}
	append(element, ...children);
	return element;
}

/** @param {Node} parent @param {...(Child | Child[])} children */
export function append(parent, ...children) {
	for (const child of children.flat()) {
		if (child === null || child === undefined || child === false) continue;
		parent.appendChild(child instanceof Node ? child : document.createTextNode(String(child)));
	}
}

/** Put these in the place of all that is in an element. @param {Element} parent @param {...(Child | Child[])} children */
export function fill(parent, ...children) {
	parent.replaceChildren();
	append(parent, ...children);
}

/** A line of short facts, each in its own direction. @param {string[]} told */
export const facts = (told) =>
	h("p", { class: "facts" }, told.filter(Boolean).flatMap((fact, index) => [index > 0 && " · ", h("bdi", {}, fact)]));

/** What stands in the place of a view. @param {string} text @param {"status" | "alert"} [role] */
export const notice = (text, role = "status") => h("div", { class: "empty", role }, h("h1", {}, text));

/** A control under its label, and what else belongs to it. @param {string} word @param {HTMLElement} control @param {...Child} more */
export const labelled = (word, control, ...more) => h("div", { class: "field" }, h("label", { for: control.id }, t(word)), control, more);

/** A part of a view under its name. @param {string} word @param {...(Child | Child[])} parts */
export const card = (word, ...parts) => h("section", { class: `card ${word}`, "aria-labelledby": `${word}-title` }, h("h2", { id: `${word}-title` }, t(word)), ...parts);

/** A table that scrolls by itself; the first cell of a row is its head. @param {string[]} heads @param {(Child | Child[])[][]} rows @param {string} label */
export const table = (heads, rows, label) => h("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": label }, h("table", {},
	h("thead", {}, h("tr", {}, heads.map((word) => h("th", { scope: "col" }, t(word))))),
	h("tbody", {}, rows.map((cells) => h("tr", {}, cells.map((cell, at) => (at ? h("td", {}, cell) : h("th", { scope: "row" }, cell))))))));

const SHAPES = /** @type {const} */ ({
	upload: "M12 16V4m0 0L7 9m5-5 5 5M4 17v2a1 1 0 0 0 1 1h14a1 1 0 0 0 1-1v-2",
	mic: "M12 15a3 3 0 0 0 3-3V6a3 3 0 0 0-6 0v6a3 3 0 0 0 3 3Zm-7-3a7 7 0 0 0 14 0m-7 7v3",
	stop: "M7 7h10v10H7z",
	play: "M8 5.5v13l11-6.5z",
	pause: "M9 5v14M15 5v14",
	loop: "M17 3l3 3-3 3M20 6H8a4 4 0 0 0-4 4v1m3 10-3-3 3-3m-3 3h12a4 4 0 0 0 4-4v-1",
	trash: "M5 7h14M10 7V4h4v3m-7 0 1 13h8l1-13",
	download: "M12 4v12m0 0 5-5m-5 5-5-5M4 20h16",
	copy: "M9 9h11v11H9zM5 15H4V4h11v1",
	close: "M6 6l12 12M18 6 6 18",
	back: "M15 5l-7 7 7 7",
	leave: "M10 5H5v14h5m4-3 4-4-4-4m4 4H9",
	sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8Zm0-6v2m0 16v2M2 12h2m16 0h2M5 5l1.5 1.5m11 11L19 19M5 19l1.5-1.5m11-11L19 5",
	search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14Zm5 12 4 4",
});

const SVG = "http://www.w3.org/2000/svg";

/** Make a picture that stands beside a word, or whose button has a label. @param {keyof typeof SHAPES} name @returns {SVGElement} */
export function icon(name) {
	const svg = document.createElementNS(SVG, "svg");
	const path = document.createElementNS(SVG, "path");
	svg.setAttribute("viewBox", "0 0 24 24");
	svg.setAttribute("class", name === "back" || name === "leave" ? "icon mirrored" : "icon");
	svg.setAttribute("aria-hidden", "true");
	path.setAttribute("d", SHAPES[name]);
	svg.append(path);
	return svg;
}

/** A button that is a picture. @param {keyof typeof SHAPES} name @param {string} label @param {() => void} onclick @param {string} [title] */
export const iconButton = (name, label, onclick, title = label) => h("button", { class: "plain round", "aria-label": label, title, onclick }, icon(name));

/** Tell something for a while, to eyes and to screen readers; with a button where something can be done. @param {string} text @param {{label: string, act: () => void, ms?: number, over?: () => void}} [action] */
export function toast(text, action) {
	const box = h("div", { class: "toast" }, h("span", {}, text));
	let timer = 0;
	const close = (/** @type {boolean} */ acted) => {
		clearTimeout(timer);
		if (!box.isConnected) return;
		box.remove();
		if (!acted) action?.over?.();
	};
	if (action) append(box, h("button", { class: "link", onclick: () => { close(true); action.act(); } }, action.label));
	document.getElementById("toasts")?.append(box);
	timer = window.setTimeout(() => close(false), action?.ms ?? 5000);
}

/** The arrow keys go round in a row of buttons, of which one is in the tab order. @param {KeyboardEvent} event @param {HTMLElement[]} row @param {(index: number) => void} choose */
export function rove(event, row, choose) {
	const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
	if (!step) return;
	event.preventDefault();
	event.stopPropagation();
	const mirrored = /Left|Right/.test(event.key) && document.documentElement.dir === "rtl" ? -1 : 1;
	const next = (row.findIndex((one) => one.tabIndex === 0) + step * mirrored + row.length) % row.length;
	choose(next);
	row[next].focus();
}
