/*
 * What this browser remembers of unfinished uploads, so that a file dropped again after a reload goes on where it was.
 * An entry is {id, name, path, size, time, sent, done, made, busy}; only its owner's page lists it.
 */
(function () {
	"use strict";
	const KEEP_MS = 7 * 86400 * 1000;      /* the server keeps none longer */
	const BUSY_MS = 20000;                 /* told this lately: another window is sending it */

	class Kept {
		constructor(owner) {
			this.prefix = "slipway upload " + owner + " ";
		}

		/* Storage may be switched off or full: then nothing is remembered. */
		all() {
			const list = [];
			try {
				for (const key of Object.keys(localStorage)) {
					if (!key.startsWith(this.prefix))
						continue;
					const entry = JSON.parse(localStorage.getItem(key));
					if (Date.now() - entry.made < KEEP_MS && /^[0-9a-f]{32}$/.test(entry.id))
						list.push(entry);
					else
						localStorage.removeItem(key);
				}
			} catch (e) {
				return [];
			}
			return list.sort((a, b) => a.made - b.made);
		}

		/* Those nobody is at work with. */
		idle() {
			return this.all().filter((e) => Date.now() - e.busy > BUSY_MS);
		}

		/* The upload of the same file: same name, size, time and folder. */
		find(file, path) {
			return this.idle().find((e) => e.name === file.name && e.size === file.size &&
				e.time === file.lastModified && e.path === path) || null;
		}

		put(file, path, tus, busy) {
			const entry = { id: tus.id, name: file.name, path, size: file.size, time: file.lastModified,
				sent: tus.offset || 0, done: tus.state === "done", made: Date.now(), busy: busy ? Date.now() : 0 };
			try {
				const old = JSON.parse(localStorage.getItem(this.prefix + tus.id));
				if (old !== null) {
					entry.made = old.made;
					entry.sent = tus.offset === null ? old.sent : tus.offset;
				}
				localStorage.setItem(this.prefix + tus.id, JSON.stringify(entry));
			} catch (e) {
				/* Then not. */
			}
		}

		forget(id) {
			try {
				localStorage.removeItem(this.prefix + id);
			} catch (e) {
				/* There is none. */
			}
		}
	}

	window.slipway = window.slipway || {};
	window.slipway.Kept = Kept;
})();
