// What the next question is asked with.

import { $, element } from "./dom.js";

let tasks = [];

/** Offers the models that answer; keeps the choice. */
export function offerModels(models) {
  const names = models.filter((each) => each.state === "ready").map((each) => each.name);
  const select = $("model");
  const shown = [...select.options].map((each) => each.value);
  if (names.join("\n") === shown.join("\n")) return;
  const chosen = select.value || models.find((each) => each.is_default)?.name;
  select.replaceChildren(...names.map((name) => element("option", { value: name }, name)));
  if (names.includes(chosen)) select.value = chosen;
}

/** Offers the tasks that generate. */
export function offerTasks(all) {
  tasks = all.filter((each) => each.kind === "generate");
  const none = $("task").options[0];
  $("task").replaceChildren(none, ...tasks.map((each) => element("option", { value: label(each) }, label(each))));
}

function label(task) {
  return `${task.name}@${task.version}`;
}

/** Shows a field for each input of the chosen task. */
export function startSettings() {
  $("task").addEventListener("change", () => {
    const task = chosenTask();
    const box = $("task-inputs");
    const legend = box.firstElementChild;
    const fields = (task?.inputs ?? []).map((input) => {
      const field = element("input", { "data-name": input.name, "data-type": input.type });
      field.required = !input.optional;
      return element("label", {}, `${input.name} (${input.type}): ${input.description}`, field);
    });
    box.replaceChildren(legend, ...fields);
    box.hidden = !task;
    $("question").disabled = Boolean(task);
    $("question").required = !task;
  });
}

function chosenTask() {
  return tasks.find((each) => label(each) === $("task").value);
}

/** The fields of a request; null where there is nothing to ask. Throws an Error that says what is wrong. */
export function requestFields(turns, question) {
  const fields = { model: $("model").value, messages: [] };
  if ($("max-tokens").value) fields.max_completion_tokens = $("max-tokens").valueAsNumber;
  if ($("deadline").value) fields.deadline_ms = Math.round($("deadline").valueAsNumber * 1000);
  if (chosenTask()) return { ...fields, task: $("task").value, inputs: inputs(), input_timestamp: Date.now() / 1000 };
  if (!question) return null;
  if ($("temperature").value) fields.temperature = $("temperature").valueAsNumber;
  const system = $("system").value.trim();
  if (system) fields.messages.push({ role: "system", content: system });
  fields.messages.push(...turns.map(({ role, content }) => ({ role, content })), { role: "user", content: question });
  const schema = $("schema").value.trim();
  if (schema) fields.response_format = { type: "json_schema", json_schema: { name: "answer", schema: parsed(schema) } };
  return fields;
}

function parsed(schema) {
  try {
    return JSON.parse(schema);
  } catch (error) {
    throw new Error(`The JSON schema is not JSON: ${error.message}`);
  }
}

function inputs() {
  const found = {};
  for (const field of $("task-inputs").querySelectorAll("input")) {
    const { name, type } = field.dataset;
    if (!field.value && field.required) throw new Error(`The input ${name} is empty.`);
    if (field.value) found[name] = type === "string" ? field.value : value(name, field.value);
  }
  return found;
}

function value(name, text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`The input ${name} is not JSON.`);
  }
}
