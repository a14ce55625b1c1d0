// The page's frame: key, language, theme, and which view the address names.

import { Refused, Unreachable, accessOfKey, key } from "./api.js";
import { fill, h, iconButton, notice } from "./dom.js";
import { currentLanguage, setLanguage, t } from "./i18n.js";

const LANGUAGE = "munsit-denoise.language";
const THEME = "munsit-denoise.theme";
const RETRY_MS = 3000;

const look = document.documentElement.dataset;

/** Ends whatever the present view does. */
let leaving = new AbortController();

/** @param {string} id @returns {HTMLElement} */
const at = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/** Take a key that a link brought in its fragment, which no server sees, out of the address at once. */
function takeKey() {
	const found = /^#key=([\w-]+)$/.exec(location.hash);
	if (!found) return;
	key.set(found[1]);
	window.history.replaceState(null, "", location.pathname + location.search);
}

/** One for all bars: without a connection a new one would not load. */
const emblem = h("img", { src: "console/icon.svg", alt: "", width: 28, height: 28 });

/** @param {import("./api.js").Access["scope"]} scope */
function drawBar(scope) {
	const here = /^#\/admin/.test(location.hash) ? "#/admin" : "#/";
	const page = (/** @type {string} */ href, /** @type {string} */ word) => h("a", { href, "aria-current": href === here ? "page" : false }, t(word));
	const signedIn = scope !== null;
	fill(at("bar"),
		h("a", { class: "brand", href: "#/" }, emblem, h("span", {}, "munsit-denoise")),
		h("nav", { "aria-label": t("pages") },
			signedIn && page("#/", "files"),
			scope === "admin" && page("#/admin", "admin"),
			h("a", { href: "docs" }, t("reference"))),
		h("div", { class: "tools" },
			h("button", { class: "plain", lang: currentLanguage() === "ar" ? "en" : "ar", onclick: switchLanguage }, t("language")),
			iconButton("sun", t("theme"), switchTheme),
			signedIn && iconButton("leave", t("forget"), forget)));
	at("skip").textContent = t("skip");
	document.title = `munsit-denoise · ${t("tagline")}`;
}

function switchLanguage() {
	const next = currentLanguage() === "ar" ? "en" : "ar";
	localStorage.setItem(LANGUAGE, next);
	setLanguage(next);
	void route();
}

function switchTheme() {
	const dark = look.theme ? look.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
	localStorage.setItem(THEME, (look.theme = dark ? "light" : "dark"));
	document.dispatchEvent(new Event("themechange"));
}

function forget() {
	key.forget();
	location.hash = "#/";
	location.reload(); // nothing of the user's stays in memory
}

/** @param {string} [problem] */
function showSignIn(problem) {
	const field = h("input", {
		id: "key", name: "key", type: "password", autocomplete: "current-password", spellcheck: "false", required: true,
		"aria-describedby": "key-hint key-problem", "aria-invalid": problem ? "true" : false,
	});
	const submit = (/** @type {Event} */ event) => {
		event.preventDefault();
		key.set(field.value.trim());
		if (key.get()) void route();
		else showSignIn(t("key_wrong"));
	};
	drawBar(null);
	fill(at("main"), h("section", { class: "signin card" },
		h("h1", {}, t("key_title")),
		h("p", { class: "hint", id: "key-hint" }, t("key_hint")),
		h("form", { onsubmit: submit },
			h("label", { for: "key" }, t("key_label")),
			h("div", { class: "row" }, field, h("button", { class: "primary", type: "submit" }, t("key_open")))),
		h("p", { class: "problem", id: "key-problem", role: "alert" }, problem ?? "")));
	field.focus();
}

async function route() {
	leaving.abort();
	leaving = new AbortController();
	const signal = leaving.signal;
	takeKey();
	if (!key.get()) { showSignIn(); return; }
	try {
		const access = await accessOfKey();
		if (signal.aborted) return;
		if (!access.scope) { key.forget(); showSignIn(t("key_wrong")); return; }
		drawBar(access.scope);
		await show(access, signal);
	} catch (error) {
		if (!signal.aborted) cannotOpen(error, signal);
	}
}

/** @param {import("./api.js").Access} access @param {AbortSignal} signal */
async function show(access, signal) {
	const [, view, id] = /^#\/(\w*)\/?([\w-]*)/.exec(location.hash) ?? [];
	const main = at("main");
	if (view === "file") {
		const { showFile } = await import("./compare.js");
		if (!signal.aborted) void showFile(main, id, signal);
	} else if (view === "admin" && access.scope === "admin") {
		const { showAdmin } = await import("./admin.js");
		if (!signal.aborted) showAdmin(main, signal);
	} else {
		const { showFiles } = await import("./files.js");
		if (!signal.aborted) showFiles(main, access, signal);
	}
}

/** @param {unknown} error @param {AbortSignal} signal */
function cannotOpen(error, signal) {
	drawBar(null);
	fill(at("main"), notice(error instanceof Refused || error instanceof Unreachable ? error.message : t("broken")));
	setTimeout(() => { if (!signal.aborted) void route(); }, error instanceof Refused && error.retryAfterS ? 1000 * error.retryAfterS : RETRY_MS);
}

// A file that is dropped beside a drop zone is not opened in place of the page.
for (const name of ["dragover", "drop"]) document.addEventListener(name, (event) => event.preventDefault());
setLanguage(localStorage.getItem(LANGUAGE));
const theme = localStorage.getItem(THEME);
if (theme) look.theme = theme;
document.addEventListener("keyrefused", () => { leaving.abort(); showSignIn(t("key_refused")); });
window.addEventListener("hashchange", () => { void route().then(() => at("main").focus({ preventScroll: true })); });
void route();
