// Drives tus-js-client in Node, unchanged: node tus.mjs NODE_MODULES JSON
// JSON: {endpoint, token, file, options, stopAt, terminate}; prints {url, events, error, requests} as JSON.
import { createRequire } from "node:module";
import fs from "node:fs";
import { PassThrough } from "node:stream";

const [modules, text] = process.argv.slice(2);
const tus = createRequire(modules + "/")("tus-js-client");
const task = JSON.parse(text);
const requests = [];

/* One try: until it succeeds, fails, or is told to stop after so many bytes. */
function send(url, stopAt) {
	return new Promise((resolve) => {
		/* What comes through a pipe has no length.  A file's stream has one, but its chunks never say that they are the last. */
		const source = task.options.uploadLengthDeferred ? fs.createReadStream(task.file).pipe(new PassThrough()) : fs.readFileSync(task.file);
		const upload = new tus.Upload(source, {
			endpoint: task.endpoint,
			headers: { Authorization: "Bearer " + task.token },
			retryDelays: null,
			uploadUrl: url,
			...task.options,
			onAfterResponse: (request, response) => {
				requests.push([request.getMethod(), response.getStatus()]);
			},
			onError: (error) => resolve({ url: upload.url, error: String(error) }),
			onSuccess: () => resolve({ url: upload.url }),
			onChunkComplete: (size, accepted) => {
				if (stopAt && accepted >= stopAt)
					upload.abort().then(() => resolve({ url: upload.url, stopped: accepted }));
			},
		});
		upload.start();
	});
}

let result = await send(null, task.stopAt);
if (task.stopAt && !result.error) {
	const stopped = result.stopped;
	result = task.terminate ? result : await send(result.url, 0);
	result.stopped = stopped;
}
if (task.terminate)
	await tus.Upload.terminate(result.url, { headers: { Authorization: "Bearer " + task.token }, retryDelays: null });
console.log(JSON.stringify({ ...result, requests }));
