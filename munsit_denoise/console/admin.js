// For keys with the scope admin: users, keys, balances, and what the server does.

import { ask, json, pause, said, sending } from "./api.js";
import { card, fill, h, labelled, notice, table, toast } from "./dom.js";
import { clock, day, number, size, t } from "./i18n.js";

/** @typedef {import("./dom.js").Child} Child */
const REFRESH_MS = 5000;
const SHOWN_JOBS = 20;
const LARGEST_PAGE = 1000; // of the server's lists: a full one may not be all

/** @param {HTMLElement} main @param {AbortSignal} signal */
export function showAdmin(main, signal) {
	const server = h("div", { class: "tiles" });
	const queue = h("div", {});
	const users = h("div", {});
	const keys = h("div", {});
	const once = h("div", { role: "status" });
	const tell = (/** @type {string} */ secret) => {
		fill(once, h("p", { class: "hint" }, t("key_once")), h("code", { class: "secret", dir: "ltr" }, secret));
		once.scrollIntoView({ block: "nearest" });
	};
	const chosen = h("select", { id: "key-user", required: true });
	const draw = async () => {
		const [people, balances, all] = await Promise.all([json("admin/users", { signal }), json("admin/balances", { signal }), json("admin/keys", { signal })]);
		fill(users, people.length >= LARGEST_PAGE && partly("shown_newest", LARGEST_PAGE), usersTable(people, balances, act));
		fill(keys, all.length >= LARGEST_PAGE && partly("shown_newest", LARGEST_PAGE), keysTable(all, act, tell));
		const was = chosen.value;
		fill(chosen, people.map((/** @type {any} */ user) => h("option", { value: user.id, selected: user.id === was }, user.name)));
	};
	/** Do something, tell what was refused, show what is there then. @param {() => Promise<unknown>} what */
	const act = async (what) => {
		try {
			await what();
			await draw();
		} catch (error) {
			if (!signal.aborted) toast(said(error));
		}
	};
	const watch = async () => {
		while (!signal.aborted) {
			await refresh(server, queue, signal).catch((error) => { if (!signal.aborted) toast(error.message); });
			await pause(REFRESH_MS, signal);
		}
	};
	fill(main, notice(t("loading")));
	void Promise.all([refresh(server, queue, signal), draw()]).then(() => {
		fill(main, h("h1", {}, t("admin")), server, card("queue", queue), card("users", users, userForm(act)),
			card("keys", once, keys, keyForm(chosen, act, tell)));
		void pause(REFRESH_MS, signal).then(watch);
	}, (error) => { if (!signal.aborted) fill(main, notice(said(error), "alert")); });
}

/** @param {HTMLElement} server @param {HTMLElement} queue @param {AbortSignal} signal */
async function refresh(server, queue, signal) {
	const [jobs, disk, rates] = await Promise.all([json("admin/queue", { signal }), json("admin/disk", { signal }), json("admin/rates", { signal })]);
	const factor = rates.real_time_factor;
	fill(server,
		tile("queue", `${number(jobs.length, 0)}${jobs.length < LARGEST_PAGE ? "" : "+"}`),
		tile("rate", number((rates.jobs * 3600) / rates.window_s, 0)),
		tile("speed", factor === null ? "–" : number(factor, 3)),
		tile("disk", size(disk.free_bytes)),
		tile("stored", size(disk.originals_bytes + disk.results_bytes + disk.uploads_bytes)));
	fill(queue, jobs.length > SHOWN_JOBS && partly("shown_oldest", SHOWN_JOBS), jobs.length
		? table(["user", "state", "age"], jobs.slice(0, SHOWN_JOBS).map((/** @type {any} */ job) => [name(job.user), `${t(`job_${job.state}`)} ${job.state === "running" ? `${job.percent} %` : ""}`, clock(job.age_s)]), t("queue"))
		: h("p", { class: "hint" }, t("queue_empty")));
}

/** @param {string} word @param {string} value */
const tile = (word, value) =>
	h("div", { class: "card tile" }, h("span", { class: "hint" }, t(word)), h("strong", {}, h("bdi", {}, value)));

