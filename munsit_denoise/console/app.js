// The page's frame: key, language, theme, and which view the address names.

import { Refused, Unreachable, history, key } from "./api.js";
import { append, fill, h, icon, toast } from "./dom.js";
import { currentLanguage, setLanguage, t } from "./i18n.js";

const LANGUAGE = "munsit-denoise.language";
const THEME = "munsit-denoise.theme";
const RETRY_MS = 3000;

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

function drawBar() {
  const signedIn = Boolean(key.get());
  fill(at("bar"),
    h("a", { class: "brand", href: "#/" }, h("img", { src: "console/icon.svg", alt: "", width: 28, height: 28 }), h("span", {}, "munsit-denoise")),
    h("nav", { "aria-label": t("pages") },
      signedIn && h("a", { href: "#/" }, t("files")),
      signedIn && h("a", { href: "#/admin", id: "to-admin", hidden: true }, t("admin")),
      h("a", { href: "docs" }, t("reference"))),
    h("div", { class: "tools" },
      h("button", { class: "plain", type: "button", lang: currentLanguage() === "ar" ? "en" : "ar", onclick: switchLanguage }, t("language")),
      h("button", { class: "plain round", type: "button", "aria-label": t("theme"), title: t("theme"), onclick: switchTheme }, icon("sun")),
      signedIn && h("button", { class: "plain round", type: "button", "aria-label": t("forget"), title: t("forget"), onclick: forget }, icon("leave"))));
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
  const dark = document.documentElement.dataset.theme
    ? document.documentElement.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  const next = dark ? "light" : "dark";
  localStorage.setItem(THEME, next);
  document.documentElement.dataset.theme = next;
  document.dispatchEvent(new Event("themechange"));
}

function forget() {
  key.forget();
  toast(t("key_forgotten"));
  location.hash = "#/";
  void route();
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
    void route();
  };
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
  drawBar();
  if (!key.get()) { showSignIn(); return; }
  try {
    await history({ offset: 0, limit: 1 });
  } catch (error) {
    if (!signal.aborted) await cannotOpen(error, signal);
    return;
  }
  if (signal.aborted) return;
  void revealAdmin();
  const [, view, id] = /^#\/(\w*)\/?([\w-]*)/.exec(location.hash) ?? [];
  const main = at("main");
  document.querySelectorAll("nav a").forEach((link) => link.toggleAttribute("aria-current", link.getAttribute("href") === location.hash));
  if (view === "file") (await import("./compare.js")).showFile(main, id, signal);
  else if (view === "admin") (await import("./admin.js")).showAdmin(main, signal);
  else (await import("./files.js")).showFiles(main, signal);
}

/** @param {unknown} error @param {AbortSignal} signal */
async function cannotOpen(error, signal) {
  if (error instanceof Refused && error.status === 401) {
    key.forget();
    drawBar();
    showSignIn(t("key_wrong"));
    return;
  }
  const text = error instanceof Unreachable ? t("offline") : error instanceof Refused ? error.message : t("broken");
  fill(at("main"), h("p", { class: "empty", role: "status" }, text));
  setTimeout(() => { if (!signal.aborted) void route(); }, RETRY_MS);
}

async function revealAdmin() {
  const { isAdmin } = await import("./admin.js");
  const link = document.getElementById("to-admin");
  if (link && (await isAdmin())) link.hidden = false;
}

setLanguage(localStorage.getItem(LANGUAGE));
const theme = localStorage.getItem(THEME);
if (theme) document.documentElement.dataset.theme = theme;
window.addEventListener("hashchange", () => { void route().then(() => at("main").focus({ preventScroll: true })); });
void route();
