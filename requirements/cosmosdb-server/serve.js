// Runs the emulator on a loopback port and prints the port; unlike its own command line, with connections kept alive.
const { createRequire } = require("module");
const path = require("path");
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

// Its batches lose the partition key, and keep the operations before the one that fails. The service undoes these.
const operations = ofEmulator("./lib/handler/_document-operations.js");
const json = ofEmulator("./lib/json.js").default;
ofEmulator("./lib/handler/batch-documents.js").default = async (account, req, res, { dbId, collId }) => {
  const batch = await json(req);
  const partitionKey = req.headers["x-ms-documentdb-partitionkey"];
  const collection = account.database(dbId).collection(collId);
  if (!collection.read()) {
    res.statusCode = 404;
    return {};
  }
  const { documents } = collection;
  const before = [new Map(documents._data), new Map(documents._index)];
  const answers = batch.map(() => ({ statusCode: 424, requestCharge: 0 }));
  for (let i = 0; i < batch.length; i += 1) {
    const { statusCode, body } = operations[`${batch[i].operationType.toLowerCase()}Operation`](collection, {
      ...batch[i],
      partitionKey,
    });
    if (statusCode >= 400) {
      [documents._data, documents._index] = before;
      answers.forEach((answer) => Object.assign(answer, { statusCode: 424, eTag: undefined, resourceBody: undefined }));
      answers[i].statusCode = statusCode;
      break;
    }
    answers[i] = { statusCode, requestCharge: 1, eTag: body && body._etag, resourceBody: body };
  }
  return answers;
};

const emulator = require(process.argv[2]);
const server = emulator.createHttpsServer({ keepAlive: true });
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.resume();
process.stdin.on("end", () => process.exit());
