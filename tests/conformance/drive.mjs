// Calls the official JavaScript client: it reads each call as a line of JSON and writes a line of JSON. See clients.py.
//
// node drive.mjs FOLDER        FOLDER/node_modules holds the client

import { createReadStream, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, resolve } from "node:path";
import { createInterface } from "node:readline";

const folder = resolve(process.argv[2]);
const { OpenAI, toFile } = createRequire(`${folder}/`)("openai");
const { version } = JSON.parse(readFileSync(`${folder}/node_modules/openai/package.json`));

async function openFile(how, path) {
  switch (how) {
    case "path":
    case "open":
      return createReadStream(path);
    case "bytes":
      return await toFile(readFileSync(path));
    case "tuple":
      return new File([readFileSync(path)], basename(path));
    case "typed tuple":
      return await toFile(readFileSync(path), basename(path), { type: "audio/wav" });
    case "buffer":
      return await toFile(new Blob([readFileSync(path)]));
    case "nameless":
      return new Response(readFileSync(path));
    case "none":
      return await toFile(Buffer.alloc(0), "empty");
  }
  throw new Error(how);
}

function find(client, dotted) {
  const parts = dotted.split(".");
  const name = parts.pop();
  const owner = parts.reduce((object, part) => object[part], client);
  return (...given) => owner[name](...given);
}

const described = (value) => ({
  class: typeof value === "string" ? "str" : "Object",
  value,
  request_id: value?._request_id ?? null,
});

const raw = (response) => ({
  status: response.status,
  headers: Object.fromEntries(response.headers),
  request_id: response.headers.get("x-request-id"),
});

async function call(ask) {
  const { api_key: apiKey, base_url: baseURL, max_retries: maxRetries, timeout } = ask.client;
  const client = new OpenAI({
    apiKey,
    baseURL,
    maxRetries,
    ...(timeout === undefined ? {} : { timeout: timeout * 1000 }),
  });
  const options = { ...ask.options };
  if (ask.file) options.file = await openFile(ask.file.as, ask.file.path);
  const body = Object.keys(options).length ? [options] : [];
  const began = performance.now();
  const request = find(client, ask.call)(...ask.positional, ...body);
  if (ask.way === "raw") {
    const { data, response } = await request.withResponse();
    return { ...described(data), ...raw(response) };
  }
  if (ask.way === "streaming_response") {
    const response = await request.asResponse();
    const decoder = new TextDecoder();
    let text = "";
    for await (const part of response.body) text += decoder.decode(part, { stream: true });
    return { ...raw(response), body: text };
  }
  const result = await request;
  if (result?.[Symbol.asyncIterator] && typeof result !== "string" && options.stream) {
    const events = [];
    for await (const event of result) {
      events.push({ class: "Object", value: event, seconds: (performance.now() - began) / 1000 });
    }
    return { class: "Stream", events };
  }
  return described(result);
}

function bases(error) {
  const names = [];
  for (let made = error.constructor; made?.name; made = Object.getPrototypeOf(made)) names.push(made.name);
  return names;
}

function failure(error) {
  return {
    error: {
      class: error.constructor.name,
      bases: bases(error),
      status: error.status ?? null,
      request_id: error.requestID ?? null,
      headers: error.headers ? Object.fromEntries(error.headers) : {},
      text: String(error),
      message: error.message,
      type: error.type ?? null,
      param: error.param ?? null,
      code: error.code ?? null,
      body: error.error ?? null,
    },
  };
}

console.log(JSON.stringify({ version }));
for await (const line of createInterface({ input: process.stdin })) {
  let result;
  try {
    result = await call(JSON.parse(line));
  } catch (error) {
    result = failure(error);
  }
  console.log(JSON.stringify(result));
}
