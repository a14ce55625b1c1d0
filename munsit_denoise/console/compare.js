// One file: hear and see both versions, read the report, take the files, use it from code.

import { Refused, ask, follow, json, key, sameOrigin } from "./api.js";
import { codePanel } from "./code.js";
import { append, fill, h, icon, toast } from "./dom.js";
import { clock, day, number, size, t } from "./i18n.js";
import { openPictures } from "./pictures.js";
import { reportPanel } from "./report.js";
import { Scope } from "./scope.js";
import { openTransport } from "./sound.js";

/**
 * @typedef {import("./api.js").Entry} Entry
 * @typedef {import("./sound.js").Transport} Transport
 * @typedef {import("./sound.js").Version} Version
 */

const VERSIONS = /** @type {const} */ ([["before", "A"], ["after", "B"], ["residual", "R"]]);
const STEP_S = 5;
const FINE_STEP_S = 0.5;
const PICTURE_APART_S = 0.08;

/** @param {HTMLElement} main @param {string} id @param {AbortSignal} signal */
export async function showFile(main, id, signal) {
  fill(main, h("p", { class: "empty", role: "status" }, t("loading_sound")));
  try {
    const entry = await json(`denoise/${id}`, { signal });
    if (signal.aborted) return;
    if (entry.status === "success") await showResult(main, entry, signal);
    else showUnfinished(main, entry, signal);
  } catch (error) {
    if (signal.aborted) return;
    const unknown = error instanceof Refused && error.status === 404;
    fill(main, back(), h("p", { class: "empty", role: "alert" }, unknown ? t("not_found") : String(/** @type {Error} */ (error).message)));
  }
}

const back = () => h("a", { class: "back", href: "#/" }, icon("back"), t("back"));

/** @param {Entry} entry */
const heading = (entry) => h("header", { class: "file-head" }, back(),
  h("h1", {}, h("bdi", {}, entry.file_name)),
  h("p", { class: "facts" }, [clock(entry.audio_duration), size(entry.audio_size), entry.audio_format.toUpperCase(), day(entry.created_at)].filter(Boolean).join(" · ")));

/** @param {HTMLElement} main @param {Entry} entry @param {AbortSignal} signal */
function showUnfinished(main, entry, signal) {
  if (entry.status === "failed") {
    fill(main, heading(entry), h("section", { class: "card broken" }, h("h2", {}, t("failed")), h("p", { role: "alert" }, entry.error ?? "")), codePanel(entry));
    return;
  }
  const bar = h("progress", { max: 100, value: 0, "aria-label": entry.file_name });
  const says = h("p", { class: "facts", role: "status" }, t("queued"));
  const cancel = h("button", { type: "button", onclick: () => { ask(`denoise/${entry.id}/cancel`, { method: "POST" }).catch((error) => toast(error.message)); } }, t("cancel"));
  fill(main, heading(entry), h("section", { class: "card job" }, h("h2", {}, t("working")), says, bar, h("div", { class: "row" }, cancel)), codePanel(entry));
  let told = "";
  follow(entry.id, (event) => {
    if (event.stage !== "processing") { void showFile(main, entry.id, signal); return; }
    bar.value = event.pct;
    const text = event.message ?? t("working");
    if (text !== told) says.textContent = told = text;
  }, signal).catch(() => showFile(main, entry.id, signal));
}

/** @param {HTMLElement} main @param {Entry} entry @param {AbortSignal} signal */
async function showResult(main, entry, signal) {
  const player = h("section", { class: "card player", "aria-label": t("listen") }, h("p", { class: "empty", role: "status" }, t("loading_sound")));
  const report = h("section", { class: "card", "aria-labelledby": "report-title" });
  fill(main, heading(entry), player, downloads(entry), report, codePanel(entry));
  const [told, pictures] = await Promise.all([json(`denoise/${entry.id}/report`, { signal }).catch(() => null), openPictures(entry.id, signal).catch(() => null)]);
  if (signal.aborted) return;
  fill(report, reportPanel(told));
  const recording = {
    before: sameOrigin(entry.original_audio_url),
    after: sameOrigin(entry.audio_url ?? ""),
    durationS: told?.duration_s ?? entry.audio_duration,
    channels: told?.channels ?? 2,
    beforeLufs: told?.before?.loudness_lufs ?? null,
    afterLufs: told?.after?.loudness_lufs ?? null,
  };
  try {
    const transport = await openTransport(recording, signal);
    if (signal.aborted) { transport.close(); return; }
    signal.addEventListener("abort", () => transport.close());
    showPlayer(player, entry, transport, pictures, signal);
  } catch {
    if (!signal.aborted) fill(player, h("p", { class: "empty", role: "alert" }, t("no_sound")));
  }
}

