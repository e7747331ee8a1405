// The real program, its simulated Jumio, and the company's backend between them.

import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, openSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const BIN = process.env.FACEMAP_VAULT_BIN;

export async function freePort() {
  const server = createServer();
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

export async function until(what, isSo) {
  for (let tries = 0; tries < 400; tries++) {
    if (await isSo().catch(() => false)) return;
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`waited in vain until ${what}`);
}

export class House {
  static async start() {
    const house = new House();
    house.dir = mkdtempSync(join(tmpdir(), "facemap-vault-browser-"));
    house.children = [];
    const [jumio, open, own] = [await freePort(), await freePort(), await freePort()];
    house.jumio = `http://127.0.0.1:${jumio}`;
    house.links = `http://127.0.0.1:${open}`;
    house.api = `http://127.0.0.1:${own}`;
    house.run(["sandbox", "--listen", `127.0.0.1:${jumio}`], {});
    await until("the sandbox answers", () => fetch(`${house.jumio}/_sandbox/journal`).then((r) => r.ok));
    const dir = join(house.dir, "vault");
    const told = execFileSync(BIN, ["init", "--dir", dir, "--sandbox", house.jumio], { encoding: "utf8" });
    house.token = told.match(/fmv_\S+/)[0];
    house.run(["serve", "--config", join(dir, "config.toml")], {
      FACEMAP_VAULT__SERVER__PUBLIC_LISTEN: `127.0.0.1:${open}`,
      FACEMAP_VAULT__SERVER__PRIVATE_LISTEN: `127.0.0.1:${own}`,
      FACEMAP_VAULT__JUMIO__CALLBACK_BASE_URL: house.links,
      FACEMAP_VAULT__STORE__MIN_FREE_BYTES: "1048576",
      FACEMAP_VAULT__REAUTH__MAX_ATTEMPTS: "100",
      FACEMAP_VAULT__REAUTH__WAIT_SECONDS: "3",
      FACEMAP_VAULT__LINKS__BRAND_NAME: "Example Bank",
      FACEMAP_VAULT__LINKS__BRAND_COLOR: "#0a5c36",
    });
    await until("the vault is ready", () => fetch(`${house.api}/readyz`).then((r) => r.ok));
    return house;
  }

  run(args, settings) {
    const log = openSync(join(this.dir, `${args[0]}.log`), "a");
    const env = { PATH: process.env.PATH, ...settings };
    this.children.push(spawn(BIN, args, { env, stdio: ["ignore", log, log] }));
  }

  stop() {
    this.children.forEach((child) => child.kill("SIGTERM"));
    rmSync(this.dir, { recursive: true, force: true });
  }

  async call(path, body) {
    const answer = await fetch(this.api + path, {
      method: body ? "POST" : "GET",
      headers: { Authorization: `Bearer ${this.token}`, "Content-Type": "application/json" },
      body: body && JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  }

  async control(path, body, method = "POST") {
    const answer = await fetch(`${this.jumio}/_sandbox/${path}`, { method, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer.json().catch(() => ({}));
  }

  /** Initiate requests that reached Jumio. */
  async initiated() {
    const journal = await (await fetch(`${this.jumio}/_sandbox/journal`)).json();
    const asked = (entry) => entry.kind === "request" && entry.endpoint === "initiate-authentication";
    return journal.entries.filter(asked).length;
  }

  /** Somebody who can be re-authenticated. */
  async enrol(user) {
    const started = await this.call("/v1/verifications", { userReference: user, workflowId: 201 });
    const path = `/v1/enrollments/${started.transactionReference}`;
    const reaches = (state) => until(state, async () => (await this.call(path)).state === state);
    await this.control(`verifications/${started.transactionReference}/outcome`, { outcome: "approved" });
    await reaches("vaulted");
    await this.call(`${path}/release`, {});
    await reaches("ready");
  }

  async link(user, more = {}) {
    const made = await this.call("/v1/links", { userReference: user, ...more });
    return made.url;
  }
}
