// One file: hear and see both versions, read the report, take the files, use it from code.

import { Refused, ask, follow, json, said, sameOrigin } from "./api.js";
import { codePanel } from "./code.js";
import { card, facts, fill, h, icon, notice, rove, toast } from "./dom.js";
import { clock, day, number, size, t } from "./i18n.js";
import { openPictures } from "./pictures.js";
import { reportPanel } from "./report.js";
import { Scope } from "./scope.js";
import { Transport } from "./sound.js";

/**
 * @typedef {import("./api.js").Entry} Entry
 * @typedef {import("./sound.js").Version} Version
 */

const VERSIONS = /** @type {const} */ ([["before", "A"], ["after", "B"], ["residual", "R"]]);
const STEP_S = 5;
const FINE_STEP_S = 0.5;
const PICTURE_APART_S = 0.08;

/** @param {HTMLElement} main @param {string} id @param {AbortSignal} signal */
export async function showFile(main, id, signal) {
	fill(main, notice(t("loading")));
	try {
		const entry = await json(`denoise/${id}`, { signal });
		if (signal.aborted) return;
		if (entry.status === "success") await showResult(main, entry, signal);
		else showUnfinished(main, entry, signal);
	} catch (error) {
		if (signal.aborted) return;
		const unknown = error instanceof Refused && error.status === 404;
		fill(main, back(), notice(unknown ? t("not_found") : said(error), "alert"));
	}
}

const back = () => h("a", { class: "back", href: "#/" }, icon("back"), t("back"));

/** @param {Entry} entry */
const heading = (entry) => h("header", { class: "file-head" }, back(),
	h("h1", {}, h("bdi", {}, entry.file_name)),
	facts([clock(entry.audio_duration), size(entry.audio_size), entry.audio_format.toUpperCase(), day(entry.created_at)]));

/** @param {HTMLElement} main @param {Entry} entry @param {AbortSignal} signal */
function showUnfinished(main, entry, signal) {
	if (entry.status === "failed") {
		fill(main, heading(entry), h("section", { class: "card broken" }, h("h2", {}, t("failed")), h("p", { role: "alert" }, entry.error ?? "")), codePanel(entry));
		return;
	}
	const bar = h("progress", { max: 100, value: 0, "aria-label": entry.file_name });
	const says = h("p", { class: "facts", role: "status" }, t("queued"));
	const cancel = h("button", { onclick: () => { ask(`denoise/${entry.id}/cancel`, { method: "POST" }).catch((error) => toast(error.message)); } }, t("cancel"));
	fill(main, heading(entry), h("section", { class: "card stack" }, h("h2", {}, t("working")), says, bar, cancel), codePanel(entry));
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
	const [told, pictures] = await Promise.all([json(`denoise/${entry.id}/report`, { signal }).catch(() => null), openPictures(entry.id, signal).catch(() => null)]);
	if (signal.aborted) return;
	const original = sameOrigin(entry.original_audio_url);
	const transport = new Transport({
		before: original,
		after: sameOrigin(entry.audio_url ?? ""),
		residual: typeof told?.options?.loudness === "number" ? null : residualOf(original),
		durationS: told?.duration_s ?? entry.audio_duration,
		channels: told?.channels ?? 2,
		rateHz: told?.sample_rate_hz ?? 0,
		beforeLufs: told?.before?.loudness_lufs ?? null,
		afterLufs: told?.after?.loudness_lufs ?? null,
	});
	signal.addEventListener("abort", () => transport.close());
	const player = h("section", { class: "card player", "aria-label": t("listen_now") });
	const says = showPlayer(player, entry, transport, pictures, signal);
	fill(main, heading(entry), player, downloads(entry, transport.hasResidual),
		reportPanel(told), codePanel(entry));
	try {
		await transport.open(signal);
		if (!signal.aborted) says.textContent = t("wave_hint");
	} catch {
		if (!signal.aborted) says.textContent = t("no_sound");
	}
}

/** @param {string} original */
const residualOf = (original) => original.replace(/_original\.\w+$/, "_residual.wav");

