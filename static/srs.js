/*
 * The page of the reference system: fields that search while one types (an ARIA combobox), suggestions that fill the field,
 * and a map that shows where the data would lie.
 */
(function () {
	"use strict";
	const form = document.getElementById("srs");
	if (!form || !window.fetch)
		return;
	const word = form.dataset;
	let serial = 0;

	/* Searching is done by the fields themselves; without the button, Enter continues. */
	const search = document.getElementById("search");
	search.hidden = true;
	search.disabled = true;

	/* Who says it is a script is not asked for a password by the browser when the login is over. */
	function get(url) {
		return fetch(url, { headers: { Accept: "application/json", "X-Requested-With": "fetch" }, credentials: "same-origin" });
	}

	/* ---- the combobox */

	function span(tag, text) {
		const e = document.createElement(tag);
		e.textContent = text;
		return e;
	}

	function fitWords(fit) {
		const key = "word" + (fit || "").charAt(0).toUpperCase() + (fit || "").slice(1);
		return word[key] || "";
	}

	function combobox(input, changed) {
		const id = "options-" + serial++, list = document.createElement("ul"), frame = document.createElement("span");
		const said = document.createElement("span");
		let hits = [], active = -1, asked = 0, timer = 0;

		frame.className = "combo";
		input.replaceWith(frame);
		list.id = id;
		list.className = "options";
		list.hidden = true;
		list.setAttribute("role", "listbox");
		list.setAttribute("aria-label", word.wordOptions);
		said.className = "hidden";
		said.setAttribute("role", "status");
		frame.append(input, list, said);
		input.setAttribute("role", "combobox");
		input.setAttribute("aria-autocomplete", "list");
		input.setAttribute("aria-expanded", "false");
		input.setAttribute("aria-controls", id);

		function close() {
			list.hidden = true;
			active = -1;
			input.setAttribute("aria-expanded", "false");
			input.removeAttribute("aria-activedescendant");
		}

		function choose(i) {
			input.value = hits[i].code;
			close();
			changed();
		}

		function move(to) {
			active = (to + hits.length) % hits.length;
			Array.from(list.children).forEach((li, i) => li.setAttribute("aria-selected", String(i === active)));
			input.setAttribute("aria-activedescendant", list.children[active].id);
			list.children[active].scrollIntoView({ block: "nearest" });
		}

		function show(answer) {
			hits = answer.results || [];
			list.replaceChildren(...hits.map((h, i) => {
				const li = document.createElement("li");
				const fit = fitWords(h.fit);
				li.id = id + "-" + i;
				li.setAttribute("role", "option");
				li.setAttribute("aria-selected", "false");
				li.append(span("strong", h.code), " " + h.name);
				if (h.area)
					li.append(span("small", h.area));
				if (h.deprecated)
					li.append(span("em", " " + word.wordReplaced + " " + (h.replaced_by || "")));
				if (fit) {
					const em = span("em", " " + fit);
					em.className = "fit " + h.fit;
					li.append(em);
				}
				li.addEventListener("mousedown", (e) => e.preventDefault());
				li.addEventListener("click", () => choose(i));
				return li;
			}));
			active = -1;
			input.removeAttribute("aria-activedescendant");
			list.hidden = hits.length === 0;
			input.setAttribute("aria-expanded", String(hits.length > 0));
			said.textContent = hits.length > 0 ? answer.total + " " + word.wordFound : word.wordNone;
		}

		async function ask() {
			const mine = ++asked;
			try {
				const answer = await get(word.search + "&limit=20&q=" + encodeURIComponent(input.value.trim()));
				const found = await answer.json();
				if (mine === asked && document.activeElement === input && answer.ok)
					show(found);
			} catch (e) {
				/* The field takes codes without help, too. */
				close();
			}
		}

		input.addEventListener("input", () => {
			clearTimeout(timer);
			timer = setTimeout(ask, 200);
		});
		input.addEventListener("blur", () => setTimeout(close, 100));
		input.addEventListener("change", changed);
		input.addEventListener("keydown", (e) => {
			if (e.key === "ArrowDown" || e.key === "ArrowUp") {
				e.preventDefault();
				if (list.hidden)
					ask();
				else
					move(e.key === "ArrowDown" ? active + 1 : active < 0 ? -1 : active - 1);
			} else if (e.key === "Enter" && !list.hidden && active >= 0) {
				e.preventDefault();
				choose(active);
			} else if (e.key === "Escape" && !list.hidden) {
				e.preventDefault();
				asked++;
				close();
			}
		});
	}

	/* ---- the map of one layer */

	function mapOf(box) {
		if (!box || !window.L)
			return () => {};
		let map = null, shown = null, note = null, asked = 0;

		function begin() {
			box.hidden = false;
			map = L.map(box, { attributionControl: false, zoomControl: false, scrollWheelZoom: false });
			L.control.zoom().addTo(map);
			if (word.tiles)
				L.tileLayer(word.tiles, { maxZoom: 19 }).addTo(map);
			map.setView([20, 0], 1);
			graticule(map);
			note = document.createElement("p");
			note.className = "help";
			note.setAttribute("role", "status");
			box.after(note);
		}

		return async function (srs) {
			const mine = ++asked;
			if (!map)
				begin();
			try {
				const as = srs && srs !== "file" ? "&srs=" + encodeURIComponent(srs) : "";
				let answer = await get(word.preview + "&layer=" + box.dataset.layer + as);
				/* A page of many layers asks more than one may have at once. */
				for (let again = 0; answer.status === 429 && mine === asked && again < 60; again++) {
					await new Promise((done) => setTimeout(done, 1000));
					answer = await get(word.preview + "&layer=" + box.dataset.layer + as);
				}
				const geojson = await answer.json();
				if (mine !== asked)
					return;
				if (shown)
					shown.remove();
				shown = null;
				if (answer.status === 404) {
					/* A table: its points are made by the import. */
					box.hidden = true;
					return;
				}
				box.hidden = false;
				map.invalidateSize();
				if (!answer.ok || !geojson.features)
					throw new Error(String(answer.status));
				shown = L.geoJSON(geojson, {
					style: { color: "#a6231b", weight: 2, fillOpacity: 0.2 },
					pointToLayer: (f, at) => L.circleMarker(at, { radius: 4, color: "#a6231b", weight: 2, fillOpacity: 0.6 }),
				}).addTo(map);
				const b = shown.getBounds();
				if (!b.isValid() || b.getSouth() < -90 || b.getNorth() > 90 || b.getWest() < -540 || b.getEast() > 540)
					throw new Error("nothing to see");
				map.fitBounds(b, { padding: [10, 10], maxZoom: 12 });
				note.textContent = "";
			} catch (e) {
				if (shown)
					shown.remove();
				shown = null;
				if (mine === asked)
					note.textContent = word.wordNomap;
			}
		};
	}

	/* Without a ground map, lines every ten degrees say where on earth one is. */
	function graticule(map) {
		const style = { color: "#fff", weight: 1, opacity: 0.8, interactive: false };
		for (let d = -180; d <= 180; d += 15)
			L.polyline([[-85, d], [85, d]], style).addTo(map);
		for (let d = -75; d <= 75; d += 15)
			L.polyline([[d, -180], [d, 180]], style).addTo(map);
	}

	/* ---- each layer */

	form.querySelectorAll("fieldset.layer").forEach((layer) => {
		const input = layer.querySelector("input.source");
		if (!input)
			return;
		const radios = Array.from(layer.querySelectorAll(".radios input"));
		const draw = mapOf(layer.querySelector(".map"));

		function changed() {
			radios.forEach((r) => { r.checked = r.value === input.value.trim(); });
			draw(input.value.trim());
		}

		combobox(input, changed);
		radios.forEach((r) => r.addEventListener("change", () => {
			input.value = r.value;
			changed();
		}));
		/* A radio would win over what was typed since. */
		input.addEventListener("input", () => radios.forEach((r) => { r.checked = false; }));
		changed();
	});
	const target = document.getElementById("f-target");
	if (target)
		combobox(target, () => {});
})();
