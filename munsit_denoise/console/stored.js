// What the browser stores for the page. It may hold anything, and the browser may refuse to store.

/** The texts and numbers of an object that is stored; nothing if there is none. @param {string} name @returns {Record<string, string>} */
export function stored(name) {
	try {
		const found = Object.entries(JSON.parse(localStorage.getItem(name) ?? "{}") ?? {});
		return Object.fromEntries(found.filter(([, value]) => ["string", "number"].includes(typeof value)).map(([key, value]) => [key, String(value)]));
	} catch {
		return {};
	}
}

/** @param {string} name @param {Record<string, string>} value */
export function store(name, value) {
	try {
		localStorage.setItem(name, JSON.stringify(value));
	} catch { /* no room, or not allowed: the page works without it */ }
}
