// Drives a service with OpenAI's official JavaScript SDK, and prints what came of it as one line of JSON.
// Its arguments: the folder that the SDK was installed in, the service's base URL, a key.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [folder, baseURL, apiKey] = process.argv.slice(2);
const require = createRequire(pathToFileURL(`${folder}/`));
const { OpenAI } = await import(pathToFileURL(require.resolve("openai")).href).then((found) => found.default ?? found);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });

const tools = [
  {
    type: "function",
    name: "add",
    description: "Add.",
    parameters: { type: "object", properties: {}, required: [], additionalProperties: false },
    strict: true,
  },
];

const conversation = await client.conversations.create({ metadata: { ship: "Enterprise" } });
const first = await client.responses.create({ conversation: conversation.id, input: "I am Will.", model: "m" });

const types = [];
let streamed = "";
const stream = await client.responses.create({ conversation: conversation.id, input: "Who?", model: "m", stream: true });
for await (const event of stream) {
  types.push(event.type);
  if (event.type === "response.output_text.delta") streamed += event.delta;
}

const helper = client.responses.stream({ input: "1 + 2?", model: "m", tools });
const called = await helper.finalResponse();
const call = called.output.find((item) => item.type === "function_call");
const answered = await client.responses.create({
  previous_response_id: called.id,
  model: "m",
  input: [{ type: "function_call_output", call_id: call.call_id, output: "3" }],
});

const items = [];
for await (const item of client.conversations.items.list(conversation.id, { order: "asc", limit: 2 })) {
  items.push(item.content[0].text);
}

let refusal = null;
try {
  await client.conversations.retrieve("conv_000000000000000000000000");
} catch (error) {
  refusal = { name: error.constructor.name, status: error.status };
}

const headers = { "Idempotency-Key": "js-1" };
const once = await client.responses.create({ input: "x", model: "m" }, { headers });
const again = await client.responses.create({ input: "x", model: "m" }, { headers });

console.log(
  JSON.stringify({
    metadata: (await client.conversations.retrieve(conversation.id)).metadata,
    first: first.output_text,
    streamed,
    order: [types[0], types[1], types.at(-1)],
    call: { name: call.name, arguments: call.arguments },
    answered: answered.output_text,
    items,
    refusal,
    isReplayed: once.id === again.id,
    isDeleted: (await client.conversations.delete(conversation.id)).deleted,
  }),
);
