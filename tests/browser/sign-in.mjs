// A person before Debian's Chromium, headless: opens an address, signs in and consents on every form of the tests' identity provider, and prints, as one
// line of JSON, the page it ends on: { address, status, text }.
//
//   node sign-in.mjs --url URL --user NAME [--cancel] [--trust FILE]... [--map NAME=HOST:PORT]
//
// --trust  PEM of a certificate whose key is believed, whoever has signed it
// --map    where a name that nobody knows is found, whatever its port
import { X509Certificate, createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';

const { values: options } = parseArgs({
  options: {
    url: { type: 'string' },
    user: { type: 'string' },
    cancel: { type: 'boolean', default: false },
    trust: { type: 'string', multiple: true, default: [] },
    map: { type: 'string' },
    browser: { type: 'string', default: '/usr/bin/chromium' },
  },
});

const patience = 60_000; // for each step of a person's
const mostForms = 10;

/// As Chromium wants it: SHA-256 of the public key, in Base64. All else about certificates is checked as ever.
function keyHash(file) {
  const key = new X509Certificate(readFileSync(file)).publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(key).digest('base64');
}

const profile = mkdtempSync(join(tmpdir(), 'postern-browser-'));
const args = ['--no-proxy-server', `--ignore-certificate-errors-spki-list=${options.trust.map(keyHash).join(',')}`];
if (options.map) {
  const [name, place] = options.map.split('=');
  args.push(`--host-resolver-rules=MAP ${name} ${place}`);
}
if (process.getuid() === 0) args.push('--no-sandbox'); // as root Chromium has none

// The profile is given, since Chromium heeds that list only for one of its own.
const context = await chromium.launchPersistentContext(profile, { executablePath: options.browser, headless: true, args, timeout: patience });
try {
  const page = context.pages()[0] ?? (await context.newPage());
  page.setDefaultTimeout(patience);
  let last;
  page.on('response', (response) => {
    if (response.request().isNavigationRequest() && response.frame() === page.mainFrame()) last = response.status();
  });
  await page.goto(options.url);
  if (options.cancel) await Promise.all([page.waitForNavigation(), page.getByText('Cancel').click()]);
  for (let forms = 0; !options.cancel && (await page.locator('form').count()) > 0; forms += 1) {
    if (forms === mostForms) throw new Error(`the sign-in does not come to its end: ${page.url()}`);
    const name = page.locator('input[name=login]');
    if ((await name.count()) > 0) {
      await name.fill(options.user);
      await page.locator('input[name=password]').fill('any');
    }
    await Promise.all([page.waitForNavigation(), page.locator('form button[type=submit]').first().click()]);
  }
  console.log(JSON.stringify({ address: page.url(), status: last, text: await page.locator('body').innerText() }));
} finally {
  await context.close();
  rmSync(profile, { recursive: true, force: true });
}