/**
 * @param {HTMLElement} box @param {Entry} entry @param {Transport} transport
 * @param {import("./pictures.js").Pictures | null} pictures @param {AbortSignal} signal
 */
function showPlayer(box, entry, transport, pictures, signal) {
  const play = h("button", { class: "primary round big", type: "button", onclick: () => void transport.toggle() });
  const choices = h("div", { class: "choices", role: "radiogroup", "aria-label": t("listen") }, VERSIONS.map(([version, letter]) => choice(version, letter, transport)));
  const position = h("input", { class: "position", type: "range", min: 0, max: transport.durationS, step: 0.01, "aria-label": t("position"), oninput: () => transport.seek(Number(position.value)) });
  const time = h("output", { class: "time", dir: "ltr" });
  const loop = h("button", { class: "plain round", type: "button", onclick: () => toggleLoop() }, icon("loop"));
  const mix = h("input", { id: "mix", type: "range", min: 0, max: 1, step: 0.01, oninput: () => transport.setStrength(Number(mix.value)) });
  const mixed = h("output", { for: "mix" });
  const equal = h("input", { id: "equal", type: "checkbox", checked: transport.equalLoudness, onchange: () => transport.setEqualLoudness(equal.checked) });
  const scope = pictures ? new Scope(pictures, transport, signal) : null;
  const picture = entry.source_type === "video" ? video(entry, transport, signal) : null;
  const toggleLoop = () => {
    if (transport.loop) { transport.setLoop(null); return; }
    transport.setLoop(scope?.selection ?? scope?.shown ?? { from: 0, to: transport.durationS });
  };
  fill(box, picture, scope ? scope.element : h("p", { class: "hint" }, t("no_pictures")), position,
    h("div", { class: "controls" }, play, choices, time, loop),
    h("div", { class: "controls second" },
      h("label", { for: "mix" }, t("mix")), mix, mixed,
      h("label", { class: "check", for: "equal" }, equal, t("equal"))),
    scope && h("p", { class: "hint", id: "keys-hint" }, t("wave_hint")));
  const draw = () => {
    const playing = transport.playing;
    if (play.dataset.playing !== String(playing)) {
      play.dataset.playing = String(playing);
      play.setAttribute("aria-label", t(playing ? "pause" : "play"));
      fill(play, icon(playing ? "pause" : "play"));
    }
    const at = transport.positionS;
    if (document.activeElement !== position || playing) position.value = String(at);
    position.setAttribute("aria-valuetext", clock(at, 1));
    time.textContent = `${clock(at, 1)} / ${clock(transport.durationS, 1)}`;
    for (const [version] of VERSIONS) {
      const button = /** @type {HTMLElement} */ (choices.querySelector(`[data-version=${version}]`));
      button.setAttribute("aria-checked", String(transport.version === version));
      button.tabIndex = transport.version === version ? 0 : -1;
    }
    if (document.activeElement !== mix) mix.value = String(transport.strength);
    mixed.textContent = `${number(transport.strength * 100, 0)} %`;
    loop.setAttribute("aria-pressed", String(Boolean(transport.loop)));
    loop.setAttribute("aria-label", t(transport.loop ? "loop_clear" : "loop"));
    loop.title = t(transport.loop ? "loop_clear" : "loop");
    scope?.draw();
  };
  transport.onchange = draw;
  document.addEventListener("keydown", (event) => { if (keyed(event, transport, toggleLoop)) event.preventDefault(); }, { signal });
  draw();
  // What the page's own tests, and whoever debugs it, look at.
  /** @type {any} */ (box).transport = transport;
}

