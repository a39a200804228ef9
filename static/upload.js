/*
 * The upload form: the list of what is chosen, sent by tus in pieces that survive lost connections and reloads, then
 * the form itself with the uploads' ids.  A server without tus gets the files in one request.  Without this script
 * the form is an ordinary one.
 */
(function () {
	"use strict";
	const form = document.getElementById("upload");
	if (!form || !window.FormData || !window.DataTransfer || !window.slipway)
		return;
	const at = (id) => document.getElementById(id);
	const input = at("f-files"), chosen = at("chosen"), list = chosen.querySelector("ul"), total = at("chosen-total");
	const transfer = at("transfer"), bar = at("transfer-bar"), figures = at("transfer-text"), said = at("transfer-said");
	const pause = at("transfer-pause"), cancel = at("transfer-cancel"), errors = at("upload-errors"), send = at("send");
	const word = form.dataset, max = Number(word.max) || Infinity, maxFiles = Number(word.maxFiles) || Infinity;
	const kept = new slipway.Kept(word.owner + " " + word.tus);
	const AT_ONCE = 3;
	let items = [];              /* {file, path, size, name, tus, li, bar, text} in the order chosen; file null: there already */
	let phase = "choosing";      /* "sending", "paused", "posting" (the form itself) */
	let request = null, spoken = -1;

	function bytes(n) {
		const units = ["KB", "MB", "GB", "TB"];
		if (n < 1024)
			return n + "\u00a0B";
		let u = -1;
		do {
			n /= 1024;
			u++;
		} while (n >= 1024 && u + 1 < units.length);
		return n.toFixed(1) + "\u00a0" + units[u];
	}

	function element(tag, className, text) {
		const e = document.createElement(tag);
		e.className = className;
		e.textContent = text;
		return e;
	}

	function button(text, about, action) {
		const b = element("button", "plain", text);
		b.type = "button";
		b.append(element("span", "hidden", " " + about));
		b.addEventListener("click", action);
		return b;
	}

	function write(e, text) {
		/* The same said again would be read aloud again. */
		if (e.textContent !== text)
			e.textContent = text;
	}

	const sum = (what) => items.reduce((n, i) => n + what(i), 0);
	const sent = (i) => Math.min(i.tus.state === "done" ? i.size : i.tus.sent, i.size);

	/* ---- the list */

	function row(item) {
		const name = item.path || item.name;
		item.li = document.createElement("li");
		item.bar = document.createElement("progress");
		item.bar.max = 100;
		item.bar.setAttribute("aria-label", name);
		item.bar.hidden = true;
		item.text = element("span", "num help", bytes(item.size));
		item.li.append(element("span", "name", name), item.text, button(word.wordRemove, name, () => remove(item)), item.bar);
		list.append(item.li);
	}

	function add_item(file, path, about, id) {
		const item = { file, path, name: about.name, size: about.size };
		item.tus = new slipway.Tus(file, { endpoint: word.tus, path, id });
		item.tus.changed = () => moved(item);
		items.push(item);
		row(item);
		return item;
	}

	/* The same file chosen twice is one file; one that was begun before goes on. */
	function add(more) {
		if (phase === "posting")
			return;
		for (const [file, path] of more) {
			if (items.some((o) => o.file && o.path === path && o.file.name === file.name && o.size === file.size &&
			    o.file.lastModified === file.lastModified))
				continue;
			const entry = kept.find(file, path);
			if (!entry || !items.some((o) => o.tus.id === entry.id))
				add_item(file, path, file, entry && entry.id);
		}
		errors.hidden = true;
		show_kept();
		show();
		pump();
	}

	function remove(item) {
		const i = items.indexOf(item);
		if (i < 0 || phase === "posting")
			return;
		if (item.tus.id)
			kept.forget(item.tus.id);
		items.splice(i, 1);
		item.tus.changed = () => {};
		if (!item.elsewhere)
			item.tus.discard();
		item.li.remove();
		(list.querySelectorAll("button")[Math.min(i, items.length - 1)] || input).focus();
		if (items.length === 0 && phase !== "choosing")
			rest();
		show_kept();
		show();
		pump();
	}

	function show() {
		const size = sum((i) => i.size), over = size > max || items.length > maxFiles;
		chosen.hidden = items.length === 0;
		write(total, word.wordTotal + " " + bytes(size) + (over ? " – " + word.wordLarge : ""));
		if (phase === "choosing")
			return;
		const done = sum(sent), percent = size > 0 ? Math.floor(100 * done / size) : 100;
		if (phase !== "posting")
			bar.value = percent;
		write(figures, bytes(done) + " / " + bytes(size) + " " + word.wordSent + " · " +
			word.wordFiles.replace("#", items.filter((i) => i.tus.state === "done").length + " / " + items.length));
		say(percent);
	}

	/* Listeners get every tenth percent, and what happens besides. */
	function say(percent) {
		const waiting = items.find((i) => i.tus.state === "waiting");
		/* Seen is what the figures do not show anyway. */
		said.classList.toggle("hidden", phase === "posting" || !waiting);
		if (phase === "posting") {
			write(said, word.wordChecking);
		} else if (phase === "paused") {
			write(said, word.wordPaused);
		} else if (waiting) {
			write(said, word.wordWaiting);
		} else if (spoken !== Math.floor(percent / 10) || said.textContent === word.wordWaiting) {
			spoken = Math.floor(percent / 10);
			write(said, 10 * spoken + " % " + word.wordSent);
		}
	}

	const states = {
		idle: (i) => bytes(i.size),
		sending: (i) => bytes(sent(i)) + " / " + bytes(i.size),
		waiting: (i) => word.wordAgain.replace("#", Math.max(1, Math.round((i.tus.again - Date.now()) / 1000))),
		paused: (i) => bytes(sent(i)) + " / " + bytes(i.size) + " · " + word.wordPaused,
		done: (i) => bytes(i.size) + " · " + word.wordArrived,
		failed: (i) => bytes(i.size) + " · " + word.wordFailed,
		refused: (i) => bytes(i.size),
	};

	function moved(item) {
		const { tus } = item;
		write(item.text, states[tus.state](item));
		item.bar.hidden = ["idle", "refused", "done", "failed"].includes(tus.state);
		item.li.classList.toggle("bad", tus.state === "failed");
		item.bar.value = item.size > 0 ? 100 * sent(item) / item.size : 100;
		if (tus.id && item.file && (tus.id !== item.known || tus.offset !== item.stored || tus.state !== item.state)) {
			if (item.known && item.known !== tus.id)
				kept.forget(item.known);
			kept.put(item.file, item.path, tus, tus.state === "sending" || tus.state === "waiting");
			[item.known, item.stored, item.state] = [tus.id, tus.offset, tus.state];
		}
		pump();
		show();
	}

	/* ---- sending */

	let pumping = false;

	/* Start what may start; when nothing is left to send, the form goes. */
	function pump() {
		if (phase !== "sending" || pumping)
			return;
		pumping = true;
		let busy = items.filter((i) => ["sending", "waiting"].includes(i.tus.state)).length;
		/* The first answer may say who an anonymous visitor is from now on: the others wait for it. */
		const most = items.some((i) => i.tus.id) ? AT_ONCE : 1;
		for (const i of items) {
			if (busy < most && (i.tus.state === "idle" || i.tus.state === "paused")) {
				i.tus.start();
				busy++;
			}
		}
		pumping = false;
		if (items.some((i) => i.tus.state === "refused")) {
			post();
		} else if (busy === 0 && items.length > 0) {
			if (items.every((i) => i.tus.state === "done"))
				post();
			else
				fail_files(items.filter((i) => i.tus.state === "failed"));
		}
	}

	function fail_files(failed) {
		if (failed.some((i) => i.tus.problem.status === 401)) {
			fail([word.wordLogin], word.login);
			return;
		}
		const reasons = { unreadable: word.wordUnreadable, ERR_DISPLACED: word.wordDisplaced };
		fail(failed.map((i) => {
			const p = i.tus.problem;
			return (i.path || i.name) + ": " + (reasons[p.code] || p.text || word.wordFailed + " (" + p.status + ")");
		}));
	}

	/* Nothing is under way; what arrived stays. */
	function rest() {
		phase = "choosing";
		transfer.hidden = true;
		send.disabled = false;
		write(said, "");
	}

	function fail(messages, link) {
		rest();
		errors.replaceChildren(...messages.map((m) => element("p", "", m)));
		if (link) {
			const a = element("a", "", word.wordLoginLink);
			a.href = link;
			a.target = "_blank";
			errors.append(a);
		}
		errors.hidden = false;
		errors.focus();
	}

	/* The form itself, with the ids of what arrived; where tus is refused, with the files. */
	function post() {
		const plain = items.filter((i) => i.tus.state !== "done");
		phase = "posting";
		plain.forEach((i) => i.tus.pause());
		const data = new FormData();
		/* The token first: the server may refuse before the files have come. */
		for (const [name, value] of new FormData(form).entries()) {
			if (name !== "files")
				data.append(name, value);
		}
		items.filter((i) => i.tus.state === "done").forEach((i) => data.append("upload", i.tus.id));
		/* What other programs sent may have other uses. */
		data.append("upload_own", String(!items.some((i) => i.elsewhere)));
		plain.forEach((i) => data.append("files", i.file, i.name));
		request = new XMLHttpRequest();
		request.open("POST", form.action);
		request.setRequestHeader("Accept", "application/json");
		/* The page tells that the login is over; the browser need not ask for a password. */
		request.setRequestHeader("X-Requested-With", "fetch");
		if (plain.length > 0)
			request.upload.addEventListener("progress", progress);
		request.upload.addEventListener("load", checking);
		request.addEventListener("load", answered);
		request.addEventListener("error", () => fail([plain.length > 0 ? word.wordLost : word.wordAgainLater]));
		request.addEventListener("abort", () => fail([word.wordCanceled]));
		pause.hidden = true;
		show();
		request.send(data);
	}

	function progress(e) {
		if (e.lengthComputable && e.loaded < e.total) {
			bar.value = 100 * e.loaded / e.total;
			write(figures, bytes(e.loaded) + " / " + bytes(e.total) + " " + word.wordSent);
		}
	}

	function checking() {
		bar.removeAttribute("value");
		write(figures, word.wordChecking);
	}

	function answered() {
		let answer = null;
		try {
			answer = JSON.parse(request.responseText);
		} catch (e) {
			/* Not ours: a proxy's page, or a cut answer. */
		}
		if (request.status === 401) {
			fail([word.wordLogin], word.login);
		} else if (answer && answer.url) {
			items.forEach((i) => i.tus.id && kept.forget(i.tus.id));
			/* Kept, whether it could be looked at or not: the resume address knows which page comes next. */
			location.assign(answer.url);
		} else if (answer && Array.isArray(answer.errors) && answer.errors.length > 0) {
			renew(answer.details || []);
			fail(answer.errors);
		} else {
			fail([word.wordAgainLater + (request.status ? " (" + request.status + ")" : "")]);
		}
	}

	/* Uploads the server has forgotten meanwhile are made anew by the next try. */
	function renew(details) {
		for (const d of details) {
			const item = items.find((i) => i.tus.id && i.tus.id === d.value);
			if (!item || d.code !== "upload_unknown")
				continue;
			kept.forget(item.tus.id);
			item.tus.discard();
			if (item.file === null)
				remove(item);
		}
	}

	form.addEventListener("submit", (event) => {
		event.preventDefault();
		if (phase !== "choosing")
			return;
		if (items.length === 0) {
			fail([word.wordNone]);
			return;
		}
		if (sum((i) => i.size) > max || items.length > maxFiles) {
			fail([word.wordLarge]);
			return;
		}
		errors.hidden = true;
		transfer.hidden = false;
		pause.hidden = false;
		write(pause, word.wordPause);
		send.disabled = true;
		spoken = -1;
		go();
	});

	/* Those that failed get another try, too. */
	function go() {
		phase = "sending";
		items.filter((i) => ["failed", "refused"].includes(i.tus.state)).forEach((i) => i.tus.stop("idle"));
		pump();
		show();
	}

	pause.addEventListener("click", () => {
		if (phase === "sending") {
			phase = "paused";
			items.forEach((i) => i.tus.pause());
			write(pause, word.wordContinue);
			show();
		} else if (phase === "paused") {
			write(pause, word.wordPause);
			go();
		}
	});
	cancel.addEventListener("click", () => {
		if (phase === "posting" && request) {
			request.abort();
			return;
		}
		phase = "choosing";
		for (const i of items.filter((o) => !o.elsewhere)) {
			if (i.tus.id)
				kept.forget(i.tus.id);
			i.tus.discard();
		}
		items.filter((i) => i.file === null && !i.elsewhere).forEach(remove);
		fail([word.wordCanceled]);
		show();
	});

	/* ---- unfinished ones of before */

	const keptBox = at("kept"), keptList = keptBox.querySelector("ul");
	let keptNow = "";

	function show_kept() {
		const entries = kept.idle().filter((e) => !items.some((i) => i.tus.id === e.id));
		const now = JSON.stringify(entries);
		if (now === keptNow)
			return;
		keptNow = now;
		keptBox.hidden = entries.length === 0;
		keptList.replaceChildren(...entries.map((e) => {
			const li = document.createElement("li"), name = e.path || e.name;
			const much = e.done ? bytes(e.size) + " · " + word.wordArrived : bytes(e.sent) + " / " + bytes(e.size);
			li.append(element("span", "name", name), element("span", "num help", much));
			if (e.done) {
				li.append(button(word.wordTake, name, () => {
					add_item(null, e.path, e, e.id).tus.become("done");
					show();
				}));
			}
			li.append(button(word.wordDiscard, name, () => discard([e])));
			return li;
		}));
	}

	function discard(entries) {
		for (const e of entries) {
			kept.forget(e.id);
			slipway.Tus.remove(word.tus, e.id);
		}
		show_kept();
		input.focus();
	}

	/* The server's word counts: what it has forgotten is not offered. */
	async function look() {
		for (const e of kept.idle().slice(0, 50)) {
			const there = await slipway.Tus.status(word.tus, e.id);
			if (there === null || (there && there.size >= 0 && there.size !== e.size))
				kept.forget(e.id);
		}
		show_kept();
	}

	at("kept-discard").addEventListener("click", () =>
		discard(kept.idle().filter((e) => !items.some((i) => i.tus.id === e.id))));

	/* ---- the window comes and goes */

	window.addEventListener("beforeunload", (e) => {
		if (phase === "sending" || (request && request.readyState < 4))
			e.preventDefault();
	});
	window.addEventListener("pagehide", () => {
		items.forEach((i) => i.file && i.tus.id && i.tus.state !== "done" && kept.put(i.file, i.path, i.tus, false));
	});
	/* Back from the next page: the browser restores this one as it was. */
	window.addEventListener("pageshow", (e) => {
		if (e.persisted && request && request.readyState === 4) {
			request = null;
			rest();
		}
	});
	/* The waiting count down; whoever sends says that he still does. */
	setInterval(() => {
		for (const i of items) {
			if (i.tus.state === "waiting")
				write(i.text, states.waiting(i));
			if (i.tus.id && i.file && ["sending", "waiting"].includes(i.tus.state) && Date.now() - (i.told || 0) > 5000) {
				i.told = Date.now();
				kept.put(i.file, i.path, i.tus, true);
			}
		}
		show_kept();
	}, 1000);

	form.classList.add("scripted");
	form.querySelectorAll(".script").forEach((e) => { e.hidden = false; });
	/* What the address named is chosen like any other file; taking it from the list leaves it where it is. */
	form.querySelectorAll("#there input").forEach((box) => {
		const item = add_item(null, "", { name: box.dataset.name, size: Number(box.dataset.size) }, box.value);
		item.elsewhere = true;
		item.tus.become("done");
	});
	if (at("there"))
		at("there").remove();
	slipway.drop(at("drop"), add);
	look();
})();
