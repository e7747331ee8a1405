// What a person sees and can do, in a real browser. Each test has a person of its own.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { House, until } from "./house.mjs";

const PURPOSE = { en: "Change of your phone number", de: "Änderung Ihrer Telefonnummer" };
const TITLES = {
  en: "Confirm that it is you",
  de: "Bestätigen Sie, dass Sie es sind",
  es: "Confirme que es usted",
  fr: "Confirmez que c’est bien vous",
};
const PHONE = { viewport: { width: 360, height: 740 }, deviceScaleFactor: 1, isMobile: true, hasTouch: true };
const DESKTOP = { viewport: { width: 1024, height: 720 } };

const house = await House.start();
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: process.getuid() === 0 ? ["--no-sandbox"] : [],
});
const shot = (page, name) => page.screenshot({ path: join(process.env.SCREENSHOTS, `${name}.png`) });

/** A page of a fresh browser, with everything that it complains about. */
async function visit(url, options = {}) {
  const context = await browser.newContext({ locale: "en", ...DESKTOP, ...options });
  const page = await context.newPage();
  page.complaints = [];
  page.on("console", (message) => page.complaints.push(message.text()));
  const answer = url && (await page.goto(url));
  return { page, answer };
}

async function person(name, more) {
  await house.enrol(name);
  return house.link(name, more);
}

const button = (page) => page.getByRole("button");

