// What was removed, in words and figures.

import { card, facts, h, table } from "./dom.js";
import { number, t } from "./i18n.js";

const ROWS = /** @type {const} */ ([
	["r_loudness", "loudness_lufs", "LUFS"], ["r_peak", "true_peak_dbtp", "dBTP"], ["r_floor", "noise_floor_db", "dB"],
	["r_snr", "snr_db", "dB"], ["r_clipped", "clipped_samples", ""],
]);
const LITTLE_DB = 1;

/** @param {number | null | undefined} value @param {string} unit */
const figure = (value, unit) => h("bdi", { dir: "ltr" }, value === null || value === undefined ? "–" : unit ? `${number(value, 1, 1)} ${unit}` : number(value, 0));

/** The options of a job. @param {any} options */
export const chosen = (options) => facts([
	`${t("strength")}: ${number(options.strength * 100, 0)} %`, `${t("keep")}: ${t(options.keep ?? "voice")}`, `${t("quality")}: ${t(options.quality ?? "standard")}`,
	options.output_format?.toUpperCase(), typeof options.loudness === "number" ? `${number(options.loudness)} LUFS` : "",
]);

/** @param {any} report */
export function reportPanel(report) {
	if (!report) return card("report", h("p", { class: "hint" }, "–"));
	return card("report",
		h("p", { class: "said" }, sentences(report).join(" ")),
		table(["r_measure", "before", "after"], [
			...ROWS.map(([word, name, unit]) => [t(word), figure(report.before?.[name], unit), figure(report.after?.[name], unit)]),
			[t("r_removed"), "", figure(report.removed_energy_db, "dB")],
			[t("r_speech"), "", figure(report.speech_level_change_db, "dB")],
		], t("report")),
		chosen(report.options),
		h("p", { class: "hint" }, h("bdi", { dir: "ltr" }, [report.model, report.second_model, report.third_model].filter((one) => one?.name).map((one) => `${one.name} ${one.version}`).join(" + "))));
}

/** @param {any} report */
function sentences(report) {
	const said = [];
	const [before, after] = [report.before?.noise_floor_db, report.after?.noise_floor_db];
	if (typeof before === "number" && typeof after === "number") {
		said.push(before - after < LITTLE_DB ? t("said_same") : t("said_quieter", { db: number(before - after, 0) }));
	}
	const change = report.speech_level_change_db;
	if (typeof change === "number" && typeof report.options?.loudness !== "number") {
		const word = Math.abs(change) < LITTLE_DB ? "said_speech_same" : change < 0 ? "said_speech_quieter" : "said_speech_louder";
		said.push(t(word, { db: number(Math.abs(change), 1) }));
	}
	return said;
}
