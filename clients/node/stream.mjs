// A network function's way to a genai-xapp node, in JavaScript: an answer within a deadline, a cancelled answer,
// and UNAVAILABLE tried again.
//
//   npm ci && node stream.mjs --target 127.0.0.1:50051 "What is O-RAN?"
import { fileURLToPath } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";

import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";
import protobuf from "protobufjs";

const PROTO = fileURLToPath(new URL("../../proto", import.meta.url));
const DETAILS = "grpc-status-details-bin";
const RETRY_INFO = "type.googleapis.com/google.rpc.RetryInfo";
const ATTEMPTS = 10;

const OPTIONS = { keepCase: false, longs: Number, enums: String, defaults: false, oneofs: true };

/** The stub of the inference service. */
function connect(target) {
  const loaded = protoLoader.loadSync("xapp/inference/v1/inference.proto", { ...OPTIONS, includeDirs: [PROTO] });
  const { InferenceService } = grpc.loadPackageDefinition(loaded).xapp.inference.v1;
  // An xApp's traffic stays in its cluster: no proxy of the environment stands between.
  return new InferenceService(target, grpc.credentials.createInsecure(), { "grpc.enable_http_proxy": 0 });
}

/**
 * The events of one answer. To leave the loop cancels the request, and its slot is free by the next step. A stream
 * that ends without `finished` was broken off.
 */
async function* generate(client, request, deadlineSeconds) {
  const call = client.generate(request, { deadline: Date.now() + deadlineSeconds * 1000 });
  let finished = false;
  try {
    for await (const event of call) {
      finished ||= Boolean(event.finished);
      yield event;
    }
  } finally {
    call.cancel();
  }
  if (!finished) throw new Error("the node ended the answer without its last message");
}

/** As `generate`; UNAVAILABLE is tried again after as long as the node says, before the first text. */
async function* generateWithRetry(client, request, deadlineSeconds) {
  for (let attempt = 1; ; attempt++) {
    let begun = false;
    try {
      for await (const event of generate(client, request, deadlineSeconds)) {
        begun ||= event.chunk !== undefined;
        yield event;
      }
      return;
    } catch (error) {
      if (begun || error.code !== grpc.status.UNAVAILABLE || attempt === ATTEMPTS) throw error;
      const delay = retryDelay(error) ?? 0.2 * attempt;
      console.error(`${error.details}: trying again in ${delay} s`);
      await sleep(delay * 1000);
    }
  }
}

// What of google/rpc/*.proto the details of an error need here.
const RPC = protobuf.parse(`
  syntax = "proto3";
  package google.rpc;
  message Packed { string type_url = 1; bytes value = 2; }
  message Status { int32 code = 1; string message = 2; repeated Packed details = 3; }
  message Delay { int64 seconds = 1; int32 nanos = 2; }
  message RetryInfo { Delay retry_delay = 1; }
`).root;

/** Seconds that google.rpc.RetryInfo asks for; undefined without it. */
function retryDelay(error) {
  const [details] = error.metadata?.get(DETAILS) ?? [];
  if (details === undefined) return undefined;
  const status = RPC.lookupType("google.rpc.Status").decode(details);
  const packed = status.details.find((each) => each.typeUrl === RETRY_INFO);
  if (packed === undefined) return undefined;
  const { retryDelay: delay } = RPC.lookupType("google.rpc.RetryInfo").decode(packed.value);
  return Number(delay.seconds) + delay.nanos / 1e9;
}

function ask(question, maxTokens) {
  return { chat: { messages: [{ role: "user", content: question }] }, maxTokens };
}

async function stream(client, question) {
  for await (const event of generateWithRetry(client, ask(question, 48), 60)) {
    if (event.chunk) process.stdout.write(event.chunk.text);
    if (event.finished) {
      const { numCompletionTokens, numPromptTokens } = event.finished.usage;
      console.log(`\n[${numCompletionTokens} tokens, prompt ${numPromptTokens}; ${event.finished.finishReason}]`);
    }
  }
}

async function cancel(client, question) {
  let pieces = 0;
  for await (const event of generateWithRetry(client, ask(question, 64), 60)) {
    if (event.chunk && ++pieces === 2) break;
  }
  console.log(`[cancelled after ${pieces} pieces]`);
}

const { values, positionals } = parseArgs({
  options: { target: { type: "string", default: "127.0.0.1:50051" } },
  allowPositionals: true,
});
const client = connect(values.target);
const question = positionals[0] ?? "What is O-RAN?";
try {
  await stream(client, question);
  await cancel(client, question);
} catch (error) {
  console.error(`${grpc.status[error.code] ?? "ERROR"}: ${error.details ?? error.message}`);
  process.exitCode = 1;
} finally {
  client.close();
}
