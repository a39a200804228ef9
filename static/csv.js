/*
 * The table page: chosen columns are marked in the preview, "Preview again" replaces only the preview and the choices that
 * depend on it, and unchanged column fields stay at home (a wide table would have too many for one form).
 */
(function () {
	"use strict";
	const form = document.getElementById("csv");
	if (!form)
		return;
	const word = form.dataset, again = document.getElementById("again"), state = document.getElementById("again-state");
	let plain = false;

	function chosen() {
		const on = form.querySelector("input[name=geometry]:checked");
		return on ? on.value : "latlng";
	}

	/* Columns of the preview are named as in the selects' values or as in their texts. */
	function mark() {
		const table = document.getElementById("preview-table");
		if (!table)
			return;
		const mode = chosen(), heads = Array.from(table.tHead.rows[0].cells);
		const wanted = mode === "latlng" ? { "f-lat": "is-lat", "f-lng": "is-lng" } : mode === "column" ? { "f-geom_column": "is-geometry" } : {};
		table.querySelectorAll(".is-lat, .is-lng, .is-geometry").forEach((c) => c.classList.remove("is-lat", "is-lng", "is-geometry"));
		for (const [id, name] of Object.entries(wanted)) {
			const select = document.getElementById(id), option = select.selectedOptions[0];
			if (!option || option.value === "")
				continue;
			/* The first option is "none". */
			let at = heads.findIndex((h) => h.dataset.column === option.value || h.dataset.column === option.textContent);
			if (at < 0 && select.options.length === heads.length)
				at = select.selectedIndex;
			if (at > 0)
				for (const row of table.rows)
					if (row.cells[at])
						row.cells[at].classList.add(name);
		}
		form.querySelectorAll("[data-for]").forEach((e) => { e.hidden = e.dataset.for !== mode; });
	}

	/* Choosing a column says which kind of place is meant. */
	form.addEventListener("change", mark);

	/* ---- preview again, without leaving the page */

	function replace(fresh, selector) {
		const old = document.querySelector(selector), now = fresh.querySelector(selector);
		if (old && now)
			old.replaceWith(document.importNode(now, true));
	}

	async function preview() {
		const data = new URLSearchParams(new FormData(form));
		data.set("action", "preview");
		again.disabled = true;
		state.textContent = word.wordWait;
		try {
			const answer = await fetch(form.action, { method: "POST", body: data, headers: { Accept: "text/html", "X-Requested-With": "fetch" }, credentials: "same-origin" });
			/* Somewhere else: the file is still being read, or it failed. */
			if (answer.redirected) {
				location.assign(answer.url);
				return;
			}
			const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
			if (!fresh.getElementById("csv") || answer.status >= 500)
				throw new Error("no page");
			["#f-geometry", "#preview", "#columns-more", "input[name=rev]"].forEach((s) => replace(fresh, s));
			open_columns();
			const problems = fresh.getElementById("errors"), old = document.getElementById("errors");
			if (old)
				old.remove();
			if (problems)
				form.before(document.importNode(problems, true));
			state.textContent = problems ? "" : word.wordDone;
			mark();
		} catch (e) {
			/* The ordinary way, with its own page. */
			plain = true;
			again.disabled = false;
			again.click();
		} finally {
			again.disabled = false;
		}
	}

	again.addEventListener("click", (e) => {
		if (!plain && window.fetch && window.DOMParser) {
			e.preventDefault();
			preview();
		}
	});

	/* ---- only what was changed is sent */

	/* Without this script very many columns stay as they are. */
	function open_columns() {
		document.querySelector("#columns-more fieldset").disabled = false;
	}

	function unchanged(field) {
		if (field.type === "checkbox")
			return field.checked && field.defaultChecked;
		if (field.tagName === "SELECT")
			return field.options.length === 0 || field.selectedOptions[0].defaultSelected;
		return field.value === field.defaultValue;
	}

	form.addEventListener("submit", () => {
		const rows = Array.from(form.querySelectorAll("#columns-more tbody tr"));
		if (rows.length <= 200)
			return;
		rows.forEach((row) => {
			const fields = Array.from(row.querySelectorAll("input, select"));
			const use = fields.filter((f) => f.name.endsWith("_use"));
			fields.filter((f) => !f.name.endsWith("_use")).forEach((f) => { f.disabled = unchanged(f); });
			if (use.length === 2 && use[1].checked && use[1].defaultChecked)
				use.forEach((f) => { f.disabled = true; });
		});
	});
	window.addEventListener("pageshow", () => {
		form.querySelectorAll("#columns-more [disabled]").forEach((f) => { f.disabled = false; });
	});
	open_columns();
	mark();
})();
