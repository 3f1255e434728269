// Vercel AI SDK 7.
import { runWith } from "./ai_sdk.mjs";

await runWith("ai", "@ai-sdk/openai");
