// Runs the emulator on a loopback port and prints the port; unlike its own command line, with connections kept alive.
const { createHttpsServer } = require(process.argv[2]);
const server = createHttpsServer({ keepAlive: true });
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.resume();
process.stdin.on("end", () => process.exit());