/** @param {HTMLElement} box @param {Entry} entry @param {Transport} transport @param {import("./pictures.js").Pictures | null} pictures @param {AbortSignal} signal @returns {HTMLElement} the line that says what can be done */
function showPlayer(box, entry, transport, pictures, signal) {
	const play = h("button", { class: "primary round big", disabled: true, onclick: () => void transport.toggle() });
	const versions = VERSIONS.map(([version, letter]) => choice(version, letter, transport));
	const choices = h("div", {
		class: "choices", role: "radiogroup", "aria-label": t("listen_now"),
		onkeydown: (/** @type {KeyboardEvent} */ event) => rove(event, transport.hasResidual ? versions : versions.slice(0, 2), (index) => transport.choose(VERSIONS[index][0])),
	}, versions);
	const position = h("input", { class: "position", type: "range", min: 0, max: transport.durationS, step: 0.01, "aria-label": t("position"), oninput: () => transport.seek(Number(position.value)) });
	const time = h("output", { class: "time", dir: "ltr" });
	const loop = h("button", { class: "plain round", onclick: () => toggleLoop() }, icon("loop"));
	const mix = h("input", { id: "mix", type: "range", min: 0, max: 1, step: 0.01, oninput: () => transport.setStrength(Number(mix.value)) });
	const mixed = h("output", { for: "mix", dir: "ltr" });
	const equal = h("input", { id: "equal", type: "checkbox", checked: transport.equalLoudness, onchange: () => transport.setEqualLoudness(equal.checked) });
	const says = h("p", { class: "hint", id: "keys-hint", role: "status" }, t("loading"));
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
		says);
	const draw = () => {
		const playing = transport.playing;
		play.disabled = !transport.player;
		if (play.dataset.playing !== String(playing)) {
			play.dataset.playing = String(playing);
			play.setAttribute("aria-label", t(playing ? "pause" : "play"));
			fill(play, icon(playing ? "pause" : "play"));
		}
		const at = transport.positionS;
		if (document.activeElement !== position || playing) position.value = String(at);
		position.setAttribute("aria-valuetext", clock(at, 1));
		time.textContent = `${clock(at, 1)} / ${clock(transport.durationS, 1)}`;
		for (const [index, button] of versions.entries()) {
			const version = VERSIONS[index][0];
			button.setAttribute("aria-checked", String(transport.version === version));
			button.tabIndex = transport.version === version ? 0 : -1;
			if (version === "residual") button.setAttribute("aria-disabled", String(!transport.hasResidual));
		}
		if (document.activeElement !== mix) mix.value = String(transport.strength);
		mixed.textContent = `${number(transport.strength * 100, 0)} %`;
		loop.setAttribute("aria-pressed", String(Boolean(transport.loop)));
		loop.title = t(transport.loop ? "loop_clear" : "loop");
		loop.setAttribute("aria-label", loop.title);
		scope?.draw();
	};
	transport.onchange = draw;
	document.addEventListener("keydown", (event) => { if (keyed(event, transport, scope, toggleLoop)) event.preventDefault(); }, { signal });
	draw();
	// Tests look at it.
	/** @type {any} */ (box).transport = transport;
	return says;
}

/** @param {Version} version @param {string} letter @param {Transport} transport */
function choice(version, letter, transport) {
	return h("button", {
		role: "radio", "data-version": version, title: letter,
		onclick: () => (version === "residual" && !transport.hasResidual ? toast(t("no_residual")) : transport.choose(version)),
	}, h("span", {}, t(version)), h("kbd", {}, letter));
}

/** @param {KeyboardEvent} event @param {Transport} transport @param {Scope | null} scope @param {() => void} toggleLoop @returns {boolean} whether it was a key of the player */
function keyed(event, transport, scope, toggleLoop) {
	const target = /** @type {HTMLElement} */ (event.target);
	if (event.ctrlKey || event.metaKey || event.altKey || target.closest("input:not([type=range]):not([type=checkbox]), select, textarea")) return false;
	const inSlider = target.matches("input[type=range]:not(.position)");
	if (event.code === "Space" && target.closest("button:not([role=radio]), a, summary, input[type=checkbox]")) return false;
	const step = event.shiftKey ? FINE_STEP_S : STEP_S;
	/** @type {Record<string, () => void>} */
	const acts = {
		Space: () => void transport.toggle(),
		KeyA: () => transport.choose("before"),
		KeyB: () => transport.choose("after"),
		KeyR: () => transport.choose("residual"),
		KeyL: toggleLoop,
		KeyI: () => transport.setLoop({ from: transport.positionS, to: transport.loop?.to ?? transport.durationS }),
		KeyO: () => transport.setLoop({ from: transport.loop?.from ?? 0, to: transport.positionS }),
		Equal: () => scope?.zoom(0.5),
		Minus: () => scope?.zoom(2),
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

/** @param {Entry} entry @param {boolean} hasResidual */
function downloads(entry, hasResidual) {
	const link = (/** @type {string | null} */ url, /** @type {string} */ word) =>
		url && h("a", { class: "button", href: sameOrigin(url), download: "" }, icon("download"), t(word));
	return card("downloads",
		h("div", { class: "row" }, link(entry.audio_url, "result"), hasResidual && residualButton(entry), link(entry.original_audio_url, "original")));
}

/** @param {Entry} entry */
function residualButton(entry) {
	const act = async () => {
		try {
			await ask(`denoise/${entry.id}/residual`, { method: "HEAD" });
			h("a", { href: residualOf(sameOrigin(entry.original_audio_url)), download: "" }).click();
		} catch (error) {
			toast(error instanceof Refused ? t("no_residual") : said(error));
		}
	};
	return h("button", { onclick: () => void act() }, icon("download"), t("residual"));
}
