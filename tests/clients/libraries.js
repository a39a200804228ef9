// Drives each upload library, unchanged, on a page of its own: upload(how) answers when the library says it is done.
// HOW: {library, url, token, chunk (bytes), size, seed, name, options}.
"use strict";

function auth(how) {
    return {Authorization: "Bearer " + how.token};
}

// The library's word for the end: the last answer's text, or what went wrong.
function once(start) {
    return new Promise((resolve, reject) => {
        const fail = (...what) => reject(new Error(what.map(w => (typeof w === "object" ? JSON.stringify(w) : String(w))).join(" ")));
        start(resolve, fail);
    });
}

const drivers = {
    resumable: (how, file) => once((done, fail) => {
        const r = new Resumable(Object.assign({target: how.url, chunkSize: how.chunk, headers: auth(how)}, how.options));
        r.on("fileSuccess", (f, message) => done(message));
        r.on("fileError", (f, message) => fail(message));
        r.on("fileAdded", () => r.upload());
        r.addFile(file);
    }),

    flow: (how, file) => once((done, fail) => {
        const f = new Flow(Object.assign({target: how.url, chunkSize: how.chunk, headers: auth(how), maxChunkRetries: 3}, how.options));
        f.on("fileSuccess", (x, message) => done(message));
        f.on("fileError", (x, message) => fail(message));
        f.on("filesSubmitted", () => f.upload());
        f.addFile(file);
    }),

    simple: (how, file) => once((done, fail) => {
        const u = new Uploader(Object.assign({target: how.url, chunkSize: how.chunk, headers: auth(how), maxChunkRetries: 3}, how.options));
        u.on("fileSuccess", (root, f, message) => done(message));
        u.on("fileError", (root, f, message) => fail(message));
        u.on("filesSubmitted", () => u.upload());
        u.addFile(file);
    }),

    dropzone: (how, file) => once((done, fail) => {
        const form = document.createElement("form");
        document.body.append(form);
        const d = new Dropzone(form, Object.assign({url: how.url, chunking: true, chunkSize: how.chunk, headers: auth(how), retryChunks: true,
            maxFilesize: null, createImageThumbnails: false}, how.options));
        d.on("success", f => done(f.upload.chunks ? f.upload.chunks[f.upload.chunks.length - 1].response : f.xhr.responseText));
        d.on("error", (f, message) => fail(message));
        d.addFile(file);
    }),

    filepond: (how, file) => once((done, fail) => {
        const pond = FilePond.create(Object.assign({chunkUploads: true, chunkSize: how.chunk, credits: false,
            server: {url: how.url, process: {url: "", headers: auth(how), onerror: text => text}, patch: {url: "?patch=", headers: auth(how)},
                revert: {url: "", headers: auth(how)}}}, how.options));
        document.body.append(pond.element);
        window.pond = pond;
        pond.on("processfile", (error, f) => (error ? fail(error) : done(JSON.stringify({id: f.serverId}))));
        pond.on("error", fail);
        pond.addFile(file);
    }),

    plupload: (how, file) => once((done, fail) => {
        const button = document.createElement("button");
        document.body.append(button);
        const u = new plupload.Uploader(Object.assign({runtimes: "html5", browse_button: button, url: how.url, chunk_size: how.chunk,
            headers: auth(how), max_retries: 3}, how.options));
        let last = null;
        u.bind("ChunkUploaded", (up, f, r) => { last = r.response; });
        u.bind("FileUploaded", (up, f, r) => done(r.response || last));
        u.bind("Error", (up, e) => fail(e.message, e.response || "", e.status || ""));
        u.bind("FilesAdded", () => setTimeout(() => u.start(), 0));
        u.bind("PostInit", () => u.addFile(file));
        u.init();
    }),

    fine: (how, file) => once((done, fail) => {
        const options = how.options || {};
        const u = new qq.FineUploaderBasic({autoUpload: true,
            request: Object.assign({endpoint: how.url, customHeaders: auth(how)}, options.request),
            chunking: Object.assign({enabled: true, partSize: how.chunk, success: {endpoint: how.url}}, options.chunking),
            deleteFile: {enabled: true, endpoint: how.url, customHeaders: auth(how)},
            retry: {enableAuto: true, autoAttemptDelay: 0.2, maxAutoAttempts: 3},
            callbacks: {
                onComplete: (id, name, answer) => (answer.success ? done(JSON.stringify(answer)) : fail(answer)),
                onAutoRetry: () => { window.retries = (window.retries || 0) + 1; },
                onDeleteComplete: (id, xhr, isError) => { window.deleted = !isError; },
            }});
        window.fine = u;
        u.addFiles([file]);
    }),

    webuploader: (how, file) => once((done, fail) => {
        const button = document.createElement("div");
        button.id = "pick";
        document.body.append(button);
        const u = WebUploader.create(Object.assign({server: how.url, pick: "#pick", chunked: true, chunkSize: how.chunk, threads: 3, auto: true,
            compress: false, fileSingleSizeLimit: undefined}, how.options));
        u.on("uploadBeforeSend", (block, data, headers) => Object.assign(headers, auth(how)));
        u.on("uploadSuccess", (f, answer) => done(JSON.stringify(answer)));
        u.on("uploadError", (f, why) => fail(why));
        u.on("error", fail);
        u.on("ready", () => u.addFiles(file));
    }),

    blueimp: (how, file) => once((done, fail) => {
        const input = $("<input type=file name='files[]'>").appendTo("body");
        input.fileupload(Object.assign({url: how.url, dataType: "json", maxChunkSize: how.chunk, headers: auth(how),
            done: (e, data) => done(JSON.stringify(data.result)),
            fail: (e, data) => fail(data.errorThrown, data.jqXHR && data.jqXHR.responseText)}, how.options));
        input.fileupload("add", {files: [file]});
    }),

    uppy: (how, file) => once((done, fail) => {
        const u = new UppyXhr.Uppy({autoProceed: true});
        u.use(UppyXhr.XHRUpload, Object.assign({endpoint: how.url, fieldName: "file", headers: auth(how)}, how.options));
        u.on("upload-success", (f, answer) => done(JSON.stringify(answer.body)));
        u.on("upload-error", (f, e) => fail(e));
        u.addFile({name: file.name, type: file.type, data: file});
    }),
};

async function file_of(how) {
    const bytes = await (await fetch(`/bytes?size=${how.size}&seed=${how.seed}`)).arrayBuffer();
    return new File([bytes], how.name, {type: "text/csv", lastModified: 1790000000000});
}

window.upload = async how => drivers[how.library](how, await file_of(how));
