/*
 * The self-test's second table: requests from outside, one after the other, each with one line.  A CGI program cannot ask
 * itself without waiting for itself; this page can.
 */
(function () {
	"use strict";
	const table = document.getElementById("probes"), state = document.getElementById("state");
	if (!table || !window.fetch)
		return;
	const data = table.dataset;
	const words = new Map(JSON.parse(document.getElementById("probe-words").textContent).map((p) => [p.id, p]));
	const settings = JSON.parse(document.getElementById("probe-settings").textContent);
	const KIB = 1024, MIB = 1024 * KIB;

	function line(id, verdict, args) {
		const p = words.get(id), row = table.tBodies[0].insertRow();
		const head = document.createElement("th");
		head.scope = "row";
		head.textContent = p.title;
		row.className = verdict;
		row.append(head);
		row.insertCell().textContent = data["word" + verdict[0].toUpperCase() + verdict.slice(1)];
		row.insertCell().textContent = p[verdict].replace(/\{(\w+)[^}]*\}/g, (all, name) => (args && name in args ? args[name] : ""));
	}

	/* {status, echo}: status 0 = the connection broke; echo null = it was not Slipway that answered. */
	async function ask(method, query, headers, body) {
		try {
			const r = await fetch(data.echo + query, { method, headers: Object.assign({ Accept: "application/json", "X-Requested-With": "fetch" }, headers), body,
				credentials: "same-origin", cache: "no-store" });
			const ours = r.headers.get("X-Slipway") === "1";
			const text = await r.text();
			let echo = null;
			if (ours && r.status === 200 && method !== "HEAD")
				echo = query.startsWith("?file=") ? { text } : JSON.parse(text);
			return { status: r.status, ours, echo, date: r.headers.get("Date"), method: r.headers.get("X-Slipway-Method"), text };
		} catch (e) {
			return { status: 0, ours: false, echo: null, text: "" };
		}
	}

	async function act(what, more) {
		const body = new URLSearchParams(Object.assign({ do: what, csrfmiddlewaretoken: data.csrf }, more));
		const r = await fetch(data.do, { method: "POST", body, headers: { Accept: "application/json", "X-Requested-With": "fetch" }, credentials: "same-origin" });
		return r.ok ? r.json() : {};
	}

	async function mount() {
		const a = await ask("GET", "", {});
		const right = a.echo && a.echo.mount + a.echo.path === decodeURIComponent(new URL(data.echo, location.href).pathname);
		line("mount", right ? "ok" : "fail");
		if (!a.echo)
			return;
		const apart = Math.round((Date.now() - a.echo.now) / 1000);
		line("clock", Math.abs(apart) <= 60 ? "ok" : "warn", { seconds: apart });
	}

	async function body(id, size, bad) {
		const a = await ask("POST", "", { "Content-Type": "application/octet-stream" }, new Blob([new Uint8Array(size)]));
		const good = a.echo && a.echo.bytes === size;
		line(id, good ? "ok" : bad, { status: a.status });
		return good;
	}

	/* Larger ones than the first that is refused are not worth the wait. */
	async function bodies() {
		for (const [id, size, bad] of [["body_128k", 128 * KIB, "fail"], ["body_1m", MIB, "fail"], ["body_8m", 8 * MIB, "fail"],
			["body_64m", 64 * MIB, "warn"]]) {
			if (!await body(id, size, bad))
				return;
		}
	}

	async function methods() {
		for (const method of ["PUT", "PATCH", "DELETE", "HEAD"]) {
			const a = await ask(method, "", {});
			line(method.toLowerCase(), a.ours && a.method === method ? "ok" : "fail", { status: a.status });
		}
	}

	async function headers() {
		let a = await ask("GET", "", { Authorization: "Probe 1" });
		line("authorization", a.echo && a.echo.authorization ? "ok" : "warn");
		for (const [id, size, bad] of [["header_4k", 4000, "fail"], ["header_8k", 8000, "warn"], ["header_16k", 15900, "warn"]]) {
			a = await ask("GET", "", { "X-Slipway-Probe": "x".repeat(size) });
			line(id, a.echo && a.echo.header === size ? "ok" : bad, { status: a.status });
		}
	}

	async function answers() {
		let a = await ask("POST", "?early=1", { "Content-Type": "application/octet-stream" }, new Blob([new Uint8Array(MIB)]));
		line("early", a.echo ? "ok" : "warn", { status: a.status });
		if (!settings.interim)
			return;
		a = await ask("GET", "?interim=1", {});
		line("interim", a.echo ? "ok" : "fail", { status: a.status });
	}

	async function reachable() {
		const probe = await act("probe_begin");
		if (!probe.word) {
			line("data", "warn");
			return;
		}
		let found = "";
		for (const address of probe.addresses) {
			const r = await fetch(address, { credentials: "omit", cache: "no-store" }).catch(() => null);
			if (r && (await r.text()).includes(probe.word))
				found = new URL(address, location.href).href;
		}
		line("data", found ? "fail" : "ok", { address: found });
		if (settings.sendfile) {
			const a = await ask("GET", "?file=" + probe.word, {});
			line("sendfile", a.text === probe.word ? "ok" : "fail", { status: a.status });
		}
		await act("probe_end", { word: probe.word });
	}

	async function outlives() {
		const begun = await act("hold_begin");
		await new Promise((done) => setTimeout(done, 3000));
		const end = await act("hold_end");
		if (begun.started)
			line("outlives", end.alive && settings.slices ? "warn" : !end.alive && settings.spawn ? "fail" : "ok");
	}

	async function run() {
		state.textContent = data.wordWorking;
		table.hidden = false;
		for (const probe of [mount, bodies, methods, headers, answers, reachable, outlives])
			await probe();
		state.textContent = data.wordDone;
	}

	run().catch((e) => { state.textContent = String(e); });
})();
