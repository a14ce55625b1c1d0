// What was removed, in words and figures.

import { h } from "./dom.js";
import { number, t } from "./i18n.js";

const ROWS = /** @type {const} */ ([
	["r_loudness", "loudness_lufs", "LUFS"], ["r_peak", "true_peak_dbtp", "dBTP"], ["r_floor", "noise_floor_db", "dB"],
	["r_snr", "snr_db", "dB"], ["r_clipped", "clipped_samples", ""],
]);
const LITTLE_DB = 1;

/** @param {number | null | undefined} value @param {string} unit */
const figure = (value, unit) => h("bdi", { dir: "ltr" }, value === null || value === undefined ? "–" : unit ? `${number(value, 1, 1)} ${unit}` : number(value, 0));

/** @param {any} report @returns {(Node | false)[]} */
export function reportPanel(report) {
	const title = h("h2", { id: "report-title" }, t("report"));
	if (!report) return [title, h("p", { class: "hint" }, "–")];
	return [title,
		h("p", { class: "said" }, sentences(report).join(" ")),
		h("div", { class: "scroll", tabindex: 0, role: "group", "aria-labelledby": "report-title" }, h("table", {},
			h("thead", {}, h("tr", {}, h("th", { scope: "col" }, t("r_measure")), h("th", { scope: "col" }, t("before")), h("th", { scope: "col" }, t("after")))),
			h("tbody", {},
				ROWS.map(([word, name, unit]) => h("tr", {}, h("th", { scope: "row" }, t(word)), h("td", {}, figure(report.before?.[name], unit)), h("td", {}, figure(report.after?.[name], unit)))),
				h("tr", {}, h("th", { scope: "row" }, t("r_removed")), h("td", {}), h("td", {}, figure(report.removed_energy_db, "dB"))),
				h("tr", {}, h("th", { scope: "row" }, t("r_speech")), h("td", {}), h("td", {}, figure(report.speech_level_change_db, "dB")))))),
		Boolean(report.model) && h("p", { class: "hint" }, h("bdi", { dir: "ltr" }, `${report.model.name} ${report.model.version}`))];
}

/** @param {any} report */
function sentences(report) {
	const said = [];
	const [before, after] = [report.before?.noise_floor_db, report.after?.noise_floor_db];
	if (typeof before === "number" && typeof after === "number") {
		said.push(before - after < LITTLE_DB ? t("said_same") : t("said_quieter", { db: number(before - after, 0) }));
	}
	if (typeof report.speech_level_change_db === "number" && typeof report.options?.loudness !== "number") said.push(t("said_speech", { db: number(Math.max(0.1, Math.abs(report.speech_level_change_db)), 1) }));
	return said;
}
