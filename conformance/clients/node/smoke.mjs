// Smoke test of a server with the Node client: node smoke.mjs nats://host:port
// One line a case; exit status 1 if one failed.
import { connect, createInbox, headers, RequestError, NoRespondersError } from "@nats-io/transport-node";

const servers = process.argv[2];
let passed = 0, failed = 0;

async function test(name, body) {
  const timer = setTimeout(() => { console.log(`FAIL ${name}: no end within 10 s`); process.exit(1); }, 10_000);
  try {
    await body();
    passed++;
    console.log(`ok ${name}`);
  } catch (err) {
    failed++;
    console.log(`FAIL ${name}: ${err.stack ?? err}`);
  } finally {
    clearTimeout(timer);
  }
}

function equal(got, want, what) {
  if (got !== want) throw new Error(`${what}: got ${got}, want ${want}`);
}

async function take(sub, n) {
  const out = [];
  for await (const m of sub) {
    out.push(m);
    if (out.length === n) break;
  }
  return out;
}

const nc = await connect({ servers, name: "node" });
const other = await connect({ servers });

await test("server info", async () => {
  equal(nc.info.version, "2.15.2", "version");
  equal(nc.info.headers, true, "headers");
  equal(typeof nc.info.client_id, "number", "client id");
});

await test("publish and subscribe", async () => {
  const sub = nc.subscribe("node.*");
  await nc.flush();
  other.publish("node.a", "hello");
  other.publish("node.b", new Uint8Array([0, 13, 10, 255]));
  const [a, b] = await take(sub, 2);
  equal(a.string(), "hello", "text");
  equal(a.subject, "node.a", "subject");
  equal([...b.data].join(), "0,13,10,255", "bytes");
});

await test("maximum of a subscription", async () => {
  const sub = nc.subscribe("node.max", { max: 2 });
  for (let i = 0; i < 5; i++) nc.publish("node.max", `${i}`);
  let count = 0;
  for await (const _ of sub) count++;
  equal(count, 2, "messages");
});

await test("request and reply", async () => {
  const sub = nc.subscribe("node.svc", { queue: "q", callback: (_err, m) => m.respond(`re: ${m.string()}`) });
  await nc.flush();
  for (let i = 0; i < 50; i++) {
    const m = await other.request("node.svc", `${i}`, { timeout: 5000 });
    equal(m.string(), `re: ${i}`, "answer");
  }
  const own = await other.request("node.svc", "x", { timeout: 5000, noMux: true, reply: createInbox() });
  equal(own.string(), "re: x", "answer without mux");
  await sub.drain();
});

await test("no responders", async () => {
  try {
    await nc.request("node.nobody", "", { timeout: 5000 });
  } catch (err) {
    const cause = err instanceof RequestError ? err.cause ?? err : err;
    if (cause instanceof NoRespondersError || err.isNoResponders?.()) return;
    throw err;
  }
  throw new Error("a request to nobody was answered");
});

await test("queue group", async () => {
  let count = 0;
  const subs = [0, 1, 2].map(() => nc.subscribe("node.q", { queue: "g", callback: () => count++ }));
  await nc.flush();
  for (let i = 0; i < 300; i++) other.publish("node.q");
  await other.flush();
  await nc.flush();
  equal(count, 300, "deliveries to the group");
  subs.forEach((s) => s.unsubscribe());
});

await test("headers", async () => {
  const sub = nc.subscribe("node.h");
  await nc.flush();
  const h = headers();
  h.append("Many", "1");
  h.append("Many", "2");
  other.publish("node.h", "body", { headers: h });
  const [m] = await take(sub, 1);
  equal(m.headers.values("Many").join(), "1,2", "values");
  equal(m.string(), "body", "body");
});

await test("large payload", async () => {
  const sub = nc.subscribe("node.big");
  await nc.flush();
  other.publish("node.big", new Uint8Array(1024 * 1024).fill(7));
  const [m] = await take(sub, 1);
  equal(m.data.length, 1024 * 1024, "size");
  equal(m.data.every((b) => b === 7), true, "content");
});

await test("drain", async () => {
  const c = await connect({ servers });
  let count = 0;
  c.subscribe("node.d", { callback: () => count++ });
  await c.flush();
  for (let i = 0; i < 200; i++) other.publish("node.d");
  await other.flush();
  await c.drain();
  equal(count, 200, "messages before the end");
  equal(c.isClosed(), true, "closed");
});

await nc.close();
await other.close();
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
