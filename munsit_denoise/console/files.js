// Files in and files that were: uploads with their jobs, and the history beneath.

import { Refused, ask, follow, history, pause, said } from "./api.js";
import { facts, fill, h, icon, iconButton, toast } from "./dom.js";
import { clock, day, size, t } from "./i18n.js";
import { optionsForm, readOptions } from "./options.js";
import { sendAll } from "./sending.js";

/** @typedef {import("./api.js").Entry} Entry */

const PAGE = 20;
const STREAMS = 3; // a browser opens six connections to a server, and uploads need some
const POLL_MS = 2500;
const UNDO_MS = 6000;
const TYPING_MS = 250;

/** Records whose deletion can still be undone. @type {Map<string, () => void>} */
const leaving = new Map();
window.addEventListener("pagehide", () => leaving.forEach((act) => act()));

/** What is on its way, whichever view is shown meanwhile. */
const active = h("ul", { class: "active" });
/** @type {List | null} */
let shown = null;

/** @param {HTMLElement} main @param {import("./api.js").Access} access @param {AbortSignal} signal */
export function showFiles(main, access, signal) {
	const maySend = access.scope !== "read";
	const list = (shown = new List(maySend, signal));
	active.setAttribute("aria-label", t("pending"));
	const zone = maySend ? dropZone(access.qualities, signal) : h("p", { class: "card hint" }, t("key_reads"));
	fill(main, h("h1", { class: "unseen" }, t("tagline")), zone, active, list.element);
	void list.load();
}

/** @param {string[]} qualities @param {AbortSignal} signal */
function dropZone(qualities, signal) {
	const form = optionsForm(qualities);
	const send = (/** @type {Iterable<File>} */ files) => sendAll(files, { active, options: readOptions(form), changed: () => void shown?.load() });
	const picker = (/** @type {string} */ id, /** @type {string} */ many) => {
		const input = h("input", { id, type: "file", [many]: true, class: "unseen", onchange: () => { void send(input.files ?? []); input.value = ""; } });
		return input;
	};
	const zone = h("section", { class: "drop card", "aria-labelledby": "drop-title" },
		h("div", { class: "drop-picture" }, icon("upload")),
		h("h2", { id: "drop-title" }, t("drop_title")),
		h("p", { class: "hint" }, t("drop_hint")),
		h("div", { class: "row centre" },
			picker("picker", "multiple"), h("label", { for: "picker", class: "button primary" }, t("choose")),
			picker("folder", "webkitdirectory"), h("label", { for: "folder", class: "button" }, t("folder")),
			recorder(send, signal)),
		form);
	let depth = 0;
	const drag = (/** @type {number} */ step) => () => zone.classList.toggle("over", (depth += step) > 0);
	document.addEventListener("dragenter", drag(1), { signal });
	document.addEventListener("dragleave", drag(-1), { signal });
	document.addEventListener("drop", async (event) => {
		drag(-depth)();
		void send(await dropped(event.dataTransfer));
	}, { signal });
	return zone;
}

/** All files of a drop, those in folders as well. @param {DataTransfer | null} transfer @returns {Promise<File[]>} */
async function dropped(transfer) {
	const entries = [...(transfer?.items ?? [])].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
	if (!entries.length) return [...(transfer?.files ?? [])];
	return (await Promise.all(entries.map(filesOf))).flat();
}

/** @param {FileSystemEntry} entry @returns {Promise<File[]>} */
async function filesOf(entry) {
	if (entry.isFile) return [await new Promise((resolve, reject) => /** @type {FileSystemFileEntry} */ (entry).file(resolve, reject))];
	const reader = /** @type {FileSystemDirectoryEntry} */ (entry).createReader();
	const found = [];
	for (;;) {
		const some = await new Promise((/** @type {(entries: FileSystemEntry[]) => void} */ resolve, reject) => reader.readEntries(resolve, reject));
		if (!some.length) return found;
		for (const one of some) if (!one.name.startsWith(".")) found.push(...(await filesOf(one)));
	}
}

/** @param {(files: File[]) => Promise<void>} send @param {AbortSignal} signal */
function recorder(send, signal) {
	/** @type {MediaRecorder | null} */
	let running = null;
	const button = h("button", { onclick: () => void toggle() });
	const label = (/** @type {boolean} */ on) => {
		fill(button, icon(on ? "stop" : "mic"), h("span", {}, t(on ? "record_stop" : "record")));
		button.classList.toggle("recording", on);
		button.setAttribute("aria-pressed", String(on));
	};
	label(false);
	async function toggle() {
		if (running) { running.stop(); return; }
		try {
			const stream = await navigator.mediaDevices.getUserMedia({ audio: { noiseSuppression: false, echoCancellation: false, autoGainControl: false } });
			const recording = new MediaRecorder(stream);
			/** @type {Blob[]} */
			const parts = [];
			running = recording;
			recording.ondataavailable = (event) => parts.push(event.data);
			recording.onstop = () => {
				stream.getTracks().forEach((track) => track.stop());
				running = null;
				label(false);
				const kind = recording.mimeType.split(";")[0];
				const name = `${t("recording")} ${new Date().toISOString().slice(0, 19).replaceAll(":", "-")}.${kind.split("/")[1].replace("mp4", "m4a")}`;
				if (parts.length) void send([new File(parts, name, { type: kind })]);
			};
			recording.start(1000);
			label(true);
		} catch {
			toast(t("mic_denied"));
		}
	}
	signal.addEventListener("abort", () => running?.stop());
	return button;
}

