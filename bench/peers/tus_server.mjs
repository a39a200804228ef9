// @tus/server with @tus/file-store as their README starts them: node tus_server.mjs NODE_MODULES PORT DIRECTORY
import { createRequire } from "node:module";

const [modules, port, directory] = process.argv.slice(2);
const require = createRequire(modules + "/");
const { Server } = require("@tus/server");
const { FileStore } = require("@tus/file-store");

const server = new Server({ path: "/files", datastore: new FileStore({ directory }) });
server.listen({ host: "127.0.0.1", port: Number(port) }, () => console.log("ready"));
