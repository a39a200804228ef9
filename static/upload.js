/*
 * The upload form: dropped files and folders, the list of what is chosen, the bar of the transfer.
 * Without this script the form is an ordinary one.
 */
(function () {
	"use strict";
	const form = document.getElementById("upload");
	if (!form || !window.FormData || !window.DataTransfer)
		return;
	const input = document.getElementById("f-files"), drop = document.getElementById("drop");
	const chosen = document.getElementById("chosen"), list = chosen.querySelector("ul");
	const total = document.getElementById("chosen-total");
	const transfer = document.getElementById("transfer"), bar = document.getElementById("transfer-bar");
	const said = document.getElementById("transfer-text"), errors = document.getElementById("upload-errors");
	const send = document.getElementById("send"), folder = document.getElementById("folder");
	const folderInput = document.getElementById("folder-input");
	const word = form.dataset, max = Number(word.max) || Infinity, maxFiles = Number(word.maxFiles) || Infinity;
	let files = [], request = null;

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

	function sum() {
		return files.reduce((n, f) => n + f.size, 0);
	}

	function show() {
		list.replaceChildren(...files.map((f, i) => {
			const li = document.createElement("li"), name = document.createElement("span"), size = document.createElement("span");
			const remove = document.createElement("button");
			name.className = "name";
			name.textContent = f.webkitRelativePath || f.name;
			size.className = "num help";
			size.textContent = bytes(f.size);
			remove.type = "button";
			remove.className = "plain";
			remove.textContent = word.wordRemove;
			remove.setAttribute("aria-label", word.wordRemove + " " + f.name);
			remove.addEventListener("click", () => {
				files.splice(i, 1);
				show();
				(list.querySelectorAll("button")[Math.min(i, files.length - 1)] || input).focus();
			});
			li.append(name, size, remove);
			return li;
		}));
		chosen.hidden = files.length === 0;
		total.textContent = word.wordTotal + " " + bytes(sum()) +
			(sum() > max || files.length > maxFiles ? " – " + word.wordLarge : "");
	}

	/* The same file chosen twice is one file. */
	function add(more) {
		for (const f of more) {
			if (!files.some((o) => o.name === f.name && o.size === f.size && o.lastModified === f.lastModified))
				files.push(f);
		}
		errors.hidden = true;
		show();
	}

	/* ---- dropping: folders are walked through */

	function entries(reader) {
		return new Promise((resolve, reject) => reader.readEntries(resolve, reject));
	}

	async function walk(entry, out) {
		if (entry.isFile) {
			out.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
			return;
		}
		const reader = entry.createReader();
		for (let some = await entries(reader); some.length > 0 && out.length <= 10000; some = await entries(reader)) {
			for (const e of some)
				await walk(e, out);
		}
	}

	async function dropped(transfer) {
		const items = Array.from(transfer.items || []);
		const found = items.map((i) => (i.webkitGetAsEntry ? i.webkitGetAsEntry() : null)).filter(Boolean);
		if (found.length === 0) {
			add(Array.from(transfer.files));
			return;
		}
		const out = [];
		for (const entry of found)
			await walk(entry, out);
		add(out.filter((f) => f.name !== ".DS_Store" && f.name !== "Thumbs.db"));
	}

	let depth = 0;
	document.addEventListener("dragenter", (e) => {
		if (e.dataTransfer && Array.from(e.dataTransfer.types).includes("Files")) {
			depth++;
			drop.classList.add("over");
		}
	});
	document.addEventListener("dragleave", () => {
		depth = Math.max(0, depth - 1);
		if (depth === 0)
			drop.classList.remove("over");
	});
	document.addEventListener("dragover", (e) => e.preventDefault());
	document.addEventListener("drop", (e) => {
		e.preventDefault();
		depth = 0;
		drop.classList.remove("over");
		if (e.dataTransfer && !request)
			dropped(e.dataTransfer).catch(() => add(Array.from(e.dataTransfer.files)));
	});
	input.addEventListener("change", () => {
		add(Array.from(input.files));
		input.value = "";
	});
	folder.addEventListener("click", () => folderInput.click());
	folderInput.addEventListener("change", () => {
		add(Array.from(folderInput.files));
		folderInput.value = "";
	});
	form.classList.add("scripted");
	form.querySelectorAll(".script").forEach((e) => { e.hidden = false; });

	/* ---- sending */

	function fail(messages) {
		request = null;
		transfer.hidden = true;
		send.disabled = false;
		errors.replaceChildren(...messages.map((m) => {
			const p = document.createElement("p");
			p.textContent = m;
			return p;
		}));
		errors.hidden = false;
		errors.focus();
	}

	function answered() {
		let answer = null;
		try {
			answer = JSON.parse(request.responseText);
		} catch (e) {
			/* Not ours: a proxy's page, or a cut answer. */
		}
		if (request.status === 401) {
			location.assign(word.login);
		} else if (answer && answer.success && answer.url) {
			/* The resume address knows which page comes next. */
			location.assign(answer.url);
		} else if (answer && Array.isArray(answer.errors) && answer.errors.length > 0) {
			fail(answer.errors);
		} else {
			fail([word.wordLost + (request.status ? " (" + request.status + ")" : "")]);
		}
	}

	function progress(e) {
		if (!e.lengthComputable)
			return;
		bar.value = 100 * e.loaded / e.total;
		said.textContent = e.loaded < e.total ?
			bytes(e.loaded) + " / " + bytes(e.total) + " " + word.wordSent : word.wordChecking;
	}

	form.addEventListener("submit", (event) => {
		event.preventDefault();
		if (request)
			return;
		if (files.length === 0) {
			fail([word.wordNone]);
			return;
		}
		const data = new FormData();
		/* The token first: the server may refuse before the files have come. */
		for (const [name, value] of new FormData(form).entries()) {
			if (name !== "files")
				data.append(name, value);
		}
		files.forEach((f) => data.append("files", f, f.name));
		request = new XMLHttpRequest();
		request.open("POST", form.action);
		request.setRequestHeader("Accept", "application/json");
		request.upload.addEventListener("progress", progress);
		request.upload.addEventListener("load", () => {
			bar.removeAttribute("value");
			said.textContent = word.wordChecking;
		});
		request.addEventListener("load", answered);
		request.addEventListener("error", () => fail([word.wordLost]));
		request.addEventListener("abort", () => fail([word.wordCanceled]));
		errors.hidden = true;
		transfer.hidden = false;
		bar.value = 0;
		said.textContent = "";
		send.disabled = true;
		request.send(data);
	});
	document.getElementById("transfer-cancel").addEventListener("click", () => request && request.abort());
	window.addEventListener("beforeunload", (e) => {
		if (request && request.readyState < 4)
			e.preventDefault();
	});
	/* Back from the next page: the browser restores this one as it was. */
	window.addEventListener("pageshow", () => {
		if (request && request.readyState === 4) {
			request = null;
			transfer.hidden = true;
			send.disabled = false;
		}
	});
})();
