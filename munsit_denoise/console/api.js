// The server's HTTP API as the page uses it. The key travels in a header and nowhere else.

import { currentLanguage, t } from "./i18n.js";

/**
 * @typedef {{
 *   id: string, audio_url: string | null, original_audio_url: string,
 *   file_name: string, audio_duration: number, audio_size: number, audio_format: string, source_type: string,
 *   status: "pending" | "success" | "failed", error: string | null, created_at: string
 * }} Entry
 * @typedef {{scope: "read" | "full" | "admin" | null, qualities: string[]}} Access what a key may do, null for a wrong one; what the server has
 * @typedef {{stage: "processing", pct: number, message?: string} | {stage: "done", url: string, denoiseId: string}
 *   | {stage: "error", message: string}} Progress
 */

const KEY = "munsit-denoise.key";
const BASE = new URL("api/v1/", document.baseURI);
const RETRY_MS = 2000;
const PAUSES_MS = [500, 1000, 2000, 5000, 10000];

/** What the server refused, in its own words. */
export class Refused extends Error {
	/** @param {number} status @param {string} message @param {number} [retryAfterS] */
	constructor(status, message, retryAfterS) {
		super(message);
		this.status = status;
		this.retryAfterS = retryAfterS;
	}
}

/** What an error tells a reader. @param {unknown} error */
export const said = (error) => String((error instanceof Error && error.message) || t("broken"));

/** Nobody answered. */
export class Unreachable extends Error {
	constructor() { super(t("offline")); }
}

export const key = {
	/** Only what a header can carry: the browser would not send anything else. */
	get: () => /^[!-~]+$/.exec(localStorage.getItem(KEY) ?? "")?.[0] ?? "",
	/** @param {string} value */
	set: (value) => localStorage.setItem(KEY, value),
	forget: () => localStorage.removeItem(KEY),
};

/** @returns {Promise<Access>} */
export const accessOfKey = () => json(new URL("console/key", document.baseURI).href);

/** Wait; an abort ends it. @param {number} ms @param {AbortSignal} [signal] @returns {Promise<void>} */
export function pause(ms, signal) {
	return new Promise((resolve) => {
		const end = () => {
			clearTimeout(timer);
			signal?.removeEventListener("abort", end);
			resolve();
		};
		const timer = setTimeout(end, ms);
		if (signal?.aborted) end(); // no event comes any more
		else signal?.addEventListener("abort", end);
	});
}

/** Ask the server. Throws Refused and Unreachable. @param {string} path below /api/v1 @param {RequestInit} [init] */
export async function ask(path, init = {}) {
	let answer;
	const usual = headers();
	try {
		answer = await fetch(new URL(path, BASE), { ...init, headers: { ...usual, .../** @type {any} */ (init.headers) }, redirect: "error" });
	} catch (error) {
		if (init.signal?.aborted) throw error;
		throw new Unreachable();
	}
	if (!answer.ok) throw refusal(answer.status, await answer.text(), answer.headers.get("Retry-After"), usual);
	return answer;
}

/** @param {string} path @param {RequestInit} [init] */
export const json = async (path, init) => (await ask(path, init)).json();

/** @param {string} method @param {unknown} body @returns {RequestInit} */
export const sending = (method, body) => ({ method, body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });

/** The server tells all its sentences in the page's language. */
export const headers = () => ({ "x-api-key": key.get(), "Accept-Language": currentLanguage(), Prefer: "translation" });

/** @param {number} status @param {string} text @param {string | null} retryAfter @param {{"x-api-key": string}} sent */
export function refusal(status, text, retryAfter, sent) {
	// once: what else was asked with this key is refused as well, and a new key may be there by then
	if (status === 401 && sent["x-api-key"] && sent["x-api-key"] === key.get()) {
		key.forget();
		document.dispatchEvent(new Event("keyrefused"));
	}
	let message = "";
	try {
		const told = JSON.parse(text);
		message = told.errorMessage ?? told.message ?? told.detail ?? "";
	} catch { /* no JSON: a proxy's page says nothing to people */ }
	return new Refused(status, String(message || `HTTP ${status}`), /^\d{1,6}$/.test(retryAfter ?? "") ? Number(retryAfter) : undefined);
}

/** Whether a request is worth another try, and after how long, ms. @param {unknown} error @param {number} tries @returns {number | null} */
export function again(error, tries) {
	if (error instanceof Refused && ![409, 423, 429, 502, 503, 504].includes(error.status)) return null;
	if (!(error instanceof Refused || error instanceof Unreachable)) return null;
	const told = error instanceof Refused ? error.retryAfterS : undefined;
	return told ? told * 1000 : PAUSES_MS[Math.min(tries, PAUSES_MS.length - 1)];
}

/** A page of the history, and whether there is more. @param {{offset: number, limit: number, status?: string, q?: string}} wanted @returns {Promise<{entries: Entry[], more: boolean}>} */
export async function history(wanted) {
	const query = new URLSearchParams({ offset: String(wanted.offset), limit: String(wanted.limit) });
	if (wanted.status) query.set("status", wanted.status);
	if (wanted.q) query.set("q", wanted.q);
	const answer = await ask(`denoise?${query}`);
	return { entries: await answer.json(), more: /rel="?next/.test(answer.headers.get("Link") ?? "") };
}

/** A URL of the server, on the origin that this page came from. @param {string} url */
export function sameOrigin(url) {
	const path = new URL(url, BASE).pathname.replace(/^.*?(?=\/denoising\/)/, "");
	return new URL(path.slice(1), document.baseURI).href;
}

/** Follow a job: every event until its end; a lost connection is taken up again. @param {string} id @param {(event: Progress) => void} tell @param {AbortSignal} signal */
export async function follow(id, tell, signal) {
	while (!signal.aborted) {
		try {
			const answer = await ask(`denoise/${id}/progress`, { signal, headers: { Accept: "text/event-stream" } });
			if (await readEvents(/** @type {ReadableStream<Uint8Array>} */ (answer.body), tell)) return;
		} catch (error) {
			if (signal.aborted) return;
			if (error instanceof Refused && error.status < 500 && error.status !== 429) throw error;
		}
		await pause(RETRY_MS, signal);
	}
}

/** @param {ReadableStream<Uint8Array>} stream @param {(event: Progress) => void} tell @returns {Promise<boolean>} whether it was the end */
async function readEvents(stream, tell) {
	const reader = stream.pipeThrough(/** @type {ReadableWritablePair<string, any>} */ (new TextDecoderStream())).getReader();
	let rest = "";
	for (;;) {
		const { value, done } = await reader.read();
		if (done) return false;
		const frames = (rest + value).split("\n\n");
		rest = frames.pop() ?? "";
		for (const frame of frames) {
			if (!frame.startsWith("data: ")) continue;
			const event = JSON.parse(frame.slice(6));
			tell(event);
			if (event.stage !== "processing") return true;
		}
	}
}
