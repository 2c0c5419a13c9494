// The conversation: questions, streamed answers, and what this tab remembers of them.

import { chat, Refused } from "./api.js";
import { $, element } from "./dom.js";
import { requestFields } from "./settings.js";

const TURNS = "turns";
let turns = [];
let running = null;

/** Called with the refusal when the node asks for a key. */
export function startChat(onKeyNeeded) {
  $("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    ask(onKeyNeeded);
  });
  $("question").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      ask(onKeyNeeded);
    }
  });
  $("stop").addEventListener("click", () => running?.abort());
  $("new").addEventListener("click", begin);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") running?.abort();
  });
  // A reload in the middle of an answer keeps what came.
  addEventListener("pagehide", remember);
  recall();
}

function begin() {
  running?.abort();
  turns = [];
  $("turns").replaceChildren();
  tell("");
  remember();
  $("question").focus();
}

function recall() {
  try {
    turns = JSON.parse(sessionStorage.getItem(TURNS)) ?? [];
  } catch {
    turns = [];
  }
  for (const turn of turns) show(turn);
}

function remember() {
  try {
    sessionStorage.setItem(TURNS, JSON.stringify(turns));
  } catch {
    // No room: the page works, and a reload forgets.
  }
}

function tell(text) {
  $("notice").textContent = text;
  $("notice").hidden = !text;
}

/** Shows a turn; returns how more text and the figures are added. */
function show(turn) {
  const text = document.createTextNode(turn.content);
  const figures = element("footer", {}, turn.figures ?? "");
  const title = turn.role === "user" ? "You" : "Answer";
  const card = element("article", { "data-role": turn.role }, element("h2", {}, title), element("p", {}, text), figures);
  $("turns").append(card);
  $("turns").scrollTop = $("turns").scrollHeight;
  return { card, text, figures };
}

/** Text of a frame's time is added at once: a fast model brings more tokens than a screen shows frames. */
function painter(turn, view) {
  let waiting = "";
  let frame = 0;
  const paint = () => {
    frame = 0;
    const box = $("turns");
    const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
    view.text.appendData(waiting);
    waiting = "";
    if (atEnd) box.scrollTop = box.scrollHeight;
  };
  return {
    add(piece) {
      turn.content += piece;
      waiting += piece;
      frame ||= requestAnimationFrame(paint);
    },
    flush: paint,
  };
}

async function ask(onKeyNeeded) {
  const question = $("question").value.trim();
  let fields;
  try {
    fields = requestFields(turns, question);
  } catch (error) {
    tell(error.message);
    return;
  }
  if (running || fields === null) return;
  tell("");
  const asked = { role: "user", content: fields.task ? taskText(fields) : question };
  const askedCard = show(asked).card;
  await answer(fields, asked, askedCard, onKeyNeeded);
}

function taskText(fields) {
  return `${fields.task} ${JSON.stringify(fields.inputs)}`;
}

async function answer(fields, asked, askedCard, onKeyNeeded) {
  const turn = { role: "assistant", content: "", figures: "" };
  const view = show(turn);
  const painted = painter(turn, view);
  const begun = performance.now();
  let first = 0;
  let usage = null;
  let reason = "";
  turns.push(asked, turn);
  running = new AbortController();
  busy(true);
  view.card.dataset.open = "";
  try {
    for await (const event of chat(fields, running.signal)) {
      const [choice] = event.choices;
      if (choice?.delta?.content) {
        first ||= performance.now();
        painted.add(choice.delta.content);
      }
      reason = choice?.finish_reason ?? reason;
      usage = event.usage ?? usage;
    }
    turn.figures = figures(begun, first, usage, reason);
  } catch (error) {
    turn.figures = failed(error, onKeyNeeded);
    if (!turn.content) takeBack(asked, turn, [askedCard, view.card]);
  } finally {
    painted.flush();
    view.figures.textContent = turn.figures;
    delete view.card.dataset.open;
    running = null;
    busy(false);
    remember();
  }
}

/** A question without any answer is no part of the conversation: it returns to its field. */
function takeBack(asked, turn, cards) {
  turns = turns.filter((each) => each !== turn && each !== asked);
  for (const card of cards) card.remove();
  if (!$("task").value) $("question").value ||= asked.content;
}

function failed(error, onKeyNeeded) {
  if (error.name === "AbortError") return "stopped";
  if (!(error instanceof Refused)) throw error;
  if (error.status === 401) onKeyNeeded();
  const wait = error.retryAfter ? ` Try again in ${error.retryAfter} s.` : "";
  tell(error.message + wait);
  return error.code || "no answer";
}

function figures(begun, first, usage, reason) {
  const parts = [];
  if (first) parts.push(`first token ${Math.round(first - begun)} ms`);
  const decodeMs = usage?.decode_ms ?? 0;
  const tokens = usage?.completion_tokens ?? 0;
  if (decodeMs > 0 && tokens > 1) parts.push(`${(((tokens - 1) * 1000) / decodeMs).toFixed(1)} tokens/s`);
  if (usage) parts.push(`${tokens} tokens, prompt ${usage.prompt_tokens}`);
  const cached = usage?.prompt_tokens_details?.cached_tokens;
  if (cached) parts.push(`${cached} from the cache`);
  parts.push(`ended by ${reason}`);
  return parts.join(" · ");
}

function busy(is) {
  $("send").hidden = is;
  $("stop").hidden = !is;
  $("turns").setAttribute("aria-busy", String(is));
  if (is) {
    $("question").value = "";
  } else {
    $("question").focus();
  }
}
