// OpenAI's client for Node against a server: node openai_node.mjs URL MODEL FOLDER, where FOLDER has the client.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const [url, model, folder] = process.argv.slice(2);
const OpenAI = createRequire(`${folder}/`)("openai").default;
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });
const messages = [{ role: "user", content: "Set cell north to 40 dBm." }];
const asked = { model, messages, temperature: 0, max_completion_tokens: 12 };

const whole = await client.chat.completions.create(asked);
let text = "";
let usage = null;
for await (const chunk of await client.chat.completions.create({
  ...asked, stream: true, stream_options: { include_usage: true },
})) {
  text += chunk.choices[0]?.delta?.content ?? "";
  usage = chunk.usage ?? usage;
}
assert.equal(text, whole.choices[0].message.content);
assert.equal(usage.total_tokens, whole.usage.total_tokens);

const parameters = {
  type: "object", properties: { cell: { type: "string", maxLength: 8 } }, required: ["cell"],
};
const tools = [{ type: "function", function: { name: "read_power", parameters } }];
const called = await client.chat.completions.create({
  ...asked, tools, tool_choice: "required", parallel_tool_calls: false, max_completion_tokens: 100,
});
const [call] = called.choices[0].message.tool_calls;
assert.deepEqual(Object.keys(JSON.parse(call.function.arguments)), ["cell"]);

const stream = client.chat.completions.stream({ ...asked, tools, tool_choice: "required", max_completion_tokens: 200 });
assert.ok((await stream.finalChatCompletion()).choices[0].message.tool_calls.length >= 1);

const ids = [];
for await (const each of client.models.list()) ids.push(each.id);
assert.ok(ids.includes(model));

await assert.rejects(client.chat.completions.create({ ...asked, model: "no-such-model" }), OpenAI.NotFoundError);
await assert.rejects(client.chat.completions.create({ ...asked, temprature: 1 }), (error) => {
  assert.ok(error instanceof OpenAI.BadRequestError);
  assert.equal(error.param, "temprature");
  return true;
});
console.log("ok");
