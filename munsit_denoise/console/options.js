// What a visitor may ask for with a file, stored for the next visit.

import { h, labelled } from "./dom.js";
import { t } from "./i18n.js";
import { store, stored } from "./stored.js";

const OPTIONS = "munsit-denoise.options";
const TRANSCRIPTION_STRENGTH = 0.4; // docs/quality.md
/** Values in a submission and the words for them, the usual one first. @typedef {[string, string][]} Choices */
const FORMATS = /** @type {Choices} */ ([["wav", "WAV"], ["original", "format_original"], ...["flac", "mp3", "m4a", "ogg", "opus", "mp4", "mkv"].map((name) => [name, name.toUpperCase()])]);
const LEVELS = /** @type {Choices} */ ([["", "loudness_keep"], ["-16", "loudness_podcast"], ["-23", "loudness_broadcast"], ["-14", "loudness_loud"]]);

/** @param {string[]} qualities that this server has, the usual one first */
export function optionsForm(qualities) {
	const chosen = stored(OPTIONS);
	const missing = qualities.includes("best") ? null : "best";
	const list = (/** @type {string} */ id, /** @type {string} */ name, /** @type {Choices} */ choices) => {
		const known = choices.find(([value]) => value === chosen[name] && value !== missing) ?? choices[0];
		return h("select", { id, name }, choices.map(([value, word]) => h("option", { value, selected: value === known[0], disabled: value === missing }, t(word))));
	};
	const hint = (/** @type {HTMLElement} */ control, word = `${control.id}_hint`) => {
		control.setAttribute("aria-describedby", word);
		return h("p", { class: "hint", id: word }, t(word));
	};
	const strength = Number(chosen.strength ?? 1);
	const told = h("output", { for: "strength", dir: "ltr" });
	const slider = h("input", { id: "strength", name: "strength", type: "range", min: 0, max: 1, step: 0.05, value: Number.isFinite(strength) ? strength : 1, oninput: () => tell() });
	const purpose = h("input", { id: "transcription", name: "strength", type: "checkbox", value: "transcription", checked: chosen.strength === "transcription", onchange: () => tell() });
	const tell = () => {
		slider.disabled = purpose.checked;
		if (purpose.checked) slider.value = String(TRANSCRIPTION_STRENGTH);
		told.textContent = `${Math.round(Number(slider.value) * 100)} %`;
	};
	tell();
	const keep = list("keep", "keep", ["voice", "voice+music", "dry-voice"].map((name) => [name, name]));
	const quality = list("quality", "quality", [...new Set([...qualities, "best"])].map((name) => [name, name]));
	const form = h("form", { class: "options", onchange: () => store(OPTIONS, readOptions(form)), onsubmit: (/** @type {Event} */ event) => event.preventDefault() },
		labelled("strength", slider, told, hint(slider)),
		labelled("keep", keep, hint(keep)),
		labelled("quality", quality, hint(quality, missing ? "quality_missing" : undefined)),
		h("div", { class: "field" }, h("label", { class: "check" }, purpose, t("transcription")), hint(purpose)),
		labelled("format", list("format", "output_format", FORMATS)),
		labelled("loudness", list("loudness", "loudness", LEVELS)));
	return form;
}

/** What a submission says of them. @param {HTMLFormElement} form @returns {Record<string, string>} */
export const readOptions = (form) => Object.fromEntries(/** @type {[string, string][]} */ ([...new FormData(form)]).filter(([, value]) => value));