/** @param {Version} version @param {string} letter @param {Transport} transport */
function choice(version, letter, transport) {
  const off = version === "residual" && !transport.hasResidual;
  return h("button", {
    type: "button", role: "radio", "data-version": version, "aria-disabled": off ? "true" : false, title: off ? t("no_residual") : letter,
    onclick: () => (off ? toast(t("no_residual")) : transport.choose(version)),
    onkeydown: (/** @type {KeyboardEvent} */ event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      event.stopPropagation();
      const names = VERSIONS.map(([name]) => name).filter((name) => name !== "residual" || transport.hasResidual);
      const next = names[(names.indexOf(transport.version) + step + names.length) % names.length];
      transport.choose(next);
      /** @type {HTMLElement | null | undefined} */ (document.querySelector(`[data-version=${next}]`))?.focus();
    },
  }, h("span", {}, t(version)), h("kbd", {}, letter));
}

/** @param {KeyboardEvent} event @param {Transport} transport @param {() => void} toggleLoop @returns {boolean} whether it was a key of the player */
function keyed(event, transport, toggleLoop) {
  const target = /** @type {HTMLElement} */ (event.target);
  if (event.ctrlKey || event.metaKey || event.altKey || target.closest("input:not([type=range]):not([type=checkbox]), select, textarea")) return false;
  const inSlider = target.matches("input[type=range]");
  if (event.code === "Space" && target.closest("button, a, summary, input[type=checkbox]")) return false;
  const step = event.shiftKey ? FINE_STEP_S : STEP_S;
  /** @type {Record<string, () => void>} */
  const acts = {
    Space: () => void transport.toggle(),
    KeyA: () => transport.choose("before"),
    KeyB: () => transport.choose("after"),
    KeyR: () => transport.choose("residual"),
    KeyL: toggleLoop,
    ...(inSlider ? {} : {
      ArrowLeft: () => transport.seek(transport.positionS - step),
      ArrowRight: () => transport.seek(transport.positionS + step),
      Home: () => transport.seek(0),
    }),
  };
  const act = acts[event.code];
  act?.();
  return Boolean(act);
}

/** The picture of a video, silent: its sound comes from the transport, whose time it follows. @param {Entry} entry @param {Transport} transport @param {AbortSignal} signal */
function video(entry, transport, signal) {
  const element = h("video", { class: "picture", playsinline: true, preload: "metadata", src: sameOrigin(entry.original_audio_url), "aria-label": entry.file_name, tabindex: -1 });
  element.muted = true;
  const follow = () => {
    if (Math.abs(element.currentTime - transport.positionS) > (transport.playing ? PICTURE_APART_S : 0.01) && !element.seeking) element.currentTime = transport.positionS;
    if (transport.playing && element.paused) void element.play().catch(() => null);
    if (!transport.playing && !element.paused) element.pause();
  };
  const timer = setInterval(follow, 100);
  signal.addEventListener("abort", () => { clearInterval(timer); element.removeAttribute("src"); element.load(); });
  element.addEventListener("error", () => element.remove());
  element.addEventListener("click", () => void transport.toggle());
  return element;
}

/** @param {Entry} entry */
function downloads(entry) {
  const link = (/** @type {string | null} */ url, /** @type {string} */ word) =>
    url && h("a", { class: "button", href: sameOrigin(url), download: "" }, icon("download"), t(word));
  return h("section", { class: "card downloads", "aria-labelledby": "downloads-title" },
    h("h2", { id: "downloads-title" }, t("downloads")),
    h("div", { class: "row" }, link(entry.audio_url, "result"), residualButton(entry), link(entry.original_audio_url, "original")));
}

/** @param {Entry} entry */
function residualButton(entry) {
  const button = h("button", { type: "button", onclick: async () => {
    button.disabled = true;
    try {
      const answer = await ask(`denoise/${entry.id}/residual`);
      const url = URL.createObjectURL(await answer.blob());
      h("a", { href: url, download: `${entry.file_name.replace(/\.[^.]*$/, "")}_residual.wav` }).click();
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
    } catch (error) {
      toast(String(/** @type {Error} */ (error).message));
    }
    button.disabled = false;
  } }, icon("download"), t("residual"));
  return button;
}
