/*
 * The progress page asks for news by itself and moves on when the work has ended.
 */
(function () {
	"use strict";
	const card = document.getElementById("progress");
	if (!card || !window.fetch)
		return;
	const bar = document.getElementById("bar"), message = document.getElementById("message"), layer = document.getElementById("layer");
	const percent = document.getElementById("percent"), rows = document.getElementById("rows");
	let failures = 0, last = "";

	function later(ms) {
		setTimeout(poll, Math.min(Math.max(Number(ms) || 1000, 300), 10000));
	}

	function text(element, value) {
		/* A status that says the same again would be read aloud again. */
		if (element.textContent !== value)
			element.textContent = value;
	}

	function show(news) {
		const done = news.progress > 0 ? news.progress.toLocaleString() : "";
		bar.value = news.percent;
		text(message, news.message);
		text(layer, news.layer || "");
		/* Listeners get every tenth percent, the bar all of them. */
		const tenth = Math.floor(news.percent / 10) * 10 + " %";
		if (tenth !== last)
			text(percent, news.percent + " %");
		last = tenth;
		const words = news.unit !== "rows" ? "" : news.total > 0 ? card.dataset.wordRowsOf.replace("##", news.total.toLocaleString()) : card.dataset.wordRows;
		text(rows, done && words.replace("#", done));
	}

	async function poll() {
		try {
			/* Who says it is a script is not asked for a password by the browser when the login is over. */
			const asked = { headers: { Accept: "application/json", "X-Requested-With": "fetch" }, credentials: "same-origin", cache: "no-store" };
			const answer = await fetch(card.dataset.poll, asked);
			if (answer.status === 401 || answer.status === 404 || answer.status === 410) {
				location.assign(card.dataset.next);
				return;
			}
			const news = await answer.json();
			failures = 0;
			if (news.state !== "RUNNING") {
				/* The address that always knows the next page. */
				location.replace(card.dataset.next);
				return;
			}
			show(news);
			later(news.poll_after_ms);
		} catch (e) {
			/* The network is away for a moment: the work is not. */
			failures++;
			later(1000 * Math.pow(2, Math.min(failures, 4)));
		}
	}

	/* The answer's Refresh field is for browsers without scripts: stopping the page ends it, and the reading aloud of it anew. */
	window.addEventListener("load", () => setTimeout(() => window.stop(), 50));
	later(card.dataset.after);
})();