/** The history: a page of it, with search, filter and what pending ones do. */
class List {
	#offset = 0;
	#query = "";
	#status = "";
	/** @type {AbortController} */ #watching = new AbortController();
	#typing = 0;

	/** @param {boolean} mayDelete @param {AbortSignal} signal */
	constructor(mayDelete, signal) {
		this.mayDelete = mayDelete;
		this.signal = signal;
		this.rows = h("ul", { class: "rows" });
		this.pager = h("nav", { class: "pager", "aria-label": t("history") });
		const search = h("input", { id: "search", type: "search", autocomplete: "off", placeholder: t("search"), "aria-label": t("search"), oninput: () => {
			clearTimeout(this.#typing);
			this.#typing = window.setTimeout(() => this.#change(search.value.trim(), this.#status), TYPING_MS);
		} });
		const filter = h("div", { class: "filter", role: "group", "aria-label": t("state") }, ["", "pending", "success", "failed"].map((status) =>
			h("button", { "aria-pressed": String(status === ""), onclick: (/** @type {any} */ event) => {
				filter.querySelectorAll("button").forEach((one) => one.setAttribute("aria-pressed", String(one === event.currentTarget)));
				this.#change(this.#query, status);
			} }, t(status || "all"))));
		this.element = h("section", { class: "history", "aria-labelledby": "history-title" },
			h("div", { class: "history-head" }, h("h2", { id: "history-title" }, t("history")), h("div", { class: "search" }, icon("search"), search), filter),
			this.rows, this.pager);
		signal.addEventListener("abort", () => this.#watching.abort());
	}

	/** @param {string} query @param {string} status */
	#change(query, status) {
		[this.#query, this.#status, this.#offset] = [query, status, 0];
		void this.load();
	}

	async load() {
		this.#watching.abort();
		const watching = (this.#watching = new AbortController());
		try {
			const page = await history({ offset: this.#offset, limit: PAGE, status: this.#status, q: this.#query });
			if (watching.signal.aborted || this.signal.aborted) return;
			this.#show(page.entries, page.more);
			this.#watch(page.entries.filter((entry) => entry.status === "pending"), watching.signal);
		} catch (error) {
			if (this.signal.aborted || watching.signal.aborted) return;
			fill(this.rows, h("li", { class: "empty", role: "status" }, said(error)));
			await pause(POLL_MS, watching.signal);
			if (!watching.signal.aborted && !this.signal.aborted) void this.load();
		}
	}

	/** @param {Entry[]} entries @param {boolean} more */
	#show(entries, more) {
		const shown = entries.filter((entry) => !leaving.has(entry.id));
		const focused = document.activeElement?.closest("li")?.id;
		fill(this.rows, shown.map((entry) => this.#row(entry)));
		if (!shown.length) {
			const searching = this.#query || this.#status;
			fill(this.rows, h("li", { class: "empty" }, searching ? t("empty_search") : [h("strong", {}, t("empty_title")), this.mayDelete && h("span", {}, t("empty_hint"))]));
		}
		fill(this.pager,
			this.#offset > 0 && h("button", { onclick: () => this.#turn(-PAGE) }, t("newer")),
			more && h("button", { onclick: () => this.#turn(PAGE) }, t("older")));
		if (focused) document.getElementById(focused)?.querySelector("a")?.focus();
	}

	/** @param {number} step */
	#turn(step) {
		this.#offset = Math.max(0, this.#offset + step);
		void this.load();
		this.element.scrollIntoView({ block: "start" });
	}

	/** @param {Entry} entry */
	#row(entry) {
		const told = [entry.audio_duration ? clock(entry.audio_duration) : "", entry.audio_size ? size(entry.audio_size) : "", day(entry.created_at)];
		return h("li", { class: "entry", id: `row-${entry.id}` },
			h("a", { href: `#/file/${entry.id}`, class: "name" }, h("bdi", {}, entry.file_name)),
			facts(told),
			h("span", { class: `badge ${entry.status}`, dir: "auto" }, t(entry.status)),
			entry.error && h("p", { class: "why" }, entry.error),
			this.mayDelete && iconButton("trash", `${t("delete")}: ${entry.file_name}`, () => this.#remove(entry), t("delete")));
	}

	/** @param {Entry} entry */
	#remove(entry) {
		const remove = () => {
			if (!leaving.delete(entry.id)) return;
			ask(`denoise/${entry.id}`, { method: "DELETE", keepalive: true }).catch((error) => {
				if (!(error instanceof Refused && error.status === 404)) toast(said(error));
				void this.load();
			});
		};
		leaving.set(entry.id, remove);
		document.getElementById(`row-${entry.id}`)?.remove();
		toast(t("deleted") + entry.file_name, { label: t("undo"), act: () => { leaving.delete(entry.id); void this.load(); }, ms: UNDO_MS, over: remove });
		/** @type {HTMLElement | null} */ (this.rows.querySelector("a"))?.focus();
	}

	/** @param {Entry[]} pending @param {AbortSignal} signal */
	#watch(pending, signal) {
		for (const entry of pending.slice(0, STREAMS)) {
			const badge = document.querySelector(`#row-${entry.id} .badge`);
			follow(entry.id, (event) => {
				if (event.stage === "processing" && badge) badge.textContent = `${event.pct} %`;
				if (event.stage !== "processing") void this.load();
			}, signal).catch(() => this.load());
		}
		if (pending.length > STREAMS) void pause(POLL_MS * 2, signal).then(() => { if (!signal.aborted) void this.load(); });
	}
}
