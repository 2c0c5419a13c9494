// The live view of the node: one question a second, rates from the difference of two answers.

import { getJson, post } from "./api.js";
import { $, element, sparkline } from "./dom.js";
import { offerModels } from "./settings.js";

const EVERY_MS = 1000;
const HISTORY = 60;
const MIB = 1024 * 1024;
let before = null;
const rates = new Map();

/** Follows the node for as long as the page is open and seen. */
export async function followNode(onKeyNeeded) {
  for (;;) {
    if (!document.hidden) await look(onKeyNeeded);
    await new Promise((done) => setTimeout(done, EVERY_MS));
  }
}

async function look(onKeyNeeded) {
  let now;
  try {
    now = await getJson("node");
  } catch (error) {
    if (error.status === 401) onKeyNeeded();
    state(error.status ? "unknown" : "away", error.status ? "the live view is not for this key" : "the node does not answer");
    before = null;
    return;
  }
  state(now.ready ? "ready" : "loading", now.ready ? "ready" : "not ready");
  $("node-name").textContent = now.node;
  offerModels(now.models);
  keepRates(now);
  if (!$("node").hidden) paint(now);
  before = now;
}

function state(name, text) {
  $("node-state").dataset.state = name;
  if ($("node-state").textContent !== text) $("node-state").textContent = text;
}

function keepRates(now) {
  for (const model of now.models) {
    const past = before?.models.find((each) => each.name === model.name);
    const seconds = before ? now.at_s - before.at_s : 0;
    if (!past || seconds <= 0) continue;
    const rate = Math.max(0, (model.total_decode_tokens - past.total_decode_tokens) / seconds) || 0;
    const kept = rates.get(model.name) ?? [];
    rates.set(model.name, [...kept, rate].slice(-HISTORY));
  }
}

function paint(now) {
  $("host").replaceChildren(...pairs(hostFacts(now)));
  const focused = document.activeElement?.id;
  $("models").replaceChildren(...now.models.map((each) => card(each, now.may_load)));
  if (focused) $(focused)?.focus();
}

function pairs(facts) {
  return facts.filter(([, text]) => text !== null).map(([name, text]) => element("div", {}, element("dt", {}, name), element("dd", {}, text)));
}

function hostFacts(now) {
  const host = now.host;
  const busy = before ? (host.cpu_busy_s - before.host.cpu_busy_s) / (host.cpu_total_s - before.host.cpu_total_s) : NaN;
  return [
    ["CPU", Number.isFinite(busy) ? `${Math.round(busy * 100)} %` : "–"],
    ["Memory", `${Math.round(host.memory_used_bytes / MIB)} of ${Math.round(host.memory_total_bytes / MIB)} MiB`],
    ["Temperature", host.temperature_celsius === null ? null : `${Math.round(host.temperature_celsius)} °C`],
    ["Throttled", host.throttled === null ? null : host.throttled ? "yes" : "no"],
  ];
}

function card(model, mayLoad) {
  const title = element("h2", {}, `${model.name} – ${model.state}${model.is_default ? ", default" : ""}`);
  const made = element("section", { class: "model", "aria-label": model.name }, title);
  if (model.error || model.warning) made.append(element("p", { class: "bad" }, model.error || model.warning));
  if (model.state === "loading") made.append(element("progress", { max: "1", value: String(model.progress) }));
  if (model.loaded) {
    const seen = rates.get(model.name) ?? [];
    const rate = (seen.at(-1) ?? 0).toFixed(1);
    made.append(element("dl", {}, ...pairs(loadFacts(model, rate))), sparkline(seen, `${rate} tokens a second now`));
  }
  if (mayLoad) made.append(...buttons(model));
  return made;
}

function loadFacts(model, rate) {
  return [
    ["Running, waiting", `${model.num_running}, ${model.num_waiting}`],
    ["Tokens/s", rate],
    ["First token p50, p95", `${ms(model.time_to_first_token.p50)}, ${ms(model.time_to_first_token.p95)}`],
    ["Gap p50, p95", `${ms(model.inter_token_latency.p50)}, ${ms(model.inter_token_latency.p95)}`],
    ["KV cells", `${model.kv_cells_used} of ${model.kv_cells_total}`],
    ["Worker memory", `${Math.round(model.worker_pss_bytes / MIB)} MiB`],
  ];
}

function ms(seconds) {
  return seconds === null ? "–" : `${Math.round(seconds * 1000)} ms`;
}

function buttons(model) {
  const act = { available: "load", failed: "load", ready: "unload" }[model.state];
  if (!act || (act === "unload" && model.is_default)) return [];
  const button = element("button", { type: "button", id: `${act}-${model.name}` }, act === "load" ? "Load" : "Unload");
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      await post(`node/models/${encodeURIComponent(model.name)}/${act}`);
    } catch (error) {
      $("notice").textContent = error.message;
      $("notice").hidden = false;
    }
  });
  return [button];
}
