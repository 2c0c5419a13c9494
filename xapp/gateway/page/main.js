// Starts the page.

import { getJson, useKey } from "./api.js";
import { startChat } from "./chat.js";
import { $ } from "./dom.js";
import { followNode } from "./node.js";
import { offerTasks, startSettings } from "./settings.js";

function askForKey() {
  if (!$("key-form").hidden) return;
  $("key-form").hidden = false;
  $("key").focus();
}

function showView(name) {
  for (const each of ["chat", "node"]) {
    $(each).hidden = each !== name;
    $(`show-${each}`).setAttribute("aria-pressed", String(each === name));
  }
}

async function loadTasks() {
  try {
    offerTasks((await getJson("node/tasks")).tasks);
  } catch {
    // The menu stays empty; the view of the node says what is wrong.
  }
}

$("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  useKey($("key").value.trim());
  $("key").value = "";
  $("key-form").hidden = true;
  loadTasks();
});
$("show-chat").addEventListener("click", () => showView("chat"));
$("show-node").addEventListener("click", () => showView("node"));
startSettings();
startChat(askForKey);
loadTasks();
followNode(askForKey);
