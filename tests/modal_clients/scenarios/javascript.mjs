// What a sandbox does for Modal's client for JavaScript.
//
//   CREATE      the method that creates sandboxes: "create", or "experimentalCreate" of 0.9
//   SANDBOX_ID  how ids of its sandboxes begin, which tells the version of the API
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { AlreadyExistsError, ModalClient, NotFoundError, Probe } from "modal";

const modal = new ModalClient();
const image = modal.images.fromRegistry("python:3.12-slim");
const made = [];
const how = process.env.CREATE;
let app;

async function create(params = {}, from = image) {
  const sandbox = await modal.sandboxes[how](app, from, { timeoutMs: 60_000, ...params });
  made.push(sandbox);
  return sandbox;
}

async function output(sandbox, ...argv) {
  const process = await sandbox.exec(argv);
  const text = await process.stdout.readText();
  assert.equal(await process.wait(), 0);
  return text;
}

before(async () => {
  app = await modal.apps.fromName("scenarios", { createIfMissing: true });
});

after(async () => {
  for (const sandbox of made) await sandbox.terminate().catch(() => {}); // 0.9 refuses it twice
  modal.close();
});

test("a command has input, output and variables", async () => {
  const secret = await modal.secrets.fromObject({ HIDDEN: "b" });
  const sandbox = await create({ env: { PLAIN: "a" }, secrets: [secret] });
  const process = await sandbox.exec(["sh", "-c", "echo $PLAIN $HIDDEN; cat; exit 3"]);
  await process.stdin.writeText("in\n");
  await process.closeStdin();

  assert.equal(await process.stdout.readText(), "a b\nin\n");
  assert.equal(await process.wait(), 3);
});

test("the main process has input and output, also for who asks later", async () => {
  const sandbox = await create({ command: ["cat"] });
  await sandbox.stdin.writeText("hello");
  await sandbox.stdin.close();
  const found = await modal.sandboxes.fromId(sandbox.sandboxId);

  assert.equal(await sandbox.stdout.readText(), "hello");
  assert.equal(await sandbox.wait(), 0);
  assert.equal(await found.stdout.readText(), "hello");
});

test("sidecars have files of their own, and end", async () => {
  const sandbox = await create();
  const sidecar = await sandbox.experimentalSidecars.create("worker", await image.build(app));
  await sidecar.filesystem.writeText("mine", "/srv/note");
  assert.equal(await output(sidecar, "cat", "/srv/note"), "mine");
  await assert.rejects(output(sandbox, "cat", "/srv/note"));
  assert.deepEqual(
    (await sandbox.experimentalSidecars.list()).map((each) => each.containerName),
    ["worker"],
  );
  assert.equal(await sidecar.terminate({ wait: true }), 137);
});

test("names, tags and lists", async () => {
  const sandbox = await create({ name: "named", tags: { stage: "test" } });
  assert.ok(sandbox.sandboxId.startsWith(process.env.SANDBOX_ID));
  assert.equal((await modal.sandboxes.fromName("scenarios", "named")).sandboxId, sandbox.sandboxId);
  await assert.rejects(modal.sandboxes.fromName("scenarios", "other"), NotFoundError);
  await assert.rejects(create({ name: "named" }), AlreadyExistsError);

  const listed = [];
  for await (const each of modal.sandboxes.list({ appId: app.appId, tags: { stage: "test" } }))
    listed.push(each.sandboxId);
  assert.deepEqual(listed, [sandbox.sandboxId]);
  await sandbox.setTags({ stage: "live" });
  assert.deepEqual(await sandbox.getTags(), { stage: "live" });

  if (!sandbox.experimentalSetName) return; // as in 0.9
  const later = await create();
  await later.experimentalSetName("later");
  assert.equal((await modal.sandboxes.fromName("scenarios", "later")).sandboxId, later.sandboxId);
});

test("files, and snapshots of them", async () => {
  const sandbox = await create();
  await sandbox.filesystem.writeText("text", "/srv/data/file");
  assert.equal(await sandbox.filesystem.readText("/srv/data/file"), "text");
  const [entry] = await sandbox.filesystem.listFiles("/srv/data");
  assert.equal(entry.name, "file");

  const copy = await create({}, await sandbox.snapshotFilesystem());
  assert.equal(await output(copy, "cat", "/srv/data/file"), "text");
  await copy.mountImage("/srv/mounted", await sandbox.snapshotDirectory("/srv/data"));
  assert.equal(await output(copy, "cat", "/srv/mounted/file"), "text");
});

test("volumes, readiness and tunnels", async () => {
  const volume = await modal.volumes.fromName("scenarios-js", { createIfMissing: true });
  const sandbox = await create({
    volumes: { "/data": volume },
    readinessProbe: Probe.withExec(["true"]),
    encryptedPorts: [8000],
  });
  await sandbox.waitUntilReady();

  await output(sandbox, "sh", "-c", "echo kept > /data/file");
  const other = await create({ volumes: { "/data": volume } });
  assert.equal(await output(other, "cat", "/data/file"), "kept\n");
  assert.ok((await sandbox.tunnels())[8000].url.startsWith("https://"));
  const { url, token } = await sandbox.createConnectToken();
  assert.ok(url && token);
});

test("a sandbox that was terminated", async () => {
  const sandbox = await create();
  assert.equal(await sandbox.poll(), null);
  assert.equal(await sandbox.terminate({ wait: true }), 137);
  await assert.rejects(sandbox.exec(["true"]), /has ended|detached/);
});

test("what is not implemented is refused by name", async () => {
  await assert.rejects(modal.queues.fromName("q", { createIfMissing: true }), /modal\.Queue/);
});
