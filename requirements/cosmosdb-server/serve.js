// Runs the emulator on a loopback port and prints the port; unlike its own command line, with connections kept alive.
const { createRequire } = require("module");
const path = require("path");
const emulator = require(process.argv[2]);
const ofEmulator = createRequire(path.join(process.argv[2], "package.json"));

// It parses and compiles each query anew, which is half of its work. One of the same text is the same query.
function remember(module) {
  const make = module.default;
  const made = new Map();
  module.default = (text) => {
    if (!made.has(text)) made.set(text, make(text));
    return made.get(text);
  };
}
remember(ofEmulator("@zeit/cosmosdb-query"));

const server = emulator.createHttpsServer({ keepAlive: true });
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.resume();
process.stdin.on("end", () => process.exit());
