// Vercel AI SDK 6.
import { runWith } from "./ai_sdk.mjs";

await runWith("ai-6", "@ai-sdk/openai-3");
