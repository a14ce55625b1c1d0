// Uploads that go on where they were cut (tus 1.0.0), with progress.

import { Refused, Unreachable, again, headers, pause, refusal } from "./api.js";
import { store, stored } from "./stored.js";

const CHUNK_BYTES = 16 * 2 ** 20;
const KNOWN = "munsit-denoise.uploads";
const TUS = { "Tus-Resumable": "1.0.0" };

/** @typedef {{sent: (bytes: number) => void, lost: (lost: boolean) => void, signal: AbortSignal}} Watch */

/**
 * Upload a file and return its upload id. Goes on by itself after a cut, also with the same file after a reload.
 * Throws Refused; an abort ends the upload on the server as well.
 * @param {File} file
 * @param {Watch} watch
 * @returns {Promise<string>}
 */
export async function upload(file, watch) {
	const name = `${file.name}:${file.size}:${file.lastModified}`;
	let url = stored(KNOWN)[name] ?? "";
	let offset = url ? await offsetOf(url).catch((error) => (error instanceof Unreachable ? 0 : -1)) : -1;
	let failures = 0;
	while (offset < file.size || !file.size) {
		if (watch.signal.aborted) break;
		try {
			if (offset < 0) [url, offset] = [await create(file), 0];
			remember(name, url);
			offset = await send(url, file, offset, watch);
			failures = 0;
			watch.lost(false);
			if (!file.size) break;
		} catch (error) {
			if (watch.signal.aborted) break;
			const wait = again(error, failures++);
			if (wait === null) { remember(name, ""); throw error; }
			watch.lost(error instanceof Unreachable);
			await pause(wait, watch.signal);
			if (offset >= 0) offset = await offsetOf(url).catch((problem) => {
				if (problem instanceof Refused && [404, 410].includes(problem.status)) throw error;
				return offset;
			});
		}
	}
	remember(name, "");
	if (watch.signal.aborted) {
		if (url) await request("DELETE", url, TUS).catch(() => null);
		throw new DOMException("aborted", "AbortError");
	}
	return /** @type {string} */ (url.split("/").pop());
}

/** @param {File} file */
async function create(file) {
	const bytes = new TextEncoder().encode(file.name);
	const name = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
	const answer = await request("POST", new URL("api/v1/uploads", document.baseURI).href, {
		...TUS, "Upload-Length": String(file.size), "Upload-Metadata": `filename ${name}`,
	});
	const location = answer.getResponseHeader("Location") ?? "";
	return new URL(`api/v1/uploads/${location.split("/").pop()}`, document.baseURI).href;
}

/** @param {string} url */
async function offsetOf(url) {
	const answer = await request("HEAD", url, TUS);
	return Number(answer.getResponseHeader("Upload-Offset") ?? -1);
}

/** @param {string} url @param {File} file @param {number} offset @param {Watch} watch */
async function send(url, file, offset, watch) {
	const fields = { ...TUS, "Upload-Offset": String(offset), "Content-Type": "application/offset+octet-stream" };
	const answer = await request("PATCH", url, fields, file.slice(offset, offset + CHUNK_BYTES), {
		...watch, sent: (bytes) => watch.sent(offset + bytes),
	});
	return Number(answer.getResponseHeader("Upload-Offset") ?? offset);
}

/** @param {string} method @param {string} url @param {Record<string, string>} fields @param {Blob | null} [body] @param {Watch} [watch] @returns {Promise<XMLHttpRequest>} */
function request(method, url, fields, body = null, watch = undefined) {
	return new Promise((resolve, reject) => {
		const xhr = new XMLHttpRequest(); // fetch tells nothing of what has been sent
		xhr.open(method, url);
		const usual = headers();
		for (const [name, value] of Object.entries({ ...usual, ...fields })) xhr.setRequestHeader(name, value);
		if (watch) xhr.upload.onprogress = (event) => watch.sent(event.loaded);
		xhr.onerror = xhr.ontimeout = () => reject(new Unreachable());
		xhr.onabort = () => reject(new DOMException("aborted", "AbortError"));
		xhr.onload = () => {
			if (xhr.status < 400) resolve(xhr);
			else reject(refusal(xhr.status, xhr.responseText, xhr.getResponseHeader("Retry-After"), usual));
		};
		const abort = () => xhr.abort();
		xhr.onloadend = () => watch?.signal.removeEventListener("abort", abort);
		watch?.signal.addEventListener("abort", abort);
		if (watch?.signal.aborted) reject(new DOMException("aborted", "AbortError")); // while it was created: no event comes any more
		else xhr.send(body);
	});
}

/** @param {string} name @param {string} url empty to forget it */
function remember(name, url) {
	const all = stored(KNOWN);
	if (url) all[name] = url;
	else delete all[name];
	store(KNOWN, all);
}
