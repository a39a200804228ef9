/*
 * Sends one file by tus 1.0.0: creation, HEAD, PATCH in chunks.  Goes on by itself after everything that may pass;
 * knows nothing of pages.
 *
 *   const t = new slipway.Tus(file, { endpoint, path, id });    id: of an upload that was begun before, or null
 *   t.changed = () => …;                                        called whenever one of these is new:
 *   t.state    "idle" "sending" "waiting" (tries again by itself) "paused" "done" "failed" "refused" (no tus here)
 *   t.id       of the upload, null before it was made
 *   t.sent     bytes that arrived or are on their way
 *   t.problem  { status, code, text } of a failure; t.again: when it is tried again, in ms since 1970
 *   t.start(); t.pause(); t.discard();
 */
(function () {
	"use strict";
	const MIB = 1024 * 1024;
	const CHUNK_MAX = 8 * MIB, CHUNK_MIN = MIB / 16;
	const FIRST_MAX = MIB;          /* a file up to here comes with its creation: one request */
	const STALL_MS = 90000;         /* nothing moves any more: the connection is dead */
	const WAIT_MAX_MS = 30000;      /* between two tries */
	const LARGEST = "slipway largest request";      /* {size, time}: what passes a web server that takes no more */
	const LARGEST_MS = 86400 * 1000;
	let override = false;           /* something on the way knows no PATCH */
	let largest = remembered();     /* bytes of a body that pass */

	function remembered() {
		try {
			const { size, time } = JSON.parse(localStorage.getItem(LARGEST));
			return Date.now() - time < LARGEST_MS && size >= CHUNK_MIN ? size : CHUNK_MAX;
		} catch (e) {
			return CHUNK_MAX;
		}
	}

	function remember(size) {
		largest = size;
		try {
			localStorage.setItem(LARGEST, JSON.stringify({ size, time: Date.now() }));
		} catch (e) {
			/* Then for this page alone. */
		}
	}

	function base64(text) {
		return btoa(Array.from(new TextEncoder().encode(text), (c) => String.fromCharCode(c)).join(""));
	}

	function wait(ms, wake) {
		return new Promise((resolve) => {
			const timer = setTimeout(done, ms);
			function done() {
				clearTimeout(timer);
				window.removeEventListener("online", done);
				resolve();
			}
			window.addEventListener("online", done);
			wake(done);
		});
	}

	/* Out of the way of a request that failed: what the server said, in its own words. */
	function problem(answer) {
		const [, code, text] = /^(ERR_\w+): (.*)/.exec(answer.text) || [null, "", ""];
		return { status: answer.status, code: answer.header("X-Slipway-Error") || code, text };
	}

	class Tus {
		constructor(file, { endpoint, path, id }) {
			this.file = file;
			this.endpoint = endpoint;
			this.path = path || "";
			this.offset = null;       /* bytes the server has; null: it must be asked */
			this.state = "idle";
			this.problem = null;
			this.again = 0;
			this.changed = () => {};
			this.chunk = largest;
			this.refused = false;     /* a body was too large for the web server in front */
			this.failures = 0;        /* in a row */
			this.renewals = 0;        /* how often the server had forgotten it */
			this.turn = 0;            /* start and pause end the loop that runs */
			this.request = null;
			this.wake = () => {};
			this.forget(id);
		}

		forget(id) {
			this.id = id || null;
			this.sent = 0;
			/* The same for every try of one creation: if its answer was lost, it is not made twice. */
			this.key = Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16)).join("-");
		}

		become(state) {
			this.state = state;
			this.changed();
		}

		start() {
			if (this.state === "sending" || this.state === "done")
				return;
			if (this.state === "waiting") {
				this.wake();
				return;
			}
			this.problem = null;
			this.failures = 0;
			this.renewals = 0;
			this.run(++this.turn);
		}

		pause() {
			if (this.state === "sending" || this.state === "waiting")
				this.stop("paused");
		}

		stop(state) {
			this.turn++;
			if (this.request)
				this.request.abort();
			this.wake();
			this.offset = null;
			this.become(state);
		}

		/* The server forgets it; whether it hears of that or not. */
		discard() {
			const id = this.id;
			this.forget(null);
			this.stop("idle");
			if (id)
				Tus.remove(this.endpoint, id);
		}

		async run(turn) {
			this.become("sending");
			while (turn === this.turn) {
				const answer = await this.next();
				if (turn !== this.turn)
					return;
				if (answer === null) {
					this.become("done");
					return;
				}
				if (!await this.judge(answer, turn))
					return;
			}
		}

		/* The next request there is to make; null: all of it is there. */
		next() {
			if (this.id === null)
				return this.create();
			if (this.offset === null)
				return this.ask();
			return this.offset < this.file.size ? this.patch() : null;
		}

		async create() {
			const headers = { "Upload-Length": this.file.size, "Idempotency-Key": this.key };
			const metadata = [["filename", this.file.name], ["filetype", this.file.type], ["relativePath", this.path]];
			headers["Upload-Metadata"] = metadata.filter((m) => m[1]).map((m) => m[0] + " " + base64(m[1])).join(",");
			let body = null;
			this.chunk = Math.min(this.chunk, largest);
			if (this.file.size > 0 && this.file.size <= Math.min(FIRST_MAX, this.chunk)) {
				body = this.file;
				headers["Content-Type"] = "application/offset+octet-stream";
			}
			const answer = await this.ask_for("POST", this.endpoint, headers, body, 0);
			if (answer.status === 201 && answer.tus) {
				/* Its last part is enough: what stands in front may be another name of this host. */
				this.id = (answer.header("Location") || "").replace(/\/$/, "").split("/").pop();
				this.arrived(answer, 0);
				answer.ok = this.id !== "";
			}
			return answer;
		}

		async ask() {
			const answer = await this.ask_for("HEAD", this.endpoint + this.id, {}, null, 0);
			if (answer.status === 200) {
				this.arrived(answer);
				answer.ok = answer.tus && Number(answer.header("Upload-Length")) === this.file.size;
			}
			return answer;
		}

		async patch() {
			this.chunk = Math.min(this.chunk, largest);
			const end = Math.min(this.offset + this.chunk, this.file.size);
			const headers = { "Upload-Offset": this.offset, "Content-Type": "application/offset+octet-stream" };
			const body = this.file.slice(this.offset, end);
			const answer = await this.ask_for("PATCH", this.endpoint + this.id, headers, body, this.offset);
			if (answer.status === 204 && answer.tus) {
				this.arrived(answer);
				answer.ok = this.offset === null || this.offset <= this.file.size;
				if (this.refused && body.size === this.chunk) {
					this.refused = false;
					remember(this.chunk);
				}
				this.chunk = Math.min(2 * this.chunk, largest);
			} else if ((answer.status === 405 || answer.status === 501) && !override) {
				override = true;
				answer.ok = true;
			}
			return answer;
		}

		arrived(answer, otherwise = null) {
			const text = answer.header("Upload-Offset");
			this.offset = text !== null && /^\d+$/.test(text) ? Number(text) : otherwise;
			this.sent = this.offset || 0;
			this.changed();
		}

		/* One request.  Always resolves: status 0 is "no answer". */
		ask_for(method, url, headers, body, from) {
			const request = new XMLHttpRequest();
			const other = override && method === "PATCH";
			let stall = 0;
			this.request = request;
			return new Promise((resolve) => {
				const moves = () => {
					clearTimeout(stall);
					stall = setTimeout(() => request.abort(), STALL_MS);
				};
				request.open(other ? "POST" : method, url);
				request.setRequestHeader("Tus-Resumable", "1.0.0");
				if (other)
					request.setRequestHeader("X-HTTP-Method-Override", method);
				for (const [name, value] of Object.entries(headers))
					request.setRequestHeader(name, value);
				if (body) {
					request.upload.addEventListener("progress", (e) => {
						moves();
						if (this.request === request && this.state === "sending") {
							this.sent = Math.min(from + e.loaded, this.file.size);
							this.changed();
						}
					});
				}
				request.addEventListener("loadend", () => {
					clearTimeout(stall);
					if (this.request === request)
						this.request = null;
					resolve({ status: request.status, text: request.responseText || "", ok: false, method,
						size: body ? body.size : 0, ours: request.getResponseHeader("X-Slipway") !== null,
						tus: request.getResponseHeader("Tus-Resumable") !== null,
						header: (name) => request.getResponseHeader(name) });
				});
				moves();
				request.send(body);
			});
		}

		/* The web server in front takes no body so large (or upload.max_request says so): the next one is half of it. */
		halve(answer) {
			const theirs = !answer.ours && [413, 500, 502].includes(answer.status);
			const ours = answer.ours && answer.status === 413 && answer.method === "PATCH" &&
				answer.header("X-Slipway-Error") === "ERR_TOO_LARGE";
			if (!(theirs || ours) || answer.size <= CHUNK_MIN)
				return false;
			this.chunk = Math.max(CHUNK_MIN, Math.min(this.chunk, answer.size) / 2);
			largest = Math.min(largest, this.chunk);
			this.refused = true;
			this.offset = null;
			return true;
		}

		/* What an answer means.  True: go on. */
		async judge(answer, turn) {
			if (answer.ok) {
				this.failures = 0;
				return true;
			}
			if (this.halve(answer))
				return true;
			const p = problem(answer);
			this.sent = this.offset || this.sent;
			this.offset = null;
			if (this.id === null && (answer.status === 201 || [403, 404, 405, 412, 415, 501].includes(answer.status)))
				return this.fail(p, "refused");
			if (answer.status === 404 || answer.status === 410 || (answer.method === "HEAD" && answer.status === 200)) {
				/* Expired, discarded elsewhere, or the id of something else: from the start. */
				this.forget(null);
				this.changed();
				return ++this.renewals <= 2 || this.fail(p, "failed");
			}
			if (answer.status === 409 && ++this.failures < 10)
				return true;
			const passes = answer.status === 0 || [408, 409, 423, 425, 429].includes(answer.status) ||
				(answer.status >= 500 && answer.status !== 507) || p.code === "ERR_CUT";
			if (!passes)
				return this.fail(p, "failed");
			return this.later(p, answer, turn);
		}

		fail(p, state) {
			this.problem = p;
			this.become(state);
			return false;
		}

		async later(p, answer, turn) {
			if (answer.status === 0) {
				try {
					await this.file.slice(0, 1).arrayBuffer();
				} catch (e) {
					return this.fail({ status: 0, code: "unreadable", text: "" }, "failed");
				}
				if (turn !== this.turn)
					return false;
			}
			const asked = 1000 * Number(answer.header("Retry-After")) || 0;
			const ms = Math.min(WAIT_MAX_MS, Math.max(asked, 500 * Math.pow(2, Math.min(this.failures, 6))));
			this.failures++;
			this.chunk = Math.max(CHUNK_MIN, this.chunk / 2);
			this.problem = p;
			/* Not all windows of a whole office at the same moment. */
			const spread = ms * (1 + Math.random() / 5);
			this.again = Date.now() + spread;
			this.become("waiting");
			await wait(spread, (wake) => { this.wake = wake; });
			if (turn !== this.turn)
				return false;
			this.become("sending");
			return true;
		}

		static remove(endpoint, id) {
			const headers = { "Tus-Resumable": "1.0.0" };
			fetch(endpoint + id, { method: "DELETE", headers, keepalive: true }).catch(() => {});
		}

		/* {received, size, state} of an upload, undisturbed; null: there is none; undefined: no answer. */
		static async status(endpoint, id) {
			try {
				const a = await fetch(endpoint + id, { headers: { Accept: "application/json" }, cache: "no-store" });
				return a.ok ? await a.json() : a.status === 404 || a.status === 410 ? null : undefined;
			} catch (e) {
				return undefined;
			}
		}
	}

	window.slipway = window.slipway || {};
	window.slipway.Tus = Tus;
})();
