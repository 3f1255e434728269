// OpenAI's JavaScript SDK.
import { CAPTAIN, GREETING, LOOK, MODEL, NAME, PICTURE_URL, WEATHER, WHO, joined, load, run, weatherIn } from "./asked.mjs";

const { default: OpenAI } = await load("openai");
const { zodTextFormat, zodResponsesFunction } = await load("openai/helpers/zod");
const { z } = await load("zod");
const client = new OpenAI();
const model = MODEL;

await run({
  plain: async () => (await client.responses.create({ model, input: GREETING })).output_text,
  stream: async () =>
    joined(client.responses.stream({ model, input: GREETING }), (event) =>
      event.type === "response.output_text.delta" ? event.delta : "",
    ),
  tools: async () => {
    const tools = [zodResponsesFunction({ name: "weather", parameters: z.object({ city: z.string() }) })];
    const first = await client.responses.parse({ model, input: WEATHER, tools });
    const input = first.output
      .filter((item) => item.type === "function_call")
      .map((call) => ({ type: "function_call_output", call_id: call.call_id, output: weatherIn(call.parsed_arguments.city) }));
    return (await client.responses.create({ model, input, tools, previous_response_id: first.id })).output_text;
  },
  structured: async () => {
    const format = zodTextFormat(z.object({ name: z.string(), age: z.number() }), "captain");
    const { output_parsed: captain } = await client.responses.parse({ model, input: CAPTAIN, text: { format } });
    return `${captain.name} ${captain.age}`;
  },
  by_id: async () => {
    const first = await client.responses.create({ model, input: NAME });
    return (await client.responses.create({ model, input: WHO, previous_response_id: first.id })).output_text;
  },
  by_conversation: async () => {
    const conversation = (await client.conversations.create()).id;
    await client.responses.create({ model, input: NAME, conversation });
    return (await client.responses.create({ model, input: WHO, conversation })).output_text;
  },
  pictures: async () => {
    const content = [
      { type: "input_text", text: LOOK },
      { type: "input_image", image_url: PICTURE_URL, detail: "auto" },
    ];
    return (await client.responses.create({ model, input: [{ role: "user", content }] })).output_text;
  },
});
