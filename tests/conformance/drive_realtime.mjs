// Transcribes a wave file with OpenAI's JavaScript client over the Realtime protocol, as a browser would: the key goes
// into a subprotocol. The client insists on TLS, which is ended here, with a certificate made on the spot.
//
// node drive_realtime.mjs FOLDER BASE_URL FILE      FOLDER/node_modules holds the client

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createServer } from "node:tls";

process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0";
process.removeAllListeners("warning");

const [folder, base, file] = process.argv.slice(2);
const require = createRequire(`${resolve(folder)}/`);
const { OpenAI } = require("openai");
const { OpenAIRealtimeWebSocket } = require("openai/realtime/websocket");
const { version } = JSON.parse(readFileSync(`${resolve(folder)}/node_modules/openai/package.json`));

function certificate() {
  const made = mkdtempSync(join(tmpdir(), "certificate-"));
  const [key, cert] = [join(made, "key.pem"), join(made, "cert.pem")];
  const options = ["-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"];
  execFileSync("openssl", ["req", "-x509", ...options, "-keyout", key, "-out", cert], { stdio: "ignore" });
  const found = { key: readFileSync(key), cert: readFileSync(cert) };
  rmSync(made, { recursive: true });
  return found;
}

const target = new URL(base);
const server = createServer(certificate(), (secure) => {
  const plain = connect(Number(target.port), target.hostname);
  secure.pipe(plain).pipe(secure);
  for (const one of [secure, plain]) one.on("error", () => undefined);
});
await new Promise((done) => server.listen(0, "127.0.0.1", done));

const client = new OpenAI({
  apiKey: "none",
  baseURL: `https://127.0.0.1:${server.address().port}${target.pathname}`,
  dangerouslyAllowBrowser: true,
});
const socket = new OpenAIRealtimeWebSocket({ intent: "transcription", dangerouslyAllowBrowser: true }, client);
const interim = [];
const kinds = new Set();

function finish(final, error) {
  console.log(JSON.stringify({ version, interim, final, kinds: [...kinds], error }));
  process.exit(error ? 1 : 0);
}

socket.on("error", (error) => finish([], String(error)));
socket.on("event", (event) => kinds.add(event.type));
socket.on("session.created", () => {
  const sound = Buffer.concat([readFileSync(file).subarray(44), Buffer.alloc(48_000)]);
  for (let at = 0; at < sound.length; at += 4800) {
    socket.send({ type: "input_audio_buffer.append", audio: sound.subarray(at, at + 4800).toString("base64") });
  }
});
socket.on("conversation.item.input_audio_transcription.delta", (event) => interim.push(event.delta));
socket.on("conversation.item.input_audio_transcription.completed", (event) => finish([event.transcript]));
setTimeout(() => finish([], "nothing came"), 240_000);
