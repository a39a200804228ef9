/*
 * The dataset's map: a sample of its features, or its picture, on the ground that the site has configured.
 */
(function () {
	"use strict";
	const box = document.getElementById("map");
	if (!box || !window.L)
		return;

	function json(id) {
		const e = document.getElementById(id);
		try {
			return e ? JSON.parse(e.textContent) : null;
		} catch (x) {
			return null;
		}
	}

	function bounds(b) {
		return Array.isArray(b) && b.length === 4 && b.every(Number.isFinite) ? L.latLngBounds([b[1], b[0]], [b[3], b[2]]) : null;
	}

	function sorry() {
		map.remove();
		box.classList.add("failed");
		box.textContent = box.dataset.wordFailed;
	}

	const extent = bounds(json("map-extent")), picture = bounds(json("map-bounds"));
	const map = L.map(box, { attributionControl: false, zoomControl: false, worldCopyJump: true });
	L.control.zoom({ zoomInTitle: box.dataset.wordIn, zoomOutTitle: box.dataset.wordOut }).addTo(map);
	L.control.scale({ imperial: false }).addTo(map);
	if (box.dataset.tiles)
		L.tileLayer(box.dataset.tiles, { maxZoom: 19 }).addTo(map);

	function fit(b) {
		if (b && b.isValid())
			map.fitBounds(b.getNorthEast().equals(b.getSouthWest()) ? b.pad(0.5) : b, { padding: [12, 12], maxZoom: 15 });
		else
			map.setView([20, 0], 1);
	}

	function popup(properties) {
		const dl = document.createElement("dl");
		Object.entries(properties || {}).slice(0, 20).forEach(([k, v]) => {
			const dt = document.createElement("dt"), dd = document.createElement("dd");
			dt.textContent = k;
			dd.textContent = v === null ? "" : String(v);
			dl.append(dt, dd);
		});
		dl.className = "facts";
		return dl;
	}

	fit(extent || picture);
	if (box.dataset.type === "raster") {
		const overlay = L.imageOverlay(box.dataset.image, picture || extent, { alt: "" });
		overlay.on("error", sorry);
		if (picture || extent)
			overlay.addTo(map);
		else
			sorry();
		return;
	}
	fetch(box.dataset.geojson, { headers: { "X-Requested-With": "fetch" }, credentials: "same-origin" }).then((r) => {
		if (!r.ok)
			throw new Error(String(r.status));
		return r.json();
	}).then((geojson) => {
		const layer = L.geoJSON(geojson, {
			style: { color: "#0b5f87", weight: 2, fillOpacity: 0.25 },
			pointToLayer: (f, at) => L.circleMarker(at, { radius: 5, color: "#0b5f87", weight: 2, fillOpacity: 0.6 }),
			onEachFeature: (f, l) => {
				if (f.properties && Object.keys(f.properties).length > 0)
					l.bindPopup(() => popup(f.properties), { maxHeight: 220 });
			},
		}).addTo(map);
		if (!extent)
			fit(layer.getBounds());
	}).catch(sorry);
})();
