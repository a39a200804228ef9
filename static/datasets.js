/*
 * The programs on a dataset's page get the address of this site, which the server is not told.
 */
(function () {
	"use strict";
	for (const code of document.querySelectorAll("pre.code code"))
		code.textContent = code.textContent.replaceAll("https://slipway.example", window.location.origin);
})();
