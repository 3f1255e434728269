// The questions that every JavaScript client asks, and the runner of a client's features; see ../python/asked.py.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

export const MODEL = "gpt-4.1";
export const GREETING = "Say hello.";
export const WEATHER = "What is the weather in Paris and in Rome?";
export const CAPTAIN = "Who is the captain?";
export const NAME = "My name is Riker.";
export const WHO = "What is my name?";
export const LOOK = "What do you see?";
export const PICTURE =
  "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAEElEQVR4nGP4z8AARAwQCgAf7gP9i18U1AAAAABJRU5ErkJggg==";
export const PICTURE_URL = `data:image/png;base64,${PICTURE}`;

const [folder, ...asked] = process.argv.slice(2);

// Imports a package from the folder in which the clients are installed.
export async function load(name) {
  const found = createRequire(pathToFileURL(`${folder}/`)).resolve(name);
  return import(pathToFileURL(found));
}

export function bin(path) {
  return `${folder}/node_modules/${path}`;
}

export function weatherIn(city) {
  return { Paris: "sunny", Rome: "rainy" }[city];
}

// Returns the text of a stream, which must have come in several pieces.
export async function joined(stream, textOf = (piece) => piece) {
  const pieces = [];
  for await (const piece of stream) {
    const text = textOf(piece);
    if (text) pieces.push(text);
  }
  if (pieces.length < 2) throw new Error(`the text came in ${pieces.length} pieces`);
  return pieces.join("");
}

// Runs the features that the command line names, or all of them, and prints what each returns.
export async function run(features) {
  for (const [feature, ask] of Object.entries(features)) {
    if (asked.length && !asked.includes(feature)) continue;
    const result = await ask().then(
      (got) => ({ got }),
      (error) => ({ error: `${error}`, at: `${error.stack} ${JSON.stringify(error)}`.slice(0, 2500) }),
    );
    console.log(JSON.stringify({ feature, ...result }));
  }
  process.exit(0);
}
