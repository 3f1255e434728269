// Vercel's AI SDK. Its versions 6 and 7 have the same interface for all that is asked here.
import { CAPTAIN, GREETING, LOOK, MODEL, NAME, PICTURE_URL, WEATHER, WHO, joined, load, run, weatherIn } from "./asked.mjs";

export async function runWith(ai, provider) {
  const { generateText, isStepCount, stepCountIs, streamText, tool, Output } = await load(ai);
  const { createOpenAI } = await load(provider);
  const { default: OpenAI } = await load("openai");
  const { z } = await load("zod");
  const model = createOpenAI({ baseURL: process.env.OPENAI_BASE_URL })(MODEL);
  const weather = tool({
    description: "Return the weather in a city.",
    inputSchema: z.object({ city: z.string() }),
    execute: async ({ city }) => weatherIn(city),
  });

  await run({
    plain: async () => {
      const messages = [{ role: "user", content: NAME }];
      const first = await generateText({ model, messages });
      // The second turn names the first one's items by references.
      messages.push(...first.response.messages, { role: "user", content: WHO });
      const second = await generateText({ model, messages });
      if (second.text !== "You are Riker.") throw new Error(second.text);
      return (await generateText({ model, prompt: GREETING })).text;
    },
    stream: async () => joined(streamText({ model, prompt: GREETING }).textStream),
    tools: async () =>
      (await generateText({ model, prompt: WEATHER, tools: { weather }, stopWhen: (isStepCount ?? stepCountIs)(5) })).text,
    structured: async () => {
      const schema = z.object({ name: z.string(), age: z.number() });
      const { output } = await generateText({ model, prompt: CAPTAIN, output: Output.object({ schema }) });
      return `${output.name} ${output.age}`;
    },
    by_id: async () => {
      const first = await generateText({ model, prompt: NAME });
      const previousResponseId = first.providerMetadata.openai.responseId;
      return (await generateText({ model, prompt: WHO, providerOptions: { openai: { previousResponseId } } })).text;
    },
    by_conversation: async () => {
      const conversation = (await new OpenAI().conversations.create()).id;
      const providerOptions = { openai: { conversation } };
      await generateText({ model, prompt: NAME, providerOptions });
      return (await generateText({ model, prompt: WHO, providerOptions })).text;
    },
    pictures: async () => {
      const content = [
        { type: "text", text: LOOK },
        { type: "image", image: PICTURE_URL },
      ];
      return (await generateText({ model, messages: [{ role: "user", content }] })).text;
    },
  });
}