/** Says that there are more rows than a table has. @param {string} word @param {number} count */
const partly = (word, count) => h("p", { class: "hint" }, t(word, { count: number(count, 0) }));

/** @param {string} text */
const name = (text) => h("bdi", {}, text);

/** @param {string} word @param {string} whose @param {() => void} press */
const button = (word, whose, press) => h("button", { class: "small", "aria-label": `${t(word)}: ${whose}`, onclick: press }, t(word));

/** @typedef {(what: () => Promise<unknown>) => Promise<void>} Act */

/** @param {any[]} people @param {any[]} balances @param {Act} act */
function usersTable(people, balances, act) {
	const minutes = new Map(balances.map((one) => [one.user_id, one.minutes_available]));
	return table(["user", "created", "balance", "actions"], people.map((user) => [name(user.name), day(user.created_at), number(minutes.get(user.id) ?? 0, 1), credit(user, act)]), t("users"));
}

/** @param {any} user @param {Act} act */
function credit(user, act) {
	const field = h("input", { type: "number", min: 0.1, step: "any", required: true, class: "few", "aria-label": `${t("minutes")}: ${user.name}`, placeholder: t("minutes") });
	return h("form", { class: "row", onsubmit: submitted(() => act(() => ask(`admin/users/${user.id}/balance`, sending("POST", { minutes: Number(field.value) })))) }, field, h("button", { class: "small", type: "submit", "aria-label": `${t("credit")}: ${user.name}` }, t("credit")));
}

/** @param {Act} act */
function userForm(act) {
	const field = h("input", { id: "user-name", required: true, maxlength: 200, autocomplete: "off" });
	return h("form", { class: "inline", onsubmit: submitted(() => act(async () => {
		await ask("admin/users", sending("POST", { name: field.value }));
		field.value = "";
	})) }, labelled("user_new", field), h("button", { type: "submit" }, t("create")));
}

/** @param {any[]} all @param {Act} act @param {(secret: string) => void} tell */
function keysTable(all, act, tell) {
	const over = (/** @type {any} */ key) => (key.revoked_at ? "revoked" : key.expires_at && new Date(key.expires_at) < new Date() ? "expired" : "valid");
	return table(["user", "key_name", "scope", "last_used", "expires", "state", "actions"], all.map((key) => [
		name(key.user), [h("code", { dir: "ltr" }, `${key.id}…`), " ", name(key.name ?? "")], t(`scope_${key.scope}`), key.last_used_at ? day(key.last_used_at) : t("never"),
		key.expires_at ? day(key.expires_at) : t("never"), t(over(key)),
		over(key) === "valid" ? h("div", { class: "row" },
			button("rotate", key.id, () => { if (confirm(t("rotate_sure"))) void act(async () => tell((await json(`admin/keys/${key.id}/rotate`, sending("POST", {}))).key)); }),
			button("revoke", key.id, () => { if (confirm(t("revoke_sure"))) void act(() => ask(`admin/keys/${key.id}`, { method: "DELETE" })); })) : "",
	]), t("keys"));
}

/** @param {HTMLSelectElement} chosen @param {Act} act @param {(secret: string) => void} tell */
function keyForm(chosen, act, tell) {
	const title = h("input", { id: "key-name", maxlength: 200, autocomplete: "off" });
	const scope = h("select", { id: "key-scope" }, ["full", "read", "admin"].map((value) => h("option", { value }, t(`scope_${value}`))));
	const expires = h("input", { id: "key-expires", autocomplete: "off", placeholder: "30d", class: "few", dir: "ltr" });
	return h("form", { class: "inline", onsubmit: submitted(() => act(async () => {
		const wanted = { name: title.value || null, scope: scope.value, expires: expires.value || null };
		tell((await json(`admin/users/${chosen.value}/keys`, sending("POST", wanted))).key);
		title.value = expires.value = "";
	})) }, labelled("user", chosen), labelled("key_name", title), labelled("scope", scope), labelled("key_expiry", expires), h("button", { type: "submit" }, t("key_make")));
}

/** @param {() => void} act */
const submitted = (act) => (/** @type {Event} */ event) => { event.preventDefault(); act(); };
