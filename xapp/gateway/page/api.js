// The calls of the port: everything that leaves the page goes through here.

const KEY = "key";

/** A refusal of the node. `status` is 0 where no answer came. `code` and `field` are the node's own words. */
export class Refused extends Error {
  constructor(message, status, code = "", field = "", retryAfter = null) {
    super(message);
    Object.assign(this, { status, code, field, retryAfter });
  }
}

/** Keeps the key for this tab. */
export function useKey(key) {
  sessionStorage.setItem(KEY, key);
}

async function call(path, options = {}) {
  const key = sessionStorage.getItem(KEY);
  const headers = { ...options.headers };
  if (key) headers.Authorization = `Bearer ${key}`;
  if (options.body) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, { ...options, headers, cache: "no-store", referrerPolicy: "no-referrer" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused("The node does not answer.", 0);
  }
  if (!response.ok) throw await refusal(response);
  return response;
}

async function refusal(response) {
  let error = {};
  try {
    error = (await response.json()).error ?? {};
  } catch {
    // A proxy's own page is no object of the dialect: the status has to do.
  }
  const retryAfter = Number(response.headers.get("Retry-After")) || null;
  const message = error.message ?? `The node answered with status ${response.status}.`;
  return new Refused(message, response.status, error.code ?? "", error.param ?? "", retryAfter);
}

export async function getJson(path) {
  return (await call(path)).json();
}

export async function post(path) {
  return (await call(path, { method: "POST" })).json();
}

/** The events of a streamed answer. `signal` ends the request, and the node's work on it. */
export async function* chat(fields, signal) {
  const body = JSON.stringify({ ...fields, stream: true, stream_options: { include_usage: true } });
  const response = await call("v1/chat/completions", { method: "POST", body, signal });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    let read;
    try {
      read = await reader.read();
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Refused("The connection to the node was lost.", 0);
    }
    if (read.done) throw new Refused("The answer ended before its end.", 0);
    const events = (rest + read.value).split("\n\n");
    rest = events.pop();
    for (const event of events) {
      const data = event.replace(/^data: /, "");
      if (data === "[DONE]") return;
      const value = JSON.parse(data);
      if (value.error) throw new Refused(value.error.message, 0, value.error.code ?? "", value.error.param ?? "");
      yield value;
    }
  }
}
