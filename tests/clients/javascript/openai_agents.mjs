// OpenAI's Agents SDK for JavaScript.
import { CAPTAIN, GREETING, LOOK, MODEL, NAME, PICTURE_URL, WEATHER, WHO, joined, load, run, weatherIn } from "./asked.mjs";

const { Agent, run: ask, tool } = await load("@openai/agents");
const { default: OpenAI } = await load("openai");
const { z } = await load("zod");
const agent = new Agent({ name: "ship", model: MODEL });

await run({
  plain: async () => (await ask(agent, GREETING)).finalOutput,
  stream: async () => joined((await ask(agent, GREETING, { stream: true })).toTextStream()),
  tools: async () => {
    const weather = tool({
      name: "weather",
      description: "Return the weather in a city.",
      parameters: z.object({ city: z.string() }),
      execute: async ({ city }) => weatherIn(city),
    });
    return (await ask(new Agent({ name: "ship", model: MODEL, tools: [weather] }), WEATHER)).finalOutput;
  },
  structured: async () => {
    const outputType = z.object({ name: z.string(), age: z.number() });
    const captain = (await ask(new Agent({ name: "ship", model: MODEL, outputType }), CAPTAIN)).finalOutput;
    return `${captain.name} ${captain.age}`;
  },
  by_id: async () => {
    const first = await ask(agent, NAME);
    return (await ask(agent, WHO, { previousResponseId: first.lastResponseId })).finalOutput;
  },
  by_conversation: async () => {
    const conversationId = (await new OpenAI().conversations.create()).id;
    await ask(agent, NAME, { conversationId });
    return (await ask(agent, WHO, { conversationId })).finalOutput;
  },
  pictures: async () => {
    const content = [
      { type: "input_text", text: LOOK },
      { type: "input_image", image: PICTURE_URL },
    ];
    return (await ask(agent, [{ role: "user", content }])).finalOutput;
  },
});
