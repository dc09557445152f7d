// Opens a page in Chromium and prints as JSON what a person and the network saw.
// node docs_page.mjs <node_modules> <chromium> <url> <scripts: on|off> <screenshot.png>
import { createRequire } from "node:module";

const [modules, executablePath, url, scripts, screenshot] = process.argv.slice(2);
const { chromium } = createRequire(`${modules}/`)("playwright-core");
const browser = await chromium.launch({
  executablePath,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
});
const page = await browser.newPage({ javaScriptEnabled: scripts === "on", viewport: { width: 1200, height: 900 } });
const seen = { requests: [], errors: [] };
page.on("request", (request) => seen.requests.push(request.url()));
page.on("console", (message) => message.type() === "error" && seen.errors.push(message.text()));
page.on("pageerror", (error) => seen.errors.push(String(error)));
const answer = await page.goto(url, { waitUntil: "load" });
const text = await page.innerText("body");
const heading = await page.innerText("h1");
const overflow = scripts === "on" && (await page.evaluate(() => document.documentElement.scrollWidth > innerWidth));
await page.screenshot({ path: screenshot });
await browser.close();
console.log(JSON.stringify({ status: answer.status(), heading, text, overflow, ...seen }));
