/*
 * Where files come from: the file box, the folder box, what is dropped anywhere on the page.  Folders are walked through.
 *
 *   slipway.drop(zone, chosen)      chosen([[file, path]…]); path "" for a file without a folder
 */
(function () {
	"use strict";
	const MOST = 10000;      /* files of one drop */

	function is_junk(path) {
		return /(^|\/)(\.DS_Store|Thumbs\.db|desktop\.ini|\._[^/]*)$/i.test(path) || /(^|\/)__MACOSX\//.test(path);
	}

	function some_of(reader) {
		return new Promise((resolve, reject) => reader.readEntries(resolve, reject));
	}

	async function walk(entry, out) {
		if (entry.isFile) {
			const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
			const path = entry.fullPath.replace(/^\/+/, "");
			out.push([file, path.includes("/") ? path : ""]);
			return;
		}
		const reader = entry.createReader();
		for (let some = await some_of(reader); some.length > 0 && out.length < MOST; some = await some_of(reader)) {
			for (const e of some)
				await walk(e, out);
		}
	}

	function plain(files) {
		return Array.from(files, (f) => [f, f.webkitRelativePath || ""]);
	}

	async function dropped(transfer) {
		const entries = Array.from(transfer.items || [], (i) => (i.webkitGetAsEntry ? i.webkitGetAsEntry() : null));
		const files = plain(transfer.files), out = [];
		try {
			for (const entry of entries.filter(Boolean))
				await walk(entry, out);
		} catch (e) {
			return files;      /* a folder that cannot be read: at least the rest */
		}
		return out.length > 0 ? out : files;
	}

	function drop(zone, chosen) {
		const give = (list) => chosen(list.filter(([file, path]) => !is_junk(path || file.name)));
		const input = document.getElementById("f-files"), folder = document.getElementById("folder-input");
		let depth = 0;

		document.addEventListener("dragenter", (e) => {
			if (e.dataTransfer && Array.from(e.dataTransfer.types).includes("Files")) {
				depth++;
				zone.classList.add("over");
			}
		});
		document.addEventListener("dragleave", () => {
			depth = Math.max(0, depth - 1);
			if (depth === 0)
				zone.classList.remove("over");
		});
		document.addEventListener("dragover", (e) => e.preventDefault());
		document.addEventListener("drop", (e) => {
			e.preventDefault();
			depth = 0;
			zone.classList.remove("over");
			if (e.dataTransfer)
				dropped(e.dataTransfer).then(give);
		});
		for (const box of [input, folder]) {
			box.addEventListener("change", () => {
				give(plain(box.files));
				box.value = "";
			});
		}
		document.getElementById("folder").addEventListener("click", () => folder.click());
	}

	window.slipway = window.slipway || {};
	window.slipway.drop = drop;
})();
