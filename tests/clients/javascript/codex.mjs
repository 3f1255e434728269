// Codex CLI. Its only settings are the address of the service, and that it asks nobody and looks for no newer version.
import { execFile } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

import { CAPTAIN, GREETING, LOOK, MODEL, NAME, PICTURE, WEATHER, WHO, bin, run } from "./asked.mjs";

const work = mkdtempSync(join(tmpdir(), "codex-work-"));
const home = mkdtempSync(join(tmpdir(), "codex-"));
writeFileSync(
  join(home, "config.toml"),
  `model = "${MODEL}"
model_provider = "service"
check_for_update_on_startup = false
approval_policy = "never"
[analytics]
enabled = false
[model_providers.service]
name = "service"
base_url = "${process.env.OPENAI_BASE_URL}"
env_key = "OPENAI_API_KEY"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0
`,
);

// Returns the last message of a run. It is all that the command writes to its standard output.
async function exec(...words) {
  const argv = [bin("@openai/codex/bin/codex.js"), "exec", "--skip-git-repo-check", ...words];
  const ran = promisify(execFile)(process.execPath, argv, { cwd: work, env: { ...process.env, CODEX_HOME: home } });
  ran.child.stdin.end();
  return (await ran).stdout.trim();
}

await run({
  stream: async () => {
    await exec(NAME);
    const known = await exec("resume", "--last", WHO);
    if (known !== "You are Riker.") throw new Error(known);
    return exec(GREETING);
  },
  tools: async () => exec("--sandbox", "danger-full-access", WEATHER),
  structured: async () => {
    const schema = join(home, "schema.json");
    const properties = { name: { type: "string" }, age: { type: "integer" } };
    writeFileSync(
      schema,
      JSON.stringify({ type: "object", properties, required: ["name", "age"], additionalProperties: false }),
    );
    const captain = JSON.parse(await exec("--output-schema", schema, CAPTAIN));
    return `${captain.name} ${captain.age}`;
  },
  pictures: async () => {
    const picture = join(home, "picture.png");
    writeFileSync(picture, Buffer.from(PICTURE, "base64"));
    return exec("--image", picture, "--", LOOK);
  },
});