const tests = {
  async "each language has its page, named as such, and nothing on it is blocked"() {
    const url = await person("languages");
    for (const [language, title] of Object.entries(TITLES)) {
      const { page } = await visit(url, { locale: language });
      assert.equal(await page.getByRole("heading", { level: 1 }).textContent(), title);
      assert.equal(await page.locator("html").getAttribute("lang"), language);
      assert.deepEqual(page.complaints, []);
      await page.context().close();
    }
    const { page } = await visit(url, { locale: "fi" });
    assert.equal(await page.locator("html").getAttribute("lang"), "en", "others fall back");
    const tree = await page.locator("body").ariaSnapshot();
    for (const part of ["- main", "- heading", "Who asks", "Example Bank", '- button "Continue to the face check"']) {
      assert.ok(tree.includes(part), `${part}:\n${tree}`);
    }
    assert.equal(await house.initiated(), 0);
  },

  async "with the keyboard alone, and without scripts, the button leads to Jumio"() {
    const url = await person("keyboard");
    const before = await house.initiated();
    const { page } = await visit(url, { javaScriptEnabled: false });
    await page.keyboard.press("Tab");
    assert.ok(await button(page).evaluate((it) => it.matches(":focus-visible")), "the first stop is the button");
    await page.keyboard.press("Enter");
    await page.waitForURL(`${house.jumio}/**`);
    assert.equal(await house.initiated(), before + 1);
    assert.deepEqual(page.complaints, []);
    await page.goBack();
    await button(page).click();
    await page.waitForURL(`${house.jumio}/**`);
    assert.equal(await house.initiated(), before + 1, "pressed again, it goes on where it was");
  },

  async "the policy lets the redirect to Jumio through, and would stop any other"() {
    const url = await person("policy");
    const { page } = await visit(null);
    // The same page with Jumio's host taken out of the policy.
    await page.route(url, async (route) => {
      if (route.request().method() !== "GET") return route.continue();
      const answer = await route.fetch();
      const headers = { ...answer.headers() };
      const policy = headers["content-security-policy"];
      assert.ok(policy.includes(` ${house.jumio};`), policy);
      headers["content-security-policy"] = policy.replace(` ${house.jumio};`, ";");
      return route.fulfill({ response: answer, headers });
    });
    await page.goto(url);
    await button(page).click();
    await until("the browser refuses", async () => page.complaints.some((text) => text.includes("form-action")));
    assert.ok(!page.url().startsWith(house.jumio), page.url());
    await page.unroute(url);
    await page.goto(url);
    await button(page).click();
    await page.waitForURL(`${house.jumio}/**`);
  },

  async "at the end the person is led back, and the link is used up"() {
    const url = await person("journey");
    const { page } = await visit(url);
    await button(page).click();
    await page.waitForURL(`${house.jumio}/**`);
    const referrer = await page.evaluate(() => document.referrer);
    assert.equal(referrer, "", "Jumio does not learn the link");
    await page.getByText("Passed: live, same person").click();
    await until("the link is used up", async () => (await page.request.get(url)).status() === 404);
    const answer = await page.goto(url);
    assert.equal(answer.status(), 404);
    assert.equal(await page.getByRole("heading", { level: 1 }).textContent(), "This link cannot be used");
    assert.deepEqual(await page.getByRole("button").count(), 0);
    await shot(page, "link-dead-desktop-en");
  },

  async "a busy page goes back to the question by itself, and repeats no press"() {
    const url = await person("busy", { locale: "de", purpose: PURPOSE.de });
    await house.control("faults", [{ endpoint: "initiate-authentication", status: 503, count: 1 }], "PUT");
    const before = await house.initiated();
    const { page } = await visit(url, { ...PHONE, javaScriptEnabled: false });
    const answered = page.waitForResponse((answer) => answer.request().method() === "POST");
    await button(page).click();
    assert.equal((await answered).status(), 503);
    await page.getByRole("status").waitFor();
    await shot(page, "link-busy-phone-de");
    const posts = [];
    page.on("request", (request) => request.method() === "POST" && posts.push(request.url()));
    await page.getByRole("button", { name: "Weiter zur Gesichtsprüfung" }).waitFor({ timeout: 60_000 });
    assert.deepEqual(posts, []);
    assert.equal(await house.initiated(), before + 1);
  },

  async "another site can neither frame the page nor press its button"() {
    const url = await person("clickjacking");
    const before = await house.initiated();
    const html = `<iframe src="${url}"></iframe><form method="post" action="${url}"><button>x</button></form>`;
    const evil = createServer((_, answer) => answer.setHeader("Content-Type", "text/html").end(html));
    await new Promise((done) => evil.listen(0, "127.0.0.1", done));
    // Another site, and not only another port of this one.
    const { page } = await visit(`http://localhost:${evil.address().port}/`);
    await until("it is not framed", async () => page.complaints.some((text) => text.includes("frame-ancestors")));
    await page.getByRole("button").click();
    await page.waitForURL(`${house.links}/r/**`);
    assert.equal(await page.getByRole("heading", { level: 1 }).textContent(), TITLES.en);
    assert.equal(await house.initiated(), before, "the person sees first what it is about");
    await button(page).click();
    await page.waitForURL(`${house.jumio}/**`);
    evil.close();
  },

  async "on the narrowest phone everything fits, and the button can be hit"() {
    const url = await person("phone", { purpose: "x".repeat(200) });
    const { page } = await visit(url, { ...PHONE, viewport: { width: 320, height: 568 } });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(wide <= 320, `${wide}`);
    const box = await button(page).boundingBox();
    assert.ok(box.height >= 44 && box.width >= 44, JSON.stringify(box));
  },

  async "what it looks like"() {
    await house.enrol("pictures");
    for (const language of ["en", "de"]) {
      const url = await house.link("pictures", { locale: language, purpose: PURPOSE[language] });
      for (const [device, options] of Object.entries({ phone: PHONE, desktop: DESKTOP })) {
        const { page } = await visit(url, options);
        await shot(page, `link-${device}-${language}`);
        await page.context().close();
      }
    }
  },
};

let failed = 0;
for (const [name, test] of Object.entries(tests)) {
  try {
    await test();
    console.log(`ok      ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED  ${name}\n${error.stack}`);
  }
}
await browser.close();
house.stop();
console.log(`${Object.keys(tests).length - failed} passed, ${failed} failed; Chromium ${browser.version()}`);
process.exit(failed ? 1 : 0);
