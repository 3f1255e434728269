// LangChain for JavaScript, with its agents and OpenAI's Responses.
import { CAPTAIN, GREETING, LOOK, MODEL, NAME, PICTURE_URL, WEATHER, WHO, joined, load, run, weatherIn } from "./asked.mjs";

const { ChatOpenAI } = await load("@langchain/openai");
const { createAgent, tool } = await load("langchain");
const { default: OpenAI } = await load("openai");
const { z } = await load("zod");
const chat = new ChatOpenAI({ model: MODEL, useResponsesApi: true });

await run({
  plain: async () => (await chat.invoke(GREETING)).text,
  stream: async () => joined(await chat.stream(GREETING), (chunk) => chunk.text),
  tools: async () => {
    const weather = tool(({ city }) => weatherIn(city), {
      name: "weather",
      description: "Return the weather in a city.",
      schema: z.object({ city: z.string() }),
    });
    const agent = createAgent({ model: chat, tools: [weather] });
    return (await agent.invoke({ messages: [{ role: "user", content: WEATHER }] })).messages.at(-1).text;
  },
  structured: async () => {
    const captain = await chat.withStructuredOutput(z.object({ name: z.string(), age: z.number() })).invoke(CAPTAIN);
    return `${captain.name} ${captain.age}`;
  },
  by_id: async () => {
    const first = await chat.invoke(NAME);
    return (await chat.invoke(WHO, { previous_response_id: first.response_metadata.id })).text;
  },
  by_conversation: async () => {
    const conversation = (await new OpenAI().conversations.create()).id;
    const named = new ChatOpenAI({ model: MODEL, useResponsesApi: true, modelKwargs: { conversation } });
    await named.invoke(NAME);
    return (await named.invoke(WHO)).text;
  },
  pictures: async () => {
    const content = [
      { type: "text", text: LOOK },
      { type: "image_url", image_url: { url: PICTURE_URL } },
    ];
    return (await chat.invoke([{ role: "user", content }])).text;
  },
});
